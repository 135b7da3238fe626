//! Cleanup: the reaper. Why nothing can leak is all in this file.
//!
//! It is a reconciler: it takes no input, any number of it may run at once, and the next
//! run is its retry. A run reads the leases that have not ended, then the containers of our
//! deployment, makes a [`Plan`] from the two by pure rules, and applies it.
//!
//! - **Every lease that has not ended falls due** ([`Lease::due_at`]): a running one at its
//!   end, one that was abandoned while it was provisioned, one whose end was claimed and
//!   not finished, one that could not be ended and is to be tried again. What falls due
//!   within the look-ahead is ended inside this run, each at its own instant, so that a
//!   one-minute schedule ends leases to the second.
//! - **Every end is claimed** by a conditional write on the version that was read. A lease
//!   that was renewed or claimed elsewhere in the meantime is hands off.
//! - **Every container has a lease or is removed**, once it is older than
//!   [`ORPHAN_GRACE`], was seen without a lease by an earlier run, and its time is proven to
//!   be over: by a record that says, read consistently, that its lease has ended; or, where
//!   the table knows nothing of it, by the hard deadline in its labels, which no renewal can
//!   have passed. So a table that cannot be read removes nothing, and one that was emptied
//!   nothing before its time.
//! - **Every running lease has a container or is ended**: as lost where it vanished, as
//!   completed or failed where its program ended by itself. Leases are read before containers, so a
//!   container that is missing was there when the lease was read, or has vanished since.
//! - **Every container keeps within its disk or is ended**, where its engine has no quotas that
//!   keep it there: what containers use is measured beside each run, and waited for by no end.
//! - **An end goes first.** What falls due soon is taken on before the engine is asked what it
//!   has; containers without a lease get a place at the engine that no end waits for, so many
//!   in a run, and none is begun when the run's time is over. Nothing in a run waits without a
//!   bound ([`longest_end`]).
//! - One that cannot be ended never holds up another: each is ended in a task of its own,
//!   and only the engine's calls share a bound. A record that cannot be read is passed over
//!   and counted, and proves nothing of its container.
//!
//! Beside all that a run [delivers](crate::deliver) what owners are to be told.
mod ends;
mod happened;
mod moved;
mod orphans;
mod overfull;
mod plan;
mod recounts;
mod released;
mod report;

use std::{collections::HashSet, sync::Arc, time::Duration};

use thiserror::Error;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    catalogue::Catalogue,
    deliver::{self, Deliverer},
    host::{Host, LIST_LIMIT},
    lease::StateName,
    store::{Store, StoreError},
    time::Time,
    webhook::Notification,
};
use ends::Ends;
use orphans::reconcile;

pub use ends::{EndsInHand, longest_end};
pub use happened::happened;
pub use overfull::{Looked, end_overfull, until_next_look};
pub use plan::{BETWEEN_SIGHTINGS, ORPHAN_GRACE, Plan, PlannedEnd, plan};
pub use recounts::recount;
pub use released::release_claims;
pub use report::{Overshoot, Report};

/// What the reaper works with; shared by the tasks of a run.
#[derive(Debug)]
pub struct Reaper {
    pub store: Arc<Store>,
    pub host: Arc<Host>,
    pub catalogue: Arc<Catalogue>,
    /// What owners are told by.
    pub deliverer: Deliverer,
    /// How long the record of an ended lease is kept.
    pub history: Duration,
    /// How long a lease may last, all renewals included: a container that is older and has no
    /// readable deadline is over too.
    pub longest_lease: Duration,
    /// How far ahead a run takes leases on.
    pub look_ahead: Duration,
    /// How long the index over all owners may be behind the table.
    pub index_lag: Duration,
    /// Whether its runs measure what containers use of the disk. They need not where something
    /// else does, more often.
    pub measures_disks: bool,
    /// The ends that this process is at, whichever run has begun them.
    pub ends_in_hand: Arc<EndsInHand>,
    /// Once it is cancelled, ends that have begun are finished and no other is begun.
    pub stopping: CancellationToken,
}

