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
    lease::{Gone, Lease, Reason, Receipt, State, StateName},
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
    let taken_down = take_down(tools, &claimed).await;
    write_down(tools, &claimed, taken_down).await
}

/// Stops and removes the container of a lease whose end is claimed, and sees that it is
/// gone. One that is gone already is success.
pub async fn take_down(tools: Tools<'_>, claimed: &Lease) -> Result<Gone, HostError> {
    let name = ContainerName::of_lease(&claimed.id);
    let grace = tools
        .catalogue
        .get(claimed.image_type.as_str())
        .map_or(GRACE_OF_UNKNOWN, Image::stop_grace);
    // A stop that fails must not keep the container alive: the removal is by force, and
    // its answer alone decides.
    let stopped = tools.host.stop(&name, grace).await;
    let stopped_at = matches!(stopped, Ok(Some(_))).then(Time::now);
    let exit_code = stopped.ok().flatten().and_then(|stopped| stopped.exit_code);
    let last_lines = match claimed.reason_when_due() {
        Some(Reason::Failed) if stopped_at.is_some() => last_lines(tools.host, &name).await,
        _ => Vec::new(),
    };
    tools.host.remove(&name).await?;
    Ok(Gone {
        stopped_at,
        exit_code,
        last_lines,
        removed_at: Time::now(),
    })
}

/// Writes how the taking down of a claimed lease's container went: the receipt, or when the
/// next attempt may be.
pub async fn write_down(
    tools: Tools<'_>,
    claimed: &Lease,
    taken_down: Result<Gone, HostError>,
) -> Result<EndOutcome, StoreError> {
    let written = match taken_down {
        Ok(gone) => tools
            .store
            .end(claimed, &gone, tools.history)
            .await
            .map(|ended| match ended.state {
                State::Ended(receipt) => EndOutcome::Ended(receipt),
                _ => unreachable!("the store has just written the receipt"),
            }),
        Err(error) => tools
            .store
            .attempt_failed(claimed, Time::now(), crate::jitter())
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

/// A program that ended by itself has said why, if at all, in the last lines of its log.
/// That they cannot be read keeps nobody from ending it.
async fn last_lines(host: &Host, name: &ContainerName) -> Vec<String> {
    host.last_lines(name).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "could not read the end of a log");
        Vec::new()
    })
}
