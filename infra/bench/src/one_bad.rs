//! How much one container that cannot be removed delays the others.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use containerlease_domain::names::{ContainerName, LeaseId, Owner};
use containerlease_testkit::proxy::{Fault, Proxy};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    Fallible, Options,
    engine::Engine,
    figures::{Figures, number},
    leases, machine,
    picture::{Curve, curves},
    result::{Goal, Outcome},
    say,
    server::{Api, ServerOptions},
    spread::Lateness,
};

/// Maximum delay that the bad one may cause the others.
const PROMISED_MS: f64 = 1_000.0;

/// The time between two ends: as short as possible without a queue at the engine.
const PACE: Duration = Duration::from_millis(200);

/// Time limit until the bad one is quarantined, and then until it is gone.
const LIMIT: Duration = Duration::from_secs(900);

/// Measures the same number of leases twice: once with a container whose removal the engine
/// refuses, once without.
pub async fn measure(options: &Options, engine: &Engine) -> Fallible<bool> {
    let machine = machine::facts(engine).await;
    let proxy = Proxy::before_unix(engine.socket());
    let plan = ServerOptions::new(options, engine)?.through(proxy.unix());
    let server = plan.start().await?;
    let api = server.api();

    let without = end_all(options, engine, api, None).await?.0;
    let broken = Arc::new(AtomicBool::new(true));
    let (with, bad) = end_all(options, engine, api, Some((&proxy, &broken))).await?;
    let (bad, container) = bad.ok_or("there is no bad one")?;

    say("  the bad one is tried until it is quarantined");
    let begun = Instant::now();
    let quarantined = until(api, &bad, "quarantined").await?;
    let quarantined_after = begun.elapsed().as_secs();
    let tries = |proxy: &Proxy| {
        let removals = proxy.seen().into_iter();
        let removals = removals.filter(|seen| seen.is("DELETE", container.as_str()));
        removals.count()
    };
    let tried = tries(&proxy);
    say("  the engine removes it again");
    broken.store(false, Ordering::Relaxed);
    let closed = until(api, &bad, "ended").await?;
    let receipt = &closed["receipt"];
    let attempts = receipt["attempts"].as_u64().unwrap_or(0);
    drop(server);

    let (p99_without, p99_with) = (without.events.percentile(99), with.events.percentile(99));
    let growth = p99_with - p99_without;
    let mut columns = vec!["from its end to gone, by".to_owned()];
    columns.extend(Figures::HEADINGS.map(str::to_owned));
    let mut rows = without.rows("without it: ");
    rows.extend(with.rows("with it: "));
    let outcome = Outcome {
        name: "one-bad".to_owned(),
        title: format!("One container of {} that cannot be removed", options.leases),
        method: format!(
            "{0} leases that end {1} ms after one another, and {0} more among which is one whose \
             removal the engine answers with status 500. The other {2} are measured. The reaper \
             runs every {3} s.",
            options.leases,
            PACE.as_millis(),
            options.leases - 1,
            options.tick.as_secs()
        ),
        machine,
        columns,
        rows,
        goals: vec![
            Goal::new(
                "one bad container adds less than 1 s to the others' p99",
                format!("{growth:+.0} ms"),
                growth < PROMISED_MS,
            ),
            Goal::new(
                "the bad one is quarantined and shown so",
                format!(
                    "after {} attempts and {quarantined_after} s",
                    quarantined["attempts"]
                ),
                quarantined["attempts"].as_u64() == Some(6),
            ),
            Goal::new(
                "it is tried again and ends once the engine removes it",
                format!("in attempt {attempts}, as {}", receipt["reason"]),
                attempts > 6 && receipt["reason"] == "expired",
            ),
        ],
        data: json!({
            "without": without.json(),
            "with": with.json(),
            "quarantinedAfterSeconds": quarantined_after,
            "removalsRefused": tried,
            "receipt": receipt,
        }),
    };
    let picture = curves(
        &outcome.title,
        "milliseconds from a lease's end to its container's",
        "percent of the other leases",
        &[
            Curve::shares("without it", without.events.sorted()),
            Curve::shares("with it", with.events.sorted()),
        ],
    );
    outcome.publish(&options.out, &picture)?;
    Ok(outcome.holds())
}

/// Ends the leases one after another and returns how late they were. The middle one is bad: it
/// stays as long as the engine is `broken`, and is not counted.
async fn end_all(
    options: &Options,
    engine: &Engine,
    api: &Api,
    fault: Option<(&Proxy, &Arc<AtomicBool>)>,
) -> Fallible<(Lateness, Option<(LeaseId, ContainerName)>)> {
    let watch = engine.watch().await?;
    let mut ids = leases::make(api, options.leases).await?;
    let middle = ids.len() / 2;
    let first = leases::soonest_end(ids.len(), options.tick);
    let ends = (0_u32..).map(|index| first.plus(PACE * index));
    let ends: Vec<_> = ids.iter().copied().zip(ends).collect();
    let store = api.store().await;
    let mut bad = None;
    if let Some((proxy, broken)) = fault {
        let (id, broken) = (ids.remove(middle), Arc::clone(broken));
        let lease = store.get(&Owner::local(), &id).await?;
        // The reaper removes it by the engine's id.
        let container = lease.ok_or("the lease is not on record")?.container();
        bad = Some((id, container.clone()));
        proxy.on_each(move |seen| {
            if seen.is("DELETE", container.as_str()) && broken.load(Ordering::Relaxed) {
                let body = r#"{"message":"driver failed to remove root filesystem"}"#;
                Fault::Answered(StatusCode::INTERNAL_SERVER_ERROR, body.to_owned())
            } else {
                Fault::None
            }
        });
    }
    leases::move_ends(&store, &ends).await?;
    let last = ends.last().map_or(first, |(_, end)| *end);
    let ending = PACE.as_secs_f64() * number(options.leases);
    say(format_args!("  they end within {ending:.0} s"));
    leases::sleep_until(last).await;
    let ended = leases::ended(&store, &ids, LIMIT).await?;
    Ok((Lateness::of(&ended, &watch)?, bad))
}

/// Polls the lease over the API until it is in `state`.
async fn until(api: &Api, id: &LeaseId, state: &str) -> Fallible<Value> {
    let begun = Instant::now();
    loop {
        let lease = api.lease(id).await?;
        if lease["state"] == state {
            return Ok(lease);
        }
        if begun.elapsed() > LIMIT {
            return Err(format!("the lease is not {state} after {LIMIT:?}: {lease}").into());
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}
