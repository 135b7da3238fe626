//! Leases that end one after another.

use std::time::Duration;

use containerlease_domain::{
    lease::{Lease, Reason, State},
    time::Time,
};
use serde_json::json;

use crate::{
    Fallible, Options,
    engine::{Engine, Watch, as_millis},
    figures::{Figures, number},
    leases, machine,
    picture::{Curve, curves},
    result::{Goal, Outcome},
    say,
    server::ServerOptions,
};

/// Time limit from a lease's end until its container is gone.
const PROMISED_MS: f64 = 2_000.0;

/// The same with the bare tick only.
const PROMISED_BARE_MS: f64 = 75_000.0;

/// Milliseconds from end to gone: by the engine's events, by our receipts, and the difference.
#[derive(Clone, Debug)]
pub struct Lateness {
    pub events: Figures,
    pub receipts: Figures,
    pub difference: Figures,
}

impl Lateness {
    /// The lateness of these leases, all of which have expired.
    pub fn of(ended: &[Lease], watch: &Watch) -> Fallible<Self> {
        let gone = watch.gone()?;
        let mut pairs = Vec::new();
        for lease in ended {
            let id = lease.id.to_string();
            let State::Ended(receipt) = &lease.state else {
                return Err(format!("the lease {id} has not ended").into());
            };
            if receipt.reason != Reason::Expired {
                return Err(format!("the lease {id} ended as {:?}", receipt.reason).into());
            }
            let gone = gone.get(&id).ok_or("a container's end was not seen")?;
            let event = gone - as_millis(lease.expires_at);
            pairs.push((
                event,
                as_millis(receipt.removed_at) - as_millis(lease.expires_at),
            ));
        }
        Ok(Self {
            events: Figures::of(pairs.iter().map(|(event, _)| *event)),
            receipts: Figures::of(pairs.iter().map(|(_, receipt)| *receipt)),
            difference: Figures::of(pairs.iter().map(|(event, receipt)| receipt - event)),
        })
    }

    /// Rows of a table, one for each figure.
    pub fn rows(&self, of: &str) -> Vec<Vec<String>> {
        let named = [
            ("the engine's events", &self.events),
            ("our receipts", &self.receipts),
            ("how much later the receipts are", &self.difference),
        ];
        named
            .map(|(name, figures)| {
                let mut row = vec![format!("{of}{name}")];
                row.extend(figures.cells());
                row
            })
            .to_vec()
    }

    /// For the data beside a picture.
    pub fn json(&self) -> serde_json::Value {
        json!({
            "events": self.events.json(),
            "receipts": self.receipts.json(),
            "receiptsAfterEvents": self.difference.json(),
        })
    }
}

/// Measures leases whose ends are spread over a window. Without looking ahead only the bare
/// tick ends them, as if a run could not wait.
pub async fn measure(options: &Options, engine: &Engine, looks_ahead: bool) -> Fallible<bool> {
    let machine = machine::facts(engine).await;
    let mut plan = ServerOptions::new(options, engine)?;
    if !looks_ahead {
        plan = plan.look_ahead(Duration::ZERO);
    }
    let server = plan.start().await?;
    let watch = engine.watch().await?;
    let ids = leases::make(server.api(), options.leases).await?;

    let store = server.api().store().await;
    let first = leases::soonest_end(ids.len(), options.tick);
    let pace = options.window.div_f64(number(ids.len()));
    let ends = (0_u32..).map(|index| first.plus(pace * index));
    let ends: Vec<_> = ids.iter().copied().zip(ends).collect();
    leases::move_ends(&store, &ends).await?;
    let last = ends.last().map_or(first, |(_, end)| *end);
    let seconds = Time::now().until(last).as_secs();
    say(format_args!(
        "  they end one after another; the last in {seconds} s"
    ));
    leases::sleep_until(last).await;
    let ended = leases::ended(&store, &ids, options.tick + Duration::from_secs(120)).await?;
    let lateness = Lateness::of(&ended, &watch)?;
    drop(server);

    let window = options.window.as_secs();
    let tick = options.tick.as_secs();
    let count = ids.len();
    let (name, title, goals) = if looks_ahead {
        let p99 = lateness.events.percentile(99);
        let goal = "from its end to physically gone, p99 at most 2 s";
        let goal = Goal::new(goal, format!("{p99:.0} ms"), p99 <= PROMISED_MS);
        ("spread", "Leases that end one after another", goal)
    } else {
        let max = lateness.events.max();
        let goal = "by the bare tick at most 75 s";
        let goal = Goal::new(
            goal,
            format!("{:.1} s", max / 1_000.0),
            max <= PROMISED_BARE_MS,
        );
        ("bare-tick", "The same by the bare tick", goal)
    };
    let never_early = Goal::new(
        "never early",
        format!(
            "the first was gone {:.0} ms after its end",
            lateness.events.min()
        ),
        lateness.events.min() >= 0.0,
    );
    let look_ahead = if looks_ahead { "65 s" } else { "nothing" };
    let mut columns = vec!["from its end to gone, by".to_owned()];
    columns.extend(Figures::HEADINGS.map(str::to_owned));
    let outcome = Outcome {
        name: name.to_owned(),
        title: title.to_owned(),
        method: format!(
            "{count} leases whose ends lie evenly over {window} s; the reaper runs every {tick} s \
             and looks ahead {look_ahead}."
        ),
        machine,
        columns,
        rows: lateness.rows(""),
        goals: vec![goals, never_early],
        data: lateness.json(),
    };
    let picture = curves(
        title,
        "milliseconds from a lease's end to its container's",
        "percent of the leases",
        &[
            Curve::shares("the engine's events", lateness.events.sorted()),
            Curve::shares("our receipts", lateness.receipts.sorted()),
        ],
    );
    outcome.publish(&options.out, &picture)?;
    Ok(outcome.holds())
}
