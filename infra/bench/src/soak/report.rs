//! What is left after a soak, and what that proves.

use std::{
    collections::BTreeMap,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use containerlease_domain::{
    capacity::Amounts,
    lease::{Reason, State},
    names::Owner,
};
use serde_json::{Value, json};

use super::{MAKING_PROCESSES, MOST_AT_ONCE, NEVER_ACCEPTED, REAPERS, Soak, TICK};
use crate::{
    Fallible,
    engine::{Engine, Watch, as_millis},
    figures::{Figures, number},
    leases,
    result::{Goal, Outcome, texts},
    say,
    server::ServerOptions,
};

/// The upper bounds of the histogram's bars, in milliseconds, and their names.
const BARS: [(f64, &str); 10] = [
    (250.0, "0.25 s"),
    (500.0, "0.5 s"),
    (1_000.0, "1 s"),
    (2_000.0, "2 s"),
    (5_000.0, "5 s"),
    (10_000.0, "10 s"),
    (30_000.0, "30 s"),
    (60_000.0, "1 min"),
    (120_000.0, "2 min"),
    (f64::INFINITY, "more"),
];

/// Time limit from the last lease made until all are gone.
const DRAIN_LIMIT: Duration = Duration::from_secs(1_200);

/// Prints progress every ten seconds, and checks the number of containers.
pub(super) async fn report(soak: &Soak, engine: &Engine, begun: Instant) -> Fallible<bool> {
    for second in 1_u64.. {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let there = engine.containers().await?.len();
        soak.there.store(there, Ordering::Relaxed);
        if second.is_multiple_of(10) {
            let made = soak.made.load(Ordering::Relaxed);
            let counts = soak.tally.counts();
            let kills = |of: &str| counts.get(&format!("kills of {of}")).copied().unwrap_or(0);
            let (servers, reapers) = (kills("the server"), kills("a reaper"));
            say(format_args!(
                "  {} s: {made} of {} made, {there} there, {servers} servers and {reapers} \
                 reapers killed",
                begun.elapsed().as_secs(),
                soak.total
            ));
        }
    }
    unreachable!("there is always another second")
}

/// Waits until there is no active lease and no container.
pub(super) async fn drain(engine: &Engine, plan: &ServerOptions) -> Fallible<()> {
    let begun = Instant::now();
    let store = plan.api().store().await;
    let mut second = 0_u64;
    loop {
        let there = engine.containers().await?.len();
        // The table cannot be read while the server restarts.
        let active = store.active().await.ok().map(|leases| leases.items.len());
        if there == 0 && active == Some(0) {
            return Ok(());
        }
        if begun.elapsed() > DRAIN_LIMIT {
            return Err(format!("{there} containers and {active:?} leases are left").into());
        }
        if second.is_multiple_of(10) {
            let active = active.map_or("?".to_owned(), |count| count.to_string());
            say(format_args!(
                "  {active} leases and {there} containers are left"
            ));
        }
        second += 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// What is left once all should be gone, and how the leases ended.
pub(super) struct Left {
    active: usize,
    counted: Amounts,
    containers: usize,
    networks: usize,
    volumes: usize,
    /// Volumes that existed.
    mounted: usize,
    made: usize,
    receipts: usize,
    reasons: BTreeMap<String, usize>,
    /// Milliseconds from an expired lease's end until its container was gone, by events and by
    /// receipts.
    late: Figures,
    by_receipt: Figures,
}

impl Left {
    pub(super) async fn of(engine: &Engine, plan: &ServerOptions, watch: &Watch) -> Fallible<Self> {
        let store = plan.api().store().await;
        let ids = leases::all_ids(plan.table(), plan.table_key()).await?;
        let ended = leases::ended(&store, &ids, Duration::from_secs(60)).await?;
        let mounted = watch.volumes();
        let gone = watch.gone()?;
        let (mut late, mut by_receipt) = (Vec::new(), Vec::new());
        let (mut receipts, mut reasons) = (0, BTreeMap::new());
        for lease in &ended {
            let State::Ended(receipt) = &lease.state else {
                continue;
            };
            receipts += 1;
            let reason = format!("{:?}", receipt.reason).to_lowercase();
            *reasons.entry(reason).or_default() += 1;
            if receipt.reason != Reason::Expired {
                continue;
            }
            let end = as_millis(lease.expires_at);
            by_receipt.push(as_millis(receipt.removed_at) - end);
            late.extend(gone.get(&lease.id.to_string()).map(|at| at - end));
        }
        Ok(Self {
            active: store.active().await?.items.len(),
            counted: store.counted(&Owner::local()).await?,
            containers: engine.containers().await?.len(),
            networks: engine.networks().await?.len(),
            volumes: engine.volumes_among(&mounted).await?.len(),
            mounted: mounted.len(),
            made: ids.len(),
            receipts,
            reasons,
            late: Figures::of(late),
            by_receipt: Figures::of(by_receipt),
        })
    }

    pub(super) fn bars(&self) -> Vec<(String, usize)> {
        let mut from = f64::NEG_INFINITY;
        BARS.iter()
            .map(|(to, name)| {
                let late = self.late.sorted().iter();
                let here = late.filter(|ms| (from..*to).contains(*ms)).count();
                from = *to;
                ((*name).to_owned(), here)
            })
            .collect()
    }

    fn goals(&self, never_accepted: usize) -> Vec<Goal> {
        let first = self.late.min();
        vec![
            Goal::new(
                "containers equal active leases",
                format!("{} and {} of {}", self.containers, self.active, self.made),
                self.containers == 0 && self.active == 0,
            ),
            Goal::new(
                "no volume is left",
                format!("{} of {}", self.volumes, self.mounted),
                self.volumes == 0,
            ),
            Goal::new(
                "no network is left but the deployment's, one for each process that makes leases",
                self.networks.to_string(),
                self.networks <= MAKING_PROCESSES,
            ),
            Goal::new(
                "the owner's count is right",
                self.counted.leases.to_string(),
                self.counted == Amounts::default(),
            ),
            Goal::new(
                "every lease has its receipt",
                format!("{} of {}", self.receipts, self.made),
                self.receipts == self.made,
            ),
            Goal::new(
                "never early",
                format!("the first was gone {first:.0} ms after its end"),
                first >= 0.0,
            ),
            Goal::new(
                "DELETE is accepted",
                format!("all but {never_accepted}"),
                never_accepted == 0,
            ),
        ]
    }
}

pub(super) fn outcome(soak: &Soak, left: &Left, machine: Value, making_took: Duration) -> Outcome {
    let happened = soak.tally.counts();
    let never_accepted = happened.get(NEVER_ACCEPTED).copied().unwrap_or(0);
    let seconds = making_took.as_secs_f64();
    let list = |counts: &BTreeMap<String, usize>| {
        let counts = counts.iter().map(|(what, count)| format!("{what} {count}"));
        counts.collect::<Vec<_>>().join(", ")
    };
    let row = |name: &str, figures: &Figures| {
        let mut row = texts([name]);
        row.extend(figures.cells());
        row
    };
    let mut columns = texts(["from its end to gone, by"]);
    columns.extend(Figures::HEADINGS.map(str::to_owned));
    Outcome {
        name: "soak".to_owned(),
        title: format!(
            "{} leases with faults, kills and several reapers",
            soak.total
        ),
        method: format!(
            "{} leases of 15 s to 2 min, made and ended side by side as fast as the engine can, \
             {MOST_AT_ONCE} at once at the most: {:.1} a second. The server and {REAPERS} more \
             processes reap, each every {} s. What happened: {}. Why leases ended: {}.",
            soak.total,
            number(soak.total) / seconds,
            TICK.as_secs(),
            list(&happened),
            list(&left.reasons),
        ),
        machine,
        columns,
        rows: vec![
            row("the engine's events", &left.late),
            row("our receipts", &left.by_receipt),
        ],
        goals: left.goals(never_accepted),
        data: json!({
            "events": left.late.json(),
            "receipts": left.by_receipt.json(),
            "histogram": left.bars(),
            "happened": happened,
            "reasons": left.reasons,
            "seconds": seconds,
        }),
    }
}
