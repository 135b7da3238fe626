//! Delete: the owner ends a lease. Accepted in every state.

use std::time::Duration;

use containerlease_domain::{
    lease::{Lease, Reason, StateName},
    names::{LeaseId, Owner},
    time::Time,
};
use thiserror::Error;
use tokio::time::sleep;

use crate::{
    leasing::end::{Claim, ClaimError, Deps, EndOutcome},
    store::{Store, StoreError},
};

const TRIES: u32 = 5;

/// How often to check an end that another process carries out.
const LOOK_EVERY: Duration = Duration::from_millis(150);

/// Why a lease was not deleted.
#[derive(Debug, Error)]
pub enum DeleteError {
    #[error("the owner has no such lease")]
    NotFound,
    /// Other changes kept coming first.
    #[error("others kept changing the lease")]
    Contended,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Ends the owner's lease. Returns its state then: ended, or ending if the container could not be
/// removed at once or another process is ending it; the reaper finishes that.
pub async fn delete(deps: Deps<'_>, owner: &Owner, id: &LeaseId) -> Result<StateName, DeleteError> {
    for _ in 0..TRIES {
        let lease = deps
            .store
            .get(owner, id)
            .await?
            .ok_or(DeleteError::NotFound)?;
        // An end in progress belongs to its holder, and a failed one waits for its next attempt.
        // Interfering would help neither.
        let in_other_hands = match lease.state_name() {
            StateName::Ended => true,
            StateName::Ending | StateName::Quarantined => {
                lease.due_at().is_some_and(|due| Time::now() < due)
            }
            StateName::Provisioning | StateName::Running => false,
        };
        if in_other_hands {
            match outcome(deps.store, lease).await? {
                Some(state) => return Ok(state),
                None => continue,
            }
        }
        let claim = match Claim::of(deps, &lease, Reason::Deleted).await {
            Ok(claim) => claim,
            Err(ClaimError::SomebodyElse) => continue,
            Err(ClaimError::Store(error)) => return Err(error.into()),
        };
        // The claim is written, so the end is certain, whatever happens now.
        return Ok(match claim.carry_out().await {
            Ok(EndOutcome::Ended(_)) => StateName::Ended,
            Ok(EndOutcome::Failed { state, error }) => {
                tracing::warn!(lease = %id, %error, "left a deleted lease to the reaper");
                state
            }
            Ok(EndOutcome::EngineAway(lease)) => lease.state_name(),
            Ok(EndOutcome::TakenOver) => StateName::Ending,
            Err(error) => {
                tracing::warn!(lease = %id, %error, "left a deleted lease to the reaper");
                StateName::Ending
            }
        });
    }
    Err(DeleteError::Contended)
}

/// How long to wait for an end whose holder is alive.
const OUTCOME_LIMIT: Duration = Duration::from_secs(3);

/// The outcome of an end in other hands: most take less than a second, and the caller wants to
/// know. None once its holder has been silent for so long that anybody may claim the end.
async fn outcome(store: &Store, lease: Lease) -> Result<Option<StateName>, DeleteError> {
    let claimed = lease.ending().filter(|ending| ending.holder.is_some());
    let Some(attempts) = claimed.map(|ending| ending.attempts) else {
        return Ok(Some(lease.state_name()));
    };
    let asked = Time::now();
    let (at_first, mut alive) = (lease.due_at(), false);
    loop {
        sleep(LOOK_EVERY).await;
        let found = store.get(&lease.owner, &lease.id).await?;
        let found = found.ok_or(DeleteError::NotFound)?;
        let same_claim = found
            .ending()
            .is_some_and(|ending| ending.attempts == attempts);
        // A holder that has shown signs of life will finish, and may take its time.
        alive |= found.due_at() != at_first;
        let now = Time::now();
        if !same_claim || (alive && now >= asked.plus(OUTCOME_LIMIT)) {
            return Ok(Some(found.state_name()));
        }
        if found.due_at().is_none_or(|due| now >= due) {
            return Ok(None);
        }
    }
}
