//! How a lease ends, whoever asked for it: claim, stop, remove, confirm, receipt.
//!
//! The claim is a conditional write, so of all that set out to end a lease one does. What
//! follows may be cut off anywhere: each step is success when it was done before, the claim
//! falls due again after [`CLAIM_LIMIT`](crate::lease::CLAIM_LIMIT), and the reaper takes
//! it over. The receipt comes last and is written once.
//!
//! Between the stop and the removal the end of the log is read, and kept beside the record
//! before the receipt is written. Both have little time for it, and where they fail there is
//! no log of this lease: no end waits for that or fails by it.

use std::time::Duration;

use thiserror::Error;

use crate::{
    catalogue::{Catalogue, Image},
    host::{Host, HostError},
    lease::{Gone, Lease, Reason, Receipt, State, StateName},
    logs::KeptLog,
    names::ContainerName,
    store::{ChangeError, Store, StoreError},
    time::Time,
};

/// How long a container may take to stop whose image type is in no catalogue any more.
const GRACE_OF_UNKNOWN: Duration = Duration::from_secs(2);

/// How long the table has to take the end of a log.
const KEEP_LIMIT: Duration = Duration::from_secs(1);

/// How much of a log is in the receipt of a lease whose program ended by itself: so many
/// lines, and of them so many bytes.
const LAST_LINES: usize = 20;
const LAST_BYTES: usize = 4 * 1024;

/// What the verbs work with.
#[derive(Clone, Copy, Debug)]
pub struct Tools<'t> {
    pub store: &'t Store,
    pub host: &'t Host,
    pub catalogue: &'t Catalogue,
    /// How long the record of an ended lease is kept.
    pub history: Duration,
}

/// A container that is gone, and what was read of its log.
#[derive(Debug)]
pub struct TakenDown {
    gone: Gone,
    log: Option<KeptLog>,
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
pub async fn take_down(tools: Tools<'_>, claimed: &Lease) -> Result<TakenDown, HostError> {
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
    // Now the log is whole, and still there.
    let log = match stopped_at {
        Some(_) => end_of_log(tools.host, &name).await,
        None => None,
    };
    tools.host.remove(&name).await?;
    // A program that ended by itself has said why, if at all, in its last lines.
    let last_lines = match (claimed.reason_when_due(), &log) {
        (Some(Reason::Failed), Some(log)) => log.last_messages(LAST_LINES, LAST_BYTES),
        _ => Vec::new(),
    };
    Ok(TakenDown {
        gone: Gone {
            stopped_at,
            exit_code,
            last_lines,
            removed_at: Time::now(),
        },
        log,
    })
}

/// Writes how the taking down of a claimed lease's container went: the receipt, or when the
/// next attempt may be.
pub async fn write_down(
    tools: Tools<'_>,
    claimed: &Lease,
    taken_down: Result<TakenDown, HostError>,
) -> Result<EndOutcome, StoreError> {
    let written = match taken_down {
        Ok(TakenDown { gone, log }) => {
            // Who sees the receipt finds the log.
            if let Some(log) = log {
                keep(tools, claimed, log, gone.removed_at).await;
            }
            let ended = tools.store.end(claimed, &gone, tools.history).await;
            ended.map(|ended| match ended.state {
                State::Ended(receipt) => EndOutcome::Ended(receipt),
                _ => unreachable!("the store has just written the receipt"),
            })
        }
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

async fn end_of_log(host: &Host, name: &ContainerName) -> Option<KeptLog> {
    let read = host.end_of_log(name).await;
    read.inspect_err(|error| tracing::warn!(%error, "could not read the end of a log"))
        .ok()
}

async fn keep(tools: Tools<'_>, claimed: &Lease, log: KeptLog, removed_at: Time) {
    let purge_at = removed_at.plus(tools.history);
    let keeping = tools.store.keep_log(&claimed.id, log, purge_at);
    match tokio::time::timeout(KEEP_LIMIT, keeping).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(lease = %claimed.id, %error, "could not keep a log");
        }
        Err(_) => tracing::warn!(lease = %claimed.id, "could not keep a log in time"),
    }
}
