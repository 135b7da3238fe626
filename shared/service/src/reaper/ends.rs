//! The ends of a run, each in a task of its own.

use std::{sync::Arc, time::Duration};

use containerlease_domain::plan::PlannedEnd;
use containerlease_domain::{
    catalogue::Catalogue,
    lease::{Lease, Reason, Receipt, StateName},
    names::LeaseId,
    notification::Notification,
    time::Time,
};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{Reaper, Report};
use crate::{
    docker::{Host, HostError},
    in_hand::InHand,
    leasing::end::{self, Claim, ClaimError, Deps, EndOutcome},
    store::{CALL_LIMIT, Store, StoreError, StoreErrorKind},
    wait::{acquire_permit, sleep_until},
};

/// How many ends of one run may be at the engine at once. The bound is per run: with a slow engine
/// runs overlap, and ends that hang do not block a later run. Throughput peaks at 12 to 16, a few
/// percent above 8, but each end takes longer the more run at once.
const MAX_CONCURRENT_REMOVALS: usize = 12;

/// How many ends of one run may be claimed at once. More than are at the engine, so that the engine
/// need not wait for the table; but not many more, since each writes signs of life.
const MAX_CLAIMED: usize = 3 * MAX_CONCURRENT_REMOVALS;

/// Shortest wait of an end after the engine went away, so that an unsteady engine costs the table
/// few writes.
const AFTER_AWAY: Duration = Duration::from_millis(250);

/// Pause before a receipt that the table did not take is tried again.
const AFTER_UNWRITTEN: Duration = Duration::from_secs(1);

/// The ends that tasks of this process wait for or carry out: a lease with the version that was
/// read.
pub type EndsInHand = InHand<(LeaseId, u64)>;

/// Longest time from `stop_at` to the end of the last end, with the container's `grace`. The last
/// claim may begin at `stop_at` and takes one call. Its end starts at the engine by then, or not at
/// all.
pub fn longest_end(grace: Duration) -> Duration {
    CALL_LIMIT + end::longest(grace)
}

/// The result of one planned end.
pub(super) enum Done {
    Ended(Receipt),
    AttemptFailed { quarantined: bool },
    EngineAway,
    LeftToOthers,
    LeftToNextRun,
}

impl Done {
    /// The result of an end that could not be claimed.
    pub(super) fn unclaimed(lease: LeaseId, error: ClaimError) -> Self {
        match error {
            ClaimError::SomebodyElse => Self::LeftToOthers,
            ClaimError::Store(error) => {
                tracing::warn!(%lease, %error, "could not claim a lease");
                Self::AttemptFailed { quarantined: false }
            }
        }
    }

    /// The result of a claimed end.
    pub(super) fn of(lease: LeaseId, outcome: Result<EndOutcome, StoreError>) -> Self {
        match outcome {
            Ok(EndOutcome::Ended(receipt)) => {
                tracing::info!(%lease, reason = ?receipt.reason, "ended a lease");
                Self::Ended(receipt)
            }
            Ok(EndOutcome::EngineAway(_)) => Self::EngineAway,
            Ok(EndOutcome::TakenOver) => Self::LeftToOthers,
            Ok(EndOutcome::Failed { state, error }) => {
                tracing::warn!(%lease, %error, "could not end a lease; it is tried again");
                Self::AttemptFailed {
                    quarantined: state == StateName::Quarantined,
                }
            }
            Err(error) => {
                tracing::warn!(%lease, %error, "could not write how a lease ended");
                Self::AttemptFailed { quarantined: false }
            }
        }
    }
}

/// The ends that a run has taken on.
pub(super) struct Ends {
    task: EndTask,
    in_hand: Arc<EndsInHand>,
    tasks: JoinSet<Done>,
}

impl Ends {
    /// No ends yet. They begin nothing at or after `stop_at`, and announce the notifications for
    /// owners.
    pub(super) fn new(
        reaper: &Reaper,
        stop_at: Time,
        announce: mpsc::UnboundedSender<Notification>,
    ) -> Self {
        Self {
            task: EndTask {
                store: Arc::clone(&reaper.store),
                host: Arc::clone(&reaper.host),
                catalogue: Arc::clone(&reaper.catalogue),
                history: reaper.history,
                taken_on: Arc::new(Semaphore::new(MAX_CLAIMED)),
                removals: Arc::new(Semaphore::new(MAX_CONCURRENT_REMOVALS)),
                stop_at,
                stopping: reaper.stopping.clone(),
                announce,
            },
            in_hand: Arc::clone(&reaper.ends_in_hand),
            tasks: JoinSet::new(),
        }
    }

    /// The permits for removals. Ends take precedence.
    pub(super) fn removals(&self) -> Arc<Semaphore> {
        Arc::clone(&self.task.removals)
    }

    /// Begins an end, unless it is in progress already. Returns whether it did.
    pub(super) fn take_on(&mut self, planned: PlannedEnd) -> bool {
        let lease = (planned.lease.id, planned.lease.version);
        let Some(hold) = self.in_hand.take(lease) else {
            return false;
        };
        let task = self.task.clone();
        self.tasks.spawn(async move {
            let done = task.run(planned).await;
            drop(hold);
            done
        });
        true
    }

