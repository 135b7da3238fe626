//! Leases whose containers use more of the host's disk than they may.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::{sync::mpsc, time::Instant};

use super::{Reaper, Report, ends::Ends, plan::PlannedEnd};
use crate::{
    host::{DISK_LIMIT, DiskUse, HostError},
    lease::{Lease, Reason, State},
    time::Time,
    webhook::Notification,
};

/// How many leases are ended at the most for their disk in one look; the next has the rest.
const IN_A_LOOK: usize = 100;

/// How often a container is measured by itself before it counts as one that cannot be, and how
/// long after one another. Files that come and go while they are counted may spoil a measurement.
const TRIES: u32 = 3;
const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// How many are measured by themselves at once.
const AT_ONCE: usize = 4;

/// What a look at the disk has come to.
#[derive(Debug, Default)]
pub struct Looked {
    pub report: Report,
    /// How long the engine has measured.
    pub measuring: Duration,
}

/// Measures what each container uses of the host's disk, and ends the leases of those that use
/// more than they may, or so that the engine cannot say how much. It begins nothing at or after
/// `stop_at`, and announces what owners are told. What fails here is the next look's.
pub async fn end_overfull(
    reaper: &Reaper,
    stop_at: Time,
    announce: mpsc::UnboundedSender<Notification>,
) -> Looked {
    let mut looked = Looked::default();
    let begun = Instant::now();
    // Who waits for the engine notices when it returns.
    if reaper.host.is_away() {
        return looked;
    }
    // What was found is acted on, also where the time was too short for all.
    let mut suspects = Vec::new();
    let measuring = tokio::time::timeout(
        Time::now().until(stop_at).min(3 * DISK_LIMIT),
        Box::pin(find_suspects(reaper, &mut suspects)),
    );
    let measured = tokio::select! {
        measured = measuring => measured,
        () = reaper.host.fallen_silent() => return looked,
        () = reaper.stopping.cancelled() => return looked,
    };
    looked.measuring = begun.elapsed();
    if measured.is_err() {
        tracing::warn!("could not measure in time what all containers use of the disk");
    }
    let report = &mut looked.report;
    let mut ends = Ends::new(reaper, stop_at, announce);
    for used in suspects {
        if Time::now() >= stop_at || report.due >= IN_A_LOOK {
            break;
        }
        if let Some(lease) = lease_of(reaper, &used).await {
            tracing::info!(
                lease = %lease.id, used = used.used, limit = used.limit,
                "ends a lease that uses more disk than it may"
            );
            let planned = PlannedEnd {
                lease,
                reason: Reason::Evicted,
                at: Time::now(),
            };
            report.due += usize::from(ends.take_on(planned));
        }
    }
    ends.finish(report).await;
    looked
}

/// Finds the containers that use too much, or cannot be measured.
async fn find_suspects(reaper: &Reaper, suspects: &mut Vec<DiskUse>) {
    let uses = match reaper.host.disk_usage().await {
        Ok(uses) => uses,
        Err(error) => {
            tracing::warn!(%error, "could not measure what containers use of the disk");
            return;
        }
    };
    let (counted, uncounted): (Vec<_>, Vec<_>) =
        uses.into_iter().partition(|used| used.used.is_some());
    suspects.extend(counted.into_iter().filter(DiskUse::is_suspect));
    let mut measured = stream::iter(uncounted)
        .map(|used| measured_alone(reaper, used))
        .buffer_unordered(AT_ONCE);
    while let Some(used) = measured.next().await {
        if used.is_suspect() {
            suspects.push(used);
        }
    }
}

/// What a container uses that could not be measured among the others.
async fn measured_alone(reaper: &Reaper, mut used: DiskUse) -> DiskUse {
    for tried in 1..=TRIES {
        match reaper.host.disk_used(&used.container).await {
            // It has more files than can be counted in a time that is long for that.
            Err(HostError::TimedOut { .. }) => return used,
            Ok(None) if tried == TRIES => return used,
            Ok(None) => tokio::time::sleep(BETWEEN_TRIES).await,
            Ok(Some(bytes)) => {
                used.used = Some(bytes);
                return used;
            }
            // It is gone, or the engine has other troubles: the next look sees.
            Err(_) => {
                used.limit = None;
                return used;
            }
        }
    }
    used
}

/// How long to wait before the next look, after one in which the engine has measured for
/// `measuring`: it counts each file, and has more to do than that.
pub fn until_next_look(least: Duration, most: Duration, measuring: Duration) -> Duration {
    (10 * measuring).clamp(least, most)
}

/// The lease of a container, if it runs: a copy of the container has the same labels.
async fn lease_of(reaper: &Reaper, used: &DiskUse) -> Option<Lease> {
    match reaper.store.get(&used.owner, &used.lease).await {
        Ok(lease) => lease.filter(|lease| {
            let on_record = lease.placement.as_ref();
            let container = on_record.and_then(|placement| placement.container.as_ref());
            lease.state == State::Running && container == Some(&used.container)
        }),
        Err(error) => {
            tracing::warn!(lease = %used.lease, %error, "left a full disk to the next look");
            None
        }
    }
}
