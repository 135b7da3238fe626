//! How a lease ends, whoever asked for it: claim, stop, remove, confirm, receipt.
//!
//! The claim is a conditional write, so of all that set out to end a lease one does. What
//! follows may be cut off anywhere: each step is success when it was done before, the claim
//! falls due again after [`CLAIM_LIMIT`](crate::lease::CLAIM_LIMIT), and the reaper takes
//! it over. The receipt comes last and is written once.

use std::time::Duration;

use thiserror::Error;

use crate::{
    catalogue::{Catalogue, Image},
    host::{Host, HostError},
    lease::{Lease, Reason, Receipt, State, StateName},
    names::ContainerName,
    store::{ChangeError, Store, StoreError},
    time::Time,
};

/// How long a container may take to stop whose image type is in no catalogue any more.
const GRACE_OF_UNKNOWN: Duration = Duration::from_secs(2);

/// What the verbs work with.
#[derive(Clone, Copy, Debug)]
pub struct Tools<'t> {
    pub store: &'t Store,
    pub host: &'t Host,
    pub catalogue: &'t Catalogue,
    /// How long the record of an ended lease is kept.
    pub history: Duration,
}

/// How an attempt to end a lease went.
#[derive(Debug)]
pub enum EndOutcome {
    /// The container is gone and the receipt is written.
    Ended(Receipt),
    /// The container could not be removed; the next attempt is in the record.
    Failed { state: StateName, error: HostError },
    /// Somebody else has taken the lease over. It is in his hands.
    TakenOver,
}

/// Why an end was not even claimed.
#[derive(Debug, Error)]
pub enum ClaimError {
    /// Somebody else has changed the lease first: it was renewed, deleted, or claimed.
    #[error("somebody else was first")]
    SomebodyElse,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Claims the lease's end and carries it out.
pub async fn claim_and_end(
    tools: Tools<'_>,
    lease: &Lease,
    reason: Reason,
) -> Result<EndOutcome, EndError> {
    let claimed = claim(tools.store, lease, reason).await?;
    Ok(carry_out(tools, claimed).await?)
}

/// Why an end that was set out on has no outcome. The claim stays and falls due again.
#[derive(Debug, Error)]
pub enum EndError {
    #[error(transparent)]
    Claim(#[from] ClaimError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Claims the lease's end for the caller alone.
pub async fn claim(store: &Store, lease: &Lease, reason: Reason) -> Result<Lease, ClaimError> {
    store
        .claim(lease, reason, Time::now())
        .await
        .map_err(|error| match error {
            ChangeError::Changed(_) => ClaimError::SomebodyElse,
            ChangeError::Store(error) => ClaimError::Store(error),
        })
}

/// Carries out an end that the caller has claimed.
pub async fn carry_out(tools: Tools<'_>, claimed: Lease) -> Result<EndOutcome, StoreError> {
    let name = ContainerName::of_lease(&claimed.id);
    let grace = tools
        .catalogue
        .get(claimed.image_type.as_str())
        .map_or(GRACE_OF_UNKNOWN, Image::stop_grace);
    let written = match stop_and_remove(tools.host, &name, grace).await {
        Ok(gone) => tools
            .store
            .end(
                &claimed,
                gone.stopped_at,
                gone.exit_code,
                gone.removed_at,
                tools.history,
            )
            .await
            .map(|ended| match ended.state {
                State::Ended(receipt) => EndOutcome::Ended(receipt),
                _ => unreachable!("the store has just written the receipt"),
            }),
        Err(error) => tools
            .store
            .attempt_failed(&claimed, Time::now(), crate::jitter())
            .await
            .map(|lease| EndOutcome::Failed {
                state: lease.state_name(),
                error,
            }),
    };
    match written {
        Ok(outcome) => Ok(outcome),
        Err(ChangeError::Changed(_)) => Ok(EndOutcome::TakenOver),
        Err(ChangeError::Store(error)) => Err(error),
    }
}

struct Gone {
    stopped_at: Option<Time>,
    exit_code: Option<i64>,
    removed_at: Time,
}

async fn stop_and_remove(
    host: &Host,
    name: &ContainerName,
    grace: Duration,
) -> Result<Gone, HostError> {
    // A stop that fails must not keep the container alive: the removal is by force, and
    // its answer alone decides.
    let stopped = host.stop(name, grace).await;
    let stopped_at = matches!(stopped, Ok(Some(_))).then(Time::now);
    let exit_code = stopped.ok().flatten().and_then(|stopped| stopped.exit_code);
    host.remove(name).await?;
    Ok(Gone {
        stopped_at,
        exit_code,
        removed_at: Time::now(),
    })
}
