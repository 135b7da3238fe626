//! The engine restarts while leases end: nothing leaks, all of them end, and the receipts are
//! true.

use std::time::Duration;

use containerlease_bench::{leases, soak::reap_every};
use containerlease_domain::{
    capacity::Amounts,
    lease::{Lease, Reason, State},
    names::{LeaseId, Owner},
    request,
    time::Time,
};
use containerlease_functions::{app::App, jobs::cleanup};
use containerlease_service::leasing::provision;
use containerlease_testkit::Table;
use tokio_util::sync::CancellationToken;

use crate::daemon::{Daemon, LIMIT, with_image};

/// The reaper's interval here, and its look-ahead: a tick of a minute would only make the test
/// longer.
const TICK: Duration = Duration::from_secs(2);
const LOOK_AHEAD: Duration = Duration::from_secs(5);

/// Leases that end while the engine is away, one after another.
const ENDING: u32 = 6;
const APART: Duration = Duration::from_millis(500);

/// Leases that do not end meanwhile. Their containers die with the stopping engine.
const LIVING: u32 = 2;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaks_when_the_engine_restarts_while_leases_end() {
    let Some(mut daemon) = with_image(Daemon::start()).await else {
        return;
    };
    let table = Table::in_memory().await;
    let app = daemon.app(&table);
    let reaper = cleanup::reaper(&app, LOOK_AHEAD, CancellationToken::new());
    let reaping = tokio::spawn(reap_every(TICK, reaper));

    for signal in ["TERM", "KILL"] {
        let (ending, living) = lease(&app, &table).await;
        let first = Time::now().plus(2 * TICK);
        let ends = (0..ENDING).map(|index| first.plus(APART * index));
        let ends: Vec<_> = ending.iter().copied().zip(ends).collect();
        leases::move_ends(&table.store(), &ends)
            .await
            .expect("ends can be moved");
        leases::sleep_until(first.minus(APART)).await;
        daemon.end(signal);
        daemon.start_again();
        daemon.wait_until_it_answers().await;

        let ids: Vec<_> = ending.iter().chain(&living).copied().collect();
        let ended = leases::ended(&table.store(), &ids, LIMIT).await;
        let ended = ended.unwrap_or_else(|error| panic!("SIG{signal}: {error}"));
        for lease in &ended {
            check_receipt(lease, living.contains(&lease.id), signal);
        }
        let left = daemon.engine().containers().await;
        let left = left.expect("the engine lists its containers");
        assert!(left.is_empty(), "SIG{signal}: {left:?}");
        let counted = table.store().counted(&Owner::local()).await;
        let counted = counted.expect("the count can be read");
        assert_eq!(counted, Amounts::default(), "SIG{signal}");
    }
    let networks = daemon.engine().networks().await;
    assert_eq!(networks.expect("the engine lists its networks").len(), 1);
    reaping.abort();
}

/// The receipt of a lease that ended while the engine restarted.
fn check_receipt(lease: &Lease, lives_on: bool, signal: &str) {
    let State::Ended(receipt) = &lease.state else {
        panic!("SIG{signal}: {lease:?} has not ended")
    };
    assert!(receipt.attempts >= 1, "SIG{signal}: {receipt:?}");
    assert!(
        receipt.removed_at >= receipt.requested_at,
        "SIG{signal}: {receipt:?}"
    );
    match receipt.reason {
        Reason::Expired => {
            assert!(!lives_on, "SIG{signal}: {lease:?} ended early");
            let late = receipt.removed_at.millis_since(lease.expires_at);
            assert!(late >= 0, "SIG{signal}: {receipt:?}");
            assert_eq!(receipt.overshoot_ms, Some(late), "SIG{signal}");
        }
        // The stopping engine killed its container before its end.
        Reason::Failed => assert_eq!(receipt.overshoot_ms, None, "SIG{signal}: {receipt:?}"),
        _ => panic!("SIG{signal}: {receipt:?} has another reason"),
    }
}

/// Leases that end soon, and leases that do not.
async fn lease(app: &App, table: &Table) -> (Vec<LeaseId>, Vec<LeaseId>) {
    let body = br#"{"imageType":"alpine","durationMinutes":10}"#;
    let asked = request::Provision::parse(body, &app.catalogue, &app.policy);
    let asked = asked.expect("it may be asked for");
    let mut made = Vec::new();
    for _ in 0..ENDING + LIVING {
        let (policy, owner) = (&app.policy, Owner::local());
        let now = Time::now();
        let lease = provision::provision(app.deps(), policy, &owner, &asked, None, now).await;
        made.push(lease.expect("a container can be leased").id);
    }
    let active = table.store().active().await;
    let active = active.expect("the table can be read");
    assert_eq!(active.items.len(), made.len());
    let living = made.split_off(ENDING as usize);
    (made, living)
}
