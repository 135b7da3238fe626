//! Delete: the owner ends a lease. It is accepted in every state.

use thiserror::Error;

use crate::{
    end::{self, EndOutcome, Tools},
    lease::{Reason, StateName},
    names::{LeaseId, Owner},
    store::{ChangeError, StoreError},
    time::Time,
};

const TRIES: u32 = 5;

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
        // next attempt: the record does not tell the two apart, and a second pair of hands
        // at the same container would help neither.
        let in_other_hands = match lease.state_name() {
            StateName::Ended => true,
            StateName::Ending | StateName::Quarantined => {
                lease.due_at().is_some_and(|due| Time::now() < due)
            }
            StateName::Provisioning | StateName::Running => false,
        };
        if in_other_hands {
            return Ok(lease.state_name());
        }
        let claimed = match tools
            .store
            .claim(&lease, Reason::Deleted, Time::now())
            .await
        {
            Ok(claimed) => claimed,
            Err(ChangeError::Changed(_)) => continue,
            Err(ChangeError::Store(error)) => return Err(error.into()),
        };
        // The claim is written, so the end is decided, whatever comes now.
        return Ok(match end::carry_out(tools, claimed).await {
            Ok(EndOutcome::Ended(_)) => StateName::Ended,
            Ok(EndOutcome::Failed { state, error }) => {
                tracing::warn!(lease = %id, %error, "left a deleted lease to the reaper");
                state
            }
            Ok(EndOutcome::TakenOver) => StateName::Ending,
            Err(error) => {
                tracing::warn!(lease = %id, %error, "left a deleted lease to the reaper");
                StateName::Ending
            }
        });
    }
    Err(DeleteError::Contended)
}