    /// Waits for all ends and adds their results to `report`.
    pub(super) async fn finish(self, report: &mut Report) {
        let Self {
            task, mut tasks, ..
        } = self;
        // The clones in the tasks are the last senders: deliveries wait only for those.
        drop(task);
        while let Some(done) = tasks.join_next().await {
            match done {
                Ok(done) => report.count(done),
                // The claim of a task that panicked falls due again.
                Err(error) => {
                    report.attempts_failed += 1;
                    tracing::error!(%error, "a task of the reaper ended badly");
                }
            }
        }
    }
}

/// Everything that one end needs, so that it can run in its own task.
#[derive(Clone)]
struct EndTask {
    store: Arc<Store>,
    host: Arc<Host>,
    catalogue: Arc<Catalogue>,
    history: Duration,
    taken_on: Arc<Semaphore>,
    removals: Arc<Semaphore>,
    stop_at: Time,
    stopping: CancellationToken,
    announce: mpsc::UnboundedSender<Notification>,
}

impl EndTask {
    async fn run(self, planned: PlannedEnd) -> Done {
        if !sleep_until(planned.at, &self.stopping).await {
            return Done::LeftToNextRun;
        }
        let mut lease = planned.lease;
        // If the engine is away, the end waits here and continues when the engine returns.
        loop {
            let outcome = match self.once(&lease, planned.reason).await {
                Ok(outcome) => outcome,
                Err(done) => return done,
            };
            if let Ok(EndOutcome::EngineAway(postponed)) = outcome {
                lease = *postponed;
                tokio::time::sleep(AFTER_AWAY).await;
                continue;
            }
            let done = Done::of(lease.id, outcome);
            if let Done::Ended(receipt) = &done
                && let Some(told) = Notification::ended(&lease, receipt.removed_at)
            {
                // If nobody listens any more, the next run delivers it.
                drop(self.announce.send(told));
            }
            return done;
        }
    }

    /// Claims the end and carries it out. The error says why it was not begun.
    async fn once(
        &self,
        lease: &Lease,
        reason: Reason,
    ) -> Result<Result<EndOutcome, StoreError>, Done> {
        // Claim nothing while the engine is away.
        let there = tokio::select! {
            there = self.host.answers_by(self.stop_at) => there,
            () = self.stopping.cancelled() => return Err(Done::LeftToNextRun),
        };
        if !there {
            return Err(Done::EngineAway);
        }
        let wait = Time::now().until(self.stop_at);
        let Ok(taken_on) = tokio::time::timeout(wait, acquire_permit(&self.taken_on)).await else {
            return Err(Done::LeftToNextRun);
        };
        if Time::now() >= self.stop_at || self.stopping.is_cancelled() {
            return Err(Done::LeftToNextRun);
        }
        let deps = Deps {
            store: &self.store,
            host: &self.host,
            catalogue: &self.catalogue,
            history: self.history,
        };
        let begun = Time::now();
        let (mut claim, written) = match Claim::begun(deps, lease, reason, begun).await {
            Ok(claim) => (claim, true),
            Err(ClaimError::Store(error)) if error.kind == StoreErrorKind::Unwritable => {
                tracing::warn!(lease = %lease.id, %error, "ends a lease from what was last read");
                let claim = Claim::unwritten(deps, lease, reason, begun).await;
                (claim.ok_or(Done::LeftToOthers)?, false)
            }
            Err(error) => return Err(Done::unclaimed(lease.id, error)),
        };
        // More ends are claimed than are at the engine, so the engine is never idle. An end that
        // gets no place before the latest moment of its claim is left: another process takes over
        // its claim, and this run can finish.
        let wait = Time::now().until(self.stop_at.plus(CALL_LIMIT));
        let permit = tokio::time::timeout(wait, acquire_permit(&self.removals));
        let Ok(permit) = claim.alive_while(permit).await else {
            return Err(Done::LeftToNextRun);
        };
        let taken_down = Box::pin(claim.take_down()).await;
        drop(permit);
        // An end whose receipt waits for the table does not block other ends.
        drop(taken_on);
        if written {
            return Ok(claim.write_down(taken_down).await);
        }
        match taken_down {
            Ok(taken_down) => {
                let claim = self.claim_later(deps, lease, reason, begun).await?;
                Ok(claim.write_down(Ok(taken_down)).await)
            }
            Err(HostError::Away { .. }) => Ok(Ok(EndOutcome::EngineAway(Box::new(lease.clone())))),
            Err(error) => {
                tracing::warn!(lease = %lease.id, %error, "could not end a lease; it is tried again");
                Err(Done::AttemptFailed { quarantined: false })
            }
        }
    }

    /// Claims an end whose container is gone, once the table takes writes again: only this process
    /// knows what the receipt says.
    async fn claim_later<'t>(
        &self,
        deps: Deps<'t>,
        lease: &Lease,
        reason: Reason,
        begun: Time,
    ) -> Result<Claim<'t>, Done> {
        loop {
            tokio::select! {
                () = tokio::time::sleep(AFTER_UNWRITTEN) => {}
                () = self.stopping.cancelled() => return Err(Done::LeftToNextRun),
            }
            match Claim::begun(deps, lease, reason, begun).await {
                Ok(claim) => return Ok(claim),
                Err(ClaimError::Store(error)) if error.kind == StoreErrorKind::Unwritable => {}
                Err(error) => return Err(Done::unclaimed(lease.id, error)),
            }
        }
    }
}