/// Why a run did nothing at all.
#[derive(Debug, Error)]
pub enum CleanupError {
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One run of the reaper. It takes on what falls due until `now + look_ahead`, but nothing
/// later than `stop_at`, and returns when all that it took on is done.
pub async fn run(reaper: &Reaper, now: Time, stop_at: Time) -> Result<Report, CleanupError> {
    let until = now.plus(reaper.look_ahead).min(stop_at);
    let (announce, announced) = mpsc::unbounded_channel();
    // None waits for another, until all are done.
    let (report, overfull, deliveries) = tokio::join!(
        Box::pin(end_and_reconcile(
            reaper,
            now,
            until,
            stop_at,
            announce.clone()
        )),
        Box::pin(async {
            if reaper.measures_disks {
                end_overfull(reaper, stop_at, announce).await
            } else {
                Looked::default()
            }
        }),
        Box::pin(deliver::run(&reaper.deliverer, announced, until, stop_at)),
    );
    let mut report = report?;
    report.add(overfull.report);
    report.unreadable += deliveries.unreadable;
    report.deliveries = deliveries;
    Ok(report)
}

/// A run, but for what owners are told. It announces what its own ends have for them, so that
/// they need not wait for the next run.
async fn end_and_reconcile(
    reaper: &Reaper,
    now: Time,
    until: Time,
    stop_at: Time,
    announce: mpsc::UnboundedSender<Notification>,
) -> Result<Report, CleanupError> {
    let leases = reaper.store.active().await?;
    let mut report = Report {
        unreadable: leases.unreadable,
        in_quarantine: leases
            .items
            .iter()
            .filter(|lease| lease.state_name() == StateName::Quarantined)
            .count(),
        ..Report::default()
    };
    let mut ends = Ends::new(reaper, stop_at, announce);
    // What falls due while the engine's list may be on its way is ended without it.
    let soon = until.min(now.plus(LIST_LIMIT));
    let first = plan(leases.items.clone(), None, &[], now, soon).ends;
    let begun: HashSet<_> = first.iter().map(|end| end.lease.id).collect();
    for end in first {
        report.due += usize::from(ends.take_on(end));
    }
    let (sightings, containers) = tokio::join!(reaper.store.sightings(), reaper.host.list());
    let containers = containers.inspect_err(|error| {
        report.engine_unseen = true;
        tracing::warn!(%error, "could not list containers; nothing is reconciled");
    });
    if containers.as_ref().is_err_and(|error| !error.is_answer()) {
        // Who watches sees at once whether it is away.
        reaper.host.is_there().await;
    }
    let sightings = sightings.inspect_err(|error| {
        tracing::warn!(%error, "could not read the sightings; no orphan is looked at");
    });
    if !leases.whole {
        tracing::warn!("there are too many leases to read all; nothing is reconciled");
    }
    let containers = containers.ok().filter(|_| leases.whole);
    let seen = sightings.as_ref().map_or(&[][..], |seen| &seen.items);
    let items = match &containers {
        Some(containers) => moved::with_ports(reaper, leases.items, containers, &begun).await,
        None => leases.items,
    };
    let counted_anew = recounts::is_time(now).then(|| items.clone());
    let mut plan = plan(items, containers.as_deref(), seen, now, until);
    for end in std::mem::take(&mut plan.ends) {
        if !begun.contains(&end.lease.id) {
            report.due += usize::from(ends.take_on(end));
        }
    }
    match sightings {
        Ok(sightings) => report.unreadable += sightings.unreadable,
        Err(_) => plan = Plan::default(),
    }
    let recounting = async {
        match counted_anew {
            Some(leases) => Box::pin(recount(reaper, &leases, stop_at)).await,
            None => 0,
        }
    };
    let mut swept = Report::default();
    let at_the_engine = ends.at_the_engine();
    let ((), (), mended) = tokio::join!(
        ends.finish(&mut report),
        Box::pin(reconcile(
            reaper,
            plan,
            at_the_engine,
            now,
            stop_at,
            &mut swept
        )),
        recounting,
    );
    report.counts_mended = mended;
    report.orphans_removed = swept.orphans_removed;
    report.orphans_left = swept.orphans_left;
    Ok(report)
}

/// How many leases a [`look`] takes on at the most; the next one has the rest.
const IN_A_LOOK: i32 = 1_000;

/// Ends what falls due until `until`, and tells owners what falls due, without a look at what
/// the engine has: for a process that can do so often, and then ends leases on time however
/// seldom it [runs](run).
pub async fn look(reaper: &Reaper, until: Time, stop_at: Time) -> Result<Report, CleanupError> {
    let (announce, announced) = mpsc::unbounded_channel();
    let ending = async {
        let now = Time::now();
        let leases = reaper.store.due(until, IN_A_LOOK).await?;
        let mut report = Report::default();
        let mut ends = Ends::new(reaper, stop_at, announce);
        for end in plan(leases.items, None, &[], now, until).ends {
            report.due += usize::from(ends.take_on(end));
        }
        ends.finish(&mut report).await;
        Ok(report)
    };
    let (report, deliveries) = tokio::join!(
        ending,
        deliver::run(&reaper.deliverer, announced, until, stop_at),
    );
    report.map(|report| Report {
        deliveries,
        ..report
    })
}
