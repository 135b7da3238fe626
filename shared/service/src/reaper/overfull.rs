//! Leases whose containers exceed their disk limit.

use std::time::Duration;

use containerlease_domain::plan::PlannedEnd;
use containerlease_domain::{
    lease::{Lease, Reason, State},
    notification::Notification,
    time::Time,
};
use futures_util::{StreamExt as _, stream};
use tokio::{sync::mpsc, time::Instant};

use super::{Reaper, Report, ends::Ends};
use crate::docker::{DISK_LIMIT, DiskUse, HostError};

/// Maximum number of leases ended for their disk use per look. The next look ends the rest.
const IN_A_LOOK: usize = 100;

/// How often a container is measured alone before it counts as not measurable, and the pause
/// between. Files that change during the count may spoil a measurement.
const TRIES: u32 = 3;
const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// How many are measured alone at once.
const AT_ONCE: usize = 4;

/// The result of a look at the disk.
#[derive(Debug, Default)]
pub struct Looked {
    pub report: Report,
    /// How long the engine took to measure.
    pub measuring: Duration,
}

/// Measures each container's disk use. Ends the leases of containers that exceed their limit, or
/// whose use the engine cannot determine. Begins nothing at or after `stop_at`, and announces the
/// owners' notifications. Failures are left to the next look.
pub async fn end_overfull(
    reaper: &Reaper,
    stop_at: Time,
    announce: mpsc::UnboundedSender<Notification>,
) -> Looked {
    let mut looked = Looked::default();
    let begun = Instant::now();
    // The task that waits for the engine notices its return.
    if reaper.host.is_away() {
        return looked;
    }
    // Findings are acted on even if there was no time to measure all containers.
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

/// Finds the containers that use too much or cannot be measured.
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

/// The use of a container that could not be measured with the others.
async fn measured_alone(reaper: &Reaper, mut used: DiskUse) -> DiskUse {
    for tried in 1..=TRIES {
        match reaper.host.disk_used(&used.container).await {
            // It has too many files to count even in a long time.
            Err(HostError::TimedOut { .. }) => return used,
            Ok(None) if tried == TRIES => return used,
            Ok(None) => tokio::time::sleep(BETWEEN_TRIES).await,
            Ok(Some(bytes)) => {
                used.used = Some(bytes);
                return used;
            }
            // It is gone, or the engine has other troubles: the next look finds out.
            Err(_) => {
                used.limit = None;
                return used;
            }
        }
    }
    used
}

/// The pause before the next look, after the engine has measured for `measuring`: it counts every
/// file, and has other work to do.
pub fn until_next_look(least: Duration, most: Duration, measuring: Duration) -> Duration {
    (10 * measuring).clamp(least, most)
}

/// The lease of a container, if it runs. A copy of the container has the same labels.
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
