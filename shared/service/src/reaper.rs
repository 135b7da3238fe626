//! Cleanup: the reaper. This file explains why nothing can leak.
//!
//! It is a reconciler: it takes no input, any number of copies may run at once, and the next run is
//! the retry. A run reads the leases that have not ended, then the containers of our deployment,
//! derives a [`Plan`] from both with pure rules, and applies it.
//!
//! - **Every lease that has not ended falls due** ([`Lease::due_at`]): a running lease at its end,
//!   an abandoned provision, an end that was claimed but not finished, a failed end at its next
//!   attempt. What falls due within the look-ahead is ended inside this run, each lease at its own
//!   instant. So a one-minute schedule ends leases to the second.
//! - **Every end is claimed** by a conditional write on the version that was read. A lease that was
//!   renewed or claimed elsewhere since is skipped.
//! - **Every container has a lease or is removed.** Three things must hold: it is older than
//!   [`ORPHAN_GRACE`], an earlier run saw it too, and its time is proven to be over. The proof is
//!   a record, read consistently, of a lease that has ended; or, if the table has no record, the hard
//!   deadline in the container's labels, which no renewal can pass. So an unreadable table causes
//!   no removal, and an emptied one causes none before the deadline.
//! - **Every running lease has a container or is ended**: as lost if it vanished, as completed or
//!   failed if its program ended by itself. Leases are read before containers, so the container of
//!   a running lease existed by then, and a missing one has vanished.
//! - **Every container keeps within its disk limit or is ended**, if its engine has no quotas to
//!   enforce the limit. Disk use is measured beside each run, and no end waits for it.
//! - **Ends come first.** Work that falls due soon starts before the engine lists its containers.
//!   Orphans use places at the engine that no end waits for, are limited in number per run, and
//!   none is begun after the run's time. Every wait in a run has a bound ([`longest_end`]).
//! - A lease that cannot be ended never holds up another: each end has its own task, and only the
//!   engine's calls share a bound. An unreadable record is skipped and counted, and proves nothing
//!   about its container.
//!
//! Each run also [delivers](crate::notify::deliver) notifications to owners.
mod ends;
mod happened;
mod moved;
mod orphans;
mod overfull;
mod recounts;
mod released;
mod report;

use std::{collections::HashSet, sync::Arc, time::Duration};

use containerlease_domain::{
    catalogue::Catalogue,
    lease::StateName,
    notification::Notification,
    plan::{Plan, plan},
    time::Time,
};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    docker::{Host, LIST_LIMIT},
    notify::deliver::{self, Deliverer},
    store::{Store, StoreError},
};
use ends::Ends;
use orphans::reconcile;

pub use ends::{EndsInHand, longest_end};
pub use happened::happened;
pub use overfull::{Looked, end_overfull, until_next_look};
pub use recounts::recount;
pub use released::release_claims;
pub use report::{Overshoot, Report};

/// The reaper's dependencies and settings, shared by the tasks of a run.
#[derive(Debug)]
pub struct Reaper {
    pub store: Arc<Store>,
    pub host: Arc<Host>,
    pub catalogue: Arc<Catalogue>,
    /// Delivers notifications to owners.
    pub deliverer: Deliverer,
    /// How long the record of an ended lease is kept.
    pub history: Duration,
    /// Longest lifetime of a lease, all renewals included. A container older than this is over if
    /// its deadline is unreadable.
    pub longest_lease: Duration,
    /// How far ahead a run takes on leases.
    pub look_ahead: Duration,
    /// Longest lag of the index over all owners behind the table.
    pub index_lag: Duration,
    /// Whether runs measure the disk use of containers. Not needed if another task measures it more
    /// often.
    pub measures_disks: bool,
    /// The ends in progress in this process, whichever run has begun them.
    pub ends_in_hand: Arc<EndsInHand>,
    /// Once cancelled, ends in progress are finished and no other is begun.
    pub stopping: CancellationToken,
}

/// Why a run did nothing.
#[derive(Debug, Error)]
pub enum CleanupError {
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One run of the reaper. It takes on what falls due until `now + look_ahead`, but nothing due
/// after `stop_at`, and returns when all of that is done.
pub async fn run(reaper: &Reaper, now: Time, stop_at: Time) -> Result<Report, CleanupError> {
    let until = now.plus(reaper.look_ahead).min(stop_at);
    let (announce, announced) = mpsc::unbounded_channel();
    // The three run concurrently.
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

/// A run without its deliveries. It announces the notifications of its own ends, so that they need
/// not wait for the next run.
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
    // What may fall due while the engine lists its containers is ended without the list.
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
        // So that viewers see at once whether the engine is away.
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
    let removals = ends.removals();
    let ((), (), mended) = tokio::join!(
        ends.finish(&mut report),
        Box::pin(reconcile(reaper, plan, removals, now, stop_at, &mut swept)),
        recounting,
    );
    report.counts_mended = mended;
    report.orphans_removed = swept.orphans_removed;
    report.orphans_left = swept.orphans_left;
    Ok(report)
}

/// Maximum number of leases that one [`look`] takes on. The next look takes the rest.
const IN_A_LOOK: i32 = 1_000;

/// Ends what falls due until `until`, and delivers due notifications, without listing the engine's
/// containers. For a process that can do so often: it ends leases on time however seldom it
/// [runs](run).
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
