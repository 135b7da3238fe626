//! Delete: the owner ends a lease. It is accepted in every state.

use std::time::Duration;

use thiserror::Error;
use tokio::time::sleep;

use crate::{
    end::{Claim, ClaimError, EndOutcome, Tools},
    lease::{Lease, Reason, StateName},
    names::{LeaseId, Owner},
    store::{Store, StoreError},
    time::Time,
};

const TRIES: u32 = 5;

/// How often an end in other hands is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(150);

/// Why a lease was not deleted.
#[derive(Debug, Error)]
pub enum DeleteError {
    #[error("the owner has no such lease")]
    NotFound,
    /// Others kept changing the lease.
    #[error("others kept changing the lease")]
    Contended,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Ends the owner's lease. The answer is its state then: ended, or ending where the
/// container could not be removed at once or somebody else is at it; the reaper finishes it.
pub async fn delete(
    tools: Tools<'_>,
    owner: &Owner,
    id: &LeaseId,
) -> Result<StateName, DeleteError> {
    for _ in 0..TRIES {
        let lease = tools
            .store
            .get(owner, id)
            .await?
            .ok_or(DeleteError::NotFound)?;
        // An end that is under way is in other hands, and one that has failed waits for its
        // next attempt. A second pair of hands at the same container would help neither.
        let in_other_hands = match lease.state_name() {
            StateName::Ended => true,
            StateName::Ending | StateName::Quarantined => {
                lease.due_at().is_some_and(|due| Time::now() < due)
            }
            StateName::Provisioning | StateName::Running => false,
        };
        if in_other_hands {
            match outcome(tools.store, lease).await? {
                Some(state) => return Ok(state),
                None => continue,
            }
        }
        let claim = match Claim::of(tools, &lease, Reason::Deleted).await {
            Ok(claim) => claim,
            Err(ClaimError::SomebodyElse) => continue,
            Err(ClaimError::Store(error)) => return Err(error.into()),
        };
        // The claim is written, so the end is decided, whatever comes now.
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

/// How long an end that is in the hands of somebody who lives is waited for.
const OUTCOME_LIMIT: Duration = Duration::from_secs(3);

/// What becomes of an end that is in other hands: most take less than a second, and who asked a
/// second time wants to know. None once its holder has not shown that it is alive for so long
/// that the end is anybody's.
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
        // Who has shown that it is alive will finish, and may take its time.
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
