//! Containers without a lease. They are not urgent: ends always come first.

use std::{sync::Arc, time::Duration};

use containerlease_domain::plan::Plan;
use containerlease_domain::{
    container::ManagedContainer, lease::StateName, names::ContainerName, time::Time,
};
use futures_util::{StreamExt as _, future::Either, stream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{Reaper, Report};
use crate::{
    docker::Host,
    store::{Store, StoreError, StoreErrorKind},
    wait::acquire_spare_permit,
};

/// Maximum number of orphans examined per run. The next run examines the rest.
const IN_A_RUN: usize = 500;

/// How many are examined or removed at once. This leaves most places at the engine to ends that
/// fall due meanwhile.
const AT_ONCE: usize = 4;

/// Maximum number of sightings that a run writes or forgets, and how many at once.
const SIGHTINGS_IN_A_RUN: usize = 1_000;
const SIGHTINGS_AT_ONCE: usize = 4;

/// The result for a container without a lease.
enum Orphan {
    Removed,
    /// It has a lease after all, or one that only another program can read.
    Leased,
    /// It could not be removed, or its time is not proven to be over.
    Left(String),
    /// The run had no time left for it.
    Unvisited,
}

/// Removes the orphans of `plan`, as of `now`, updates the sightings, and adds the results to
/// `report`. Begins nothing at or after `stop_at`. Ends that wait for a permit of `removals` never
/// wait for an orphan.
pub(super) async fn reconcile(
    reaper: &Reaper,
    plan: Plan,
    removals: Arc<Semaphore>,
    now: Time,
    stop_at: Time,
    report: &mut Report,
) {
    let sweep = Sweep {
        store: &reaper.store,
        host: &reaper.host,
        removals,
        stopping: &reaper.stopping,
        now,
        stop_at,
    };
    let mut orphans: Vec<_> = plan
        .orphans
        .into_iter()
        .map(|orphan| (over_at(&orphan, reaper.longest_lease), orphan))
        .collect();
    // Random order, so that no orphan is always among those left over. Orphans whose labels prove
    // their time over come first.
    fastrand::shuffle(&mut orphans);
    orphans.sort_by_key(|(over_at, _)| now < *over_at);
    let rest = orphans.len().saturating_sub(IN_A_RUN);
    let removals = stream::iter(orphans.into_iter().take(IN_A_RUN))
        .map(|(over_at, orphan)| sweep.visit(orphan, over_at))
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>();
    let seen = plan.sightings.into_iter().map(Either::Left);
    let forgotten = plan.forgotten.into_iter().map(Either::Right);
    let sightings = stream::iter(seen.chain(forgotten).take(SIGHTINGS_IN_A_RUN))
        .map(|sighting| sweep.keep(sighting))
        .buffer_unordered(SIGHTINGS_AT_ONCE)
        .collect::<()>();
    let (visited, ()) = tokio::join!(removals, sightings);
    let mut unvisited = rest;
    for orphan in visited {
        match orphan {
            Orphan::Removed => report.orphans_removed += 1,
            Orphan::Leased => {}
            Orphan::Left(_) => report.orphans_left += 1,
            Orphan::Unvisited => unvisited += 1,
        }
    }
    report.orphans_left += unvisited;
    if unvisited > 0 {
        tracing::warn!(unvisited, "left containers without a lease to the next run");
    }
}

/// What one pass over the orphans works with.
struct Sweep<'s> {
    store: &'s Store,
    host: &'s Host,
    removals: Arc<Semaphore>,
    stopping: &'s CancellationToken,
    /// The time of the run, and the time from which it begins nothing more.
    now: Time,
    stop_at: Time,
}

impl Sweep<'_> {
    fn is_over(&self) -> bool {
        Time::now() >= self.stop_at || self.stopping.is_cancelled()
    }

    async fn visit(&self, orphan: ManagedContainer, over_at: Time) -> Orphan {
        if self.is_over() {
            return Orphan::Unvisited;
        }
        let end = match self.proof(&orphan, over_at).await {
            Ok(()) => self.remove(&orphan).await,
            Err(none) => none,
        };
        if let Orphan::Left(problem) = &end {
            let container = orphan.name.as_str();
            tracing::warn!(container, problem, "left an orphan");
        }
        end
    }

    /// Whether the container's time is proven to be over: a consistent read says that its lease has
    /// ended; or the table has no readable record of it, and it is over at `over_at`.
    async fn proof(&self, orphan: &ManagedContainer, over_at: Time) -> Result<(), Orphan> {
        let is_over = self.now >= over_at;
        let state = match &orphan.lease {
            Some((owner, id)) => match self.store.get(owner, id).await {
                Ok(lease) => lease.map(|lease| lease.state_name()),
                // Another program may be able to read the lease, but no renewal passes this time.
                Err(error) if error.kind == StoreErrorKind::Corrupt && is_over => None,
                Err(error) if error.kind == StoreErrorKind::Corrupt => return Err(Orphan::Leased),
                Err(error) => return Err(Orphan::Left(error.to_string())),
            },
            None => None,
        };
        match state {
            Some(StateName::Ended) => Ok(()),
            Some(_) => Err(Orphan::Leased),
            // The record, and with it the lease, may be lost: nobody renews it any more.
            None if is_over => Ok(()),
            None => Err(Orphan::Left(format!(
                "it has no record, and its time is over at {over_at}"
            ))),
        }
    }

    async fn remove(&self, orphan: &ManagedContainer) -> Orphan {
        let place = acquire_spare_permit(&self.removals, self.stop_at, self.stopping).await;
        let Some(place) = place else {
            return Orphan::Unvisited;
        };
        let removed = self.host.remove(&orphan.name).await;
        drop(place);
        if let Err(error) = removed {
            return Orphan::Left(error.to_string());
        }
        tracing::warn!(
            container = orphan.name.as_str(),
            "removed a container without a lease"
        );
        note(self.store.forget(&orphan.name).await);
        Orphan::Removed
    }

    /// Records a container as seen, or forgets its sighting.
    async fn keep(&self, sighting: Either<ContainerName, ContainerName>) {
        if self.is_over() {
            return;
        }
        match sighting {
            Either::Left(seen) => {
                let container = seen.as_str();
                tracing::info!(container, "saw a container without a lease");
                note(self.store.sighted(&seen, Time::now()).await);
            }
            Either::Right(forgotten) => note(self.store.forget(&forgotten).await),
        }
    }
}

/// When a container's time is over, by its labels and age alone.
fn over_at(container: &ManagedContainer, longest_lease: Duration) -> Time {
    let by_age = container.created_at.plus(longest_lease);
    container.hard_deadline.unwrap_or(by_age)
}

/// A sighting that could not be written is left to a later run.
fn note(written: Result<(), StoreError>) {
    if let Err(error) = written {
        tracing::warn!(%error, "could not keep the sightings");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_says_itself_when_it_is_over_at_the_latest() {
        const SECOND: Duration = Duration::from_secs(1);
        let created_at = Time::from_millis(100_000_000);
        let deadline = created_at.plus(3_000 * SECOND);
        let ours = ManagedContainer {
            hard_deadline: Some(deadline),
            ..ManagedContainer::sample("0a", None, created_at)
        };
        assert_eq!(over_at(&ours, SECOND), deadline);
        let strange = ManagedContainer {
            hard_deadline: None,
            ..ours
        };
        let oldest = created_at.plus(60 * SECOND);
        assert_eq!(over_at(&strange, 60 * SECOND), oldest);
    }
}
