//! Programs that end by themselves, and how soon their leases end.

use std::time::Duration;

use containerlease_domain::lease::{Reason, State};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use crate::{
    Fallible, Options,
    engine::{Engine, as_millis},
    figures::Figures,
    leases::{self, IMAGE},
    machine,
    picture::{Curve, curves},
    result::{Goal, Outcome},
    server::ServerOptions,
};

/// Time limit from a program's end until its container is gone and its receipt is written.
const PROMISED_MS: f64 = 2_000.0;

/// Number of leases made concurrently, as in [`leases::make`].
const MADE_AT_ONCE: usize = 6;

/// How long each program runs: long enough that the server is idle when it ends.
const PROGRAM_SECONDS: usize = 20;

/// Measures from the engine's `die` to its `destroy`, and to the receipt's `removedAt`.
pub async fn measure(options: &Options, engine: &Engine) -> Fallible<bool> {
    let machine = machine::facts(engine).await;
    let server = ServerOptions::new(options, engine)?.start().await?;
    let watch = engine.watch().await?;
    let ids: Vec<_> = stream::iter((0..options.leases).map(|index| {
        // Every second program fails.
        let script = format!("sleep {PROGRAM_SECONDS}; exit {}", index % 2);
        let body = json!({
            "imageType": IMAGE, "durationMinutes": 60, "command": ["sh", "-c", script],
        });
        let api = server.api();
        async move { api.provision_as(&body).await }
    }))
    .buffered(MADE_AT_ONCE)
    .try_collect()
    .await?;
    let store = server.api().store().await;
    let limit = options.tick + Duration::from_secs(120);
    let ended = leases::ended(&store, &ids, limit).await?;

    let (died, gone) = (watch.died()?, watch.gone()?);
    let mut events = Vec::new();
    let mut receipts = Vec::new();
    let mut wrong = 0;
    for lease in &ended {
        let id = lease.id.to_string();
        let State::Ended(receipt) = &lease.state else {
            return Err(format!("the lease {id} has not ended").into());
        };
        let expected = match ids.iter().position(|made| *made == lease.id) {
            Some(index) if index % 2 == 0 => Reason::Completed,
            _ => Reason::Failed,
        };
        wrong += usize::from(receipt.reason != expected);
        let died = died.get(&id).ok_or("a program's end was not seen")?;
        let gone = gone.get(&id).ok_or("a container's end was not seen")?;
        events.push(gone - died);
        receipts.push(as_millis(receipt.removed_at) - died);
    }
    let (events, receipts) = (Figures::of(events), Figures::of(receipts));
    let row = |name: &str, figures: &Figures| {
        let mut row = vec![name.to_owned()];
        row.extend(figures.cells());
        row
    };
    let mut columns = vec!["from the program's end to gone, by".to_owned()];
    columns.extend(Figures::HEADINGS.map(str::to_owned));
    let p99 = events.percentile(99);
    let outcome = Outcome {
        name: "by-itself".to_owned(),
        title: "Programs that end by themselves".to_owned(),
        method: format!(
            "{} leases whose programs end after {PROGRAM_SECONDS} s, every second one as a \
             failure, while others are still made; the reaper runs every {} s, so nothing but \
             the engine's events tells of them.",
            ids.len(),
            options.tick.as_secs()
        ),
        machine,
        columns,
        rows: vec![
            row("the engine's events", &events),
            row("our receipts", &receipts),
        ],
        goals: vec![
            Goal::new(
                "from a program's end to its container gone, p99 at most 2 s",
                format!("{p99:.0} ms"),
                p99 <= PROMISED_MS,
            ),
            Goal::new(
                "each receipt has its reason",
                format!("{wrong} of {} have another", ids.len()),
                wrong == 0,
            ),
        ],
        data: json!({"events": events.json(), "receipts": receipts.json()}),
    };
    let picture = curves(
        &outcome.title,
        "milliseconds from a program's end to its container's",
        "percent of the leases",
        &[
            Curve::shares("the engine's events", events.sorted()),
            Curve::shares("our receipts", receipts.sorted()),
        ],
    );
    outcome.publish(&options.out, &picture)?;
    Ok(outcome.holds())
}
