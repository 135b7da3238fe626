//! The engine is away while many leases fall due. Once it is back, ending them takes hardly
//! longer than with an engine that was never away.
//!
//! `CONTAINERLEASE_AWAY=100` runs it with a hundred leases.

use std::{path::PathBuf, time::Duration};

use containerlease_bench::{Options, engine::Engine, leases, say, server::ServerOptions};
use containerlease_domain::{
    lease::{Lease, Receipt, State},
    names::LeaseId,
    time::Time,
};
use containerlease_service::store::Store;
use containerlease_testkit::{
    Folder, Place,
    proxy::{Fault, Proxy},
    server::built,
};

/// Default number of leases that fall due.
const LEASES: usize = 16;

/// How long the engine stays away after their ends: first it cannot be reached, then it hangs.
const UNREACHABLE: Duration = Duration::from_secs(8);
const HANGING: Duration = Duration::from_secs(8);

/// Maximum extra time after the return, on a machine that is busy with other things. A tick is a
/// minute, and so is the backoff after a few failures: leases within the limit waited for neither.
const RETURN_MS: i64 = 10_000;
const LIMIT: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_overdue_ends_as_soon_as_the_engine_is_back() {
    let place = Place::new().await;
    let deployment = place.deployment().as_str();
    let engine = Engine::of(
        place.docker().clone(),
        place.socket().to_owned(),
        deployment,
    );
    let _folder = Folder::new(deployment);
    let count = option_env("CONTAINERLEASE_AWAY").unwrap_or(LEASES);
    let options = Options {
        leases: count,
        rounds: 1,
        tick: Duration::from_secs(60),
        window: Duration::ZERO,
        server: built("containerlease"),
        out: PathBuf::new(),
    };
    let proxy = Proxy::before_unix(place.socket());
    let plan = ServerOptions::new(&options, &engine).expect("a server can be planned");
    let server = plan.through(proxy.unix()).start().await.expect("it starts");
    let store = server.api().store().await;

    // The time with an engine that was never away.
    let ids = leases::make(server.api(), count).await.expect("they run");
    let end = all_end_at_once(&store, &ids).await;
    let without = last_gone(&store, &ids).await.millis_since(end);

    let ids = leases::make(server.api(), count).await.expect("they run");
    proxy.on_each(|_| Fault::Cut);
    let end = all_end_at_once(&store, &ids).await;
    leases::sleep_until(end.plus(UNREACHABLE)).await;
    proxy.on_each(|_| Fault::NeverSent(Box::new(|| {})));
    tokio::time::sleep(HANGING).await;
    let still = engine.containers().await.expect("the engine lists them");
    assert_eq!(still.len(), count, "the engine was not away");
    proxy.heal();
    let returned = Time::now();
    let with = last_gone(&store, &ids).await.millis_since(returned);
    let left = engine.containers().await.expect("the engine lists them");
    assert!(left.is_empty(), "{left:?}");
    say(format!(
        "  {count} leases were gone {with} ms after the engine's return; where it is there all \
         the time, {without} ms after their end"
    ));
    assert!(with < without + RETURN_MS, "{with} ms and {without} ms");
}

/// Sets the ends of all of them to one instant.
async fn all_end_at_once(store: &Store, ids: &[LeaseId]) -> Time {
    let end = leases::soonest_end(ids.len(), Duration::ZERO);
    let ends: Vec<_> = ids.iter().map(|id| (*id, end)).collect();
    let moved = leases::move_ends(store, &ends).await;
    moved.expect("ends can be moved");
    end
}

/// When the last of them was gone. Each must end in its first attempt.
async fn last_gone(store: &Store, ids: &[LeaseId]) -> Time {
    let ended = leases::ended(store, ids, LIMIT).await;
    let ended = ended.expect("all leases end");
    for lease in &ended {
        assert_eq!(receipt(lease).attempts, 1, "{lease:?}");
    }
    let gone = ended.iter().map(|lease| receipt(lease).removed_at).max();
    gone.expect("there are leases")
}

fn receipt(lease: &Lease) -> &Receipt {
    match &lease.state {
        State::Ended(receipt) => receipt,
        other => panic!("{other:?}"),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the test says how much of it"
)]
fn option_env(name: &str) -> Option<usize> {
    let said = std::env::var(name).ok()?;
    Some(said.parse().expect("it is a number"))
}
