//! How a lease ends, whoever asked for it: claim, stop, remove, confirm, receipt.
//!
//! The claim is a conditional write, so of all that try to end a lease one succeeds. The rest may
//! be interrupted anywhere: every step treats "already done" as success. The claim falls due again
//! once its holder has shown no sign of life for [`CLAIM_LIMIT`](containerlease_domain::lease::CLAIM_LIMIT), and
//! the reaper takes it over. Facts about the container are recorded before it is removed, so that a
//! new holder finds them. The receipt is written last, and once.
//!
//! A container is stopped and removed by the engine's own id. It counts as gone only when the
//! engine says that it knows no such id, since a name may have changed. Without a recorded id, all
//! containers with the lease's labels are found.
//!
//! Between stop and removal the end of the log is read. It is kept beside the record before the
//! receipt is written. Both steps have short time limits; if one fails, this lease has no kept log.
//! No end waits for the log or fails because of it.

mod claim;

use std::time::Duration;

use containerlease_domain::{
    catalogue::{Catalogue, Image},
    lease::{CLAIM_LIMIT, Facts, Gone, Lease, Reason, Receipt, State, StateName},
    logs::KeptLog,
    names::ContainerName,
    time::Time,
};
use thiserror::Error;
use tokio::time::Instant;

use crate::{
    docker::{self, Host, HostError},
    store::{CALL_LIMIT, Store, StoreError},
};
use claim::{WRITE_LIMIT, Write, Written};

pub use claim::Claim;

/// Stop grace for a container whose image type is no longer in the catalogue.
const GRACE_OF_UNKNOWN: Duration = Duration::from_secs(2);

/// How long the table may take to store the end of a log.
const KEEP_LIMIT: Duration = Duration::from_secs(1);

/// Maximum number of tries for a container when a call was cut off while the engine answered
/// others, and how long after the first try another may begin.
const TRIES: u32 = 3;
const TRIES_LIMIT: Duration = Duration::from_secs(3);
const BETWEEN_TRIES: Duration = Duration::from_millis(200);

/// How much of the log goes into the receipt of a lease whose program ended by itself: this many
/// lines, and of those this many bytes.
const LAST_LINES: usize = 20;
const LAST_BYTES: usize = 4 * 1024;

/// Longest time of an end from its turn at the engine, with the container's `grace`: the sum of all
/// its time limits. The receipt is retried while the claim lasts, and the last try may take a
/// call's time.
pub fn longest(grace: Duration) -> Duration {
    let at_the_engine = grace + docker::STOP_LIMIT + WRITE_LIMIT + docker::REMOVE_LIMIT;
    let tries = TRIES_LIMIT + BETWEEN_TRIES + 2 * docker::SIGN_LIMIT;
    tries + at_the_engine + KEEP_LIMIT + CLAIM_LIMIT + CALL_LIMIT
}

/// The dependencies of the verbs.
#[derive(Clone, Copy, Debug)]
pub struct Deps<'t> {
    pub store: &'t Store,
    pub host: &'t Host,
    pub catalogue: &'t Catalogue,
    /// How long the record of an ended lease is kept.
    pub history: Duration,
}

/// A container that is gone, and the log that was read from it.
#[derive(Debug)]
pub struct TakenDown {
    gone: Gone,
    log: Option<KeptLog>,
}

/// The result of an attempt to end a lease.
#[derive(Debug)]
pub enum EndOutcome {
    /// The container is gone and the receipt is written.
    Ended(Receipt),
    /// The container could not be removed; the record says when the next attempt is.
    Failed { state: StateName, error: HostError },
    /// The engine did not answer any call, so nothing was attempted. The lease is due at once.
    EngineAway(Box<Lease>),
    /// Another process has taken the lease over.
    TakenOver,
}

/// Why an end could not be claimed.
#[derive(Debug, Error)]
pub enum ClaimError {
    /// The lease was changed first: renewed, deleted, or claimed by another process.
    #[error("somebody else was first")]
    SomebodyElse,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Claims the lease's end and carries it out.
pub async fn claim_and_end(
    deps: Deps<'_>,
    lease: &Lease,
    reason: Reason,
) -> Result<EndOutcome, EndError> {
    let claim = Claim::of(deps, lease, reason).await?;
    Ok(claim.carry_out().await?)
}

/// Why an end that was begun has no outcome. The claim stays and falls due again.
#[derive(Debug, Error)]
pub enum EndError {
    #[error(transparent)]
    Claim(#[from] ClaimError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Claim<'_> {
    /// Carries out the end.
    pub async fn carry_out(mut self) -> Result<EndOutcome, StoreError> {
        // Boxed: it is large, and it is part of the callers' futures.
        let taken_down = Box::pin(self.take_down()).await;
        self.write_down(taken_down).await
    }

    /// Stops and removes the lease's container, and confirms that it is gone. An already missing
    /// container is success. The error is [`HostError::Away`] if the engine answers no call; any
    /// other error concerns this container.
    pub async fn take_down(&mut self) -> Result<TakenDown, HostError> {
        let host = self.deps.host;
        if !self.alive_while(host.answers()).await {
            return Err(HostError::Away {
                because: "it was away before".to_owned(),
            });
        }
        let begun = Instant::now();
        for tries in 1.. {
            let error = match Box::pin(self.try_to_take_down()).await {
                Ok(taken_down) => return Ok(taken_down),
                Err(error) => error,
            };
            if error.is_answer() || matches!(error, HostError::Away { .. }) {
                return Err(error);
            }
            if !self.alive_while(host.is_there()).await {
                let because = error.to_string();
                return Err(HostError::Away { because });
            }
            // The engine answers other calls: either this call was cut off on its way, or the
            // engine hangs on this container.
            let cut_off = matches!(error, HostError::Unreachable { .. });
            if !cut_off || tries == TRIES || begun.elapsed() > TRIES_LIMIT {
                return Err(error);
            }
            tracing::info!(lease = %self.lease.id, %error, "tries again to remove a container");
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
        unreachable!("the last try returns")
    }

    async fn try_to_take_down(&mut self) -> Result<TakenDown, HostError> {
        let host = self.deps.host;
        let on_record = self.lease.placement.as_ref();
        // Boxed, here and below: the futures of the engine's calls are large.
        let containers = if let Some(id) = on_record.and_then(|it| it.container.clone()) {
            vec![id]
        } else {
            let lease = self.lease.clone();
            Box::pin(self.at_the_engine(host.find(&lease))).await?
        };
        let facts = self.lease.ending().map(|ending| ending.facts.clone());
        let mut facts = facts.unwrap_or_default();
        let (mut log, mut removed) = (None, false);
        for container in &containers {
            let there = Box::pin(self.stop(container, &mut facts, &mut log)).await?;
            if there {
                facts.removal_began_at.get_or_insert_with(Time::now);
                self.note(&facts).await;
            }
            removed |= Box::pin(self.at_the_engine(host.remove(container))).await?;
        }
        let mut removed_at = Time::now();
        let mut seen_going = true;
        // Another process removed it but did not finish the end.
        if let Some(began_at) = facts.removal_began_at.filter(|_| !removed) {
            let engine_says = host.removed_at(&self.lease.id, began_at).await;
            seen_going = engine_says.is_some();
            removed_at = engine_says.unwrap_or(removed_at);
        }
        Ok(TakenDown {
            gone: Gone {
                facts,
                removed_at,
                seen_going,
            },
            log,
        })
    }

    /// Stops a container and adds the facts found then. Returns whether the container may still
    /// exist: a failed stop must not keep it alive, since the removal is by force and its answer
    /// alone decides. The only error is that the engine is away.
    async fn stop(
        &mut self,
        container: &ContainerName,
        facts: &mut Facts,
        log: &mut Option<KeptLog>,
    ) -> Result<bool, HostError> {
        let (host, image_type) = (self.deps.host, self.lease.image_type.as_str());
        let image = self.deps.catalogue.get(image_type);
        let grace = image.map_or(GRACE_OF_UNKNOWN, Image::stop_grace);
        let stopping = Box::pin(self.at_the_engine(host.stop(container, grace)));
        let stopped = match stopping.await {
            Ok(Some(stopped)) => stopped,
            Ok(None) => return Ok(false),
            Err(error @ HostError::Away { .. }) => return Err(error),
            Err(error) => {
                tracing::warn!(lease = %self.lease.id, %error, "could not stop a container");
                return Ok(true);
            }
        };
        // The first facts stay. The engine's clock may differ from ours, so an impossible time is
        // not believed.
        if facts.stopped_at.is_none() {
            let now = Time::now();
            let at = stopped
                .at
                .filter(|at| (self.lease.created_at..=now).contains(at));
            facts.stopped_at = Some(at.unwrap_or(now));
            facts.exit_code = stopped.exit_code;
            facts.out_of_memory = stopped.out_of_memory;
        }
        // Now the log is complete and still exists.
        if let Some(read) = self.alive_while(end_of_log(host, container)).await {
            // If a program that ended by itself gave a reason, it is in its last lines.
            let by_itself = matches!(
                self.lease.reason_when_due(),
                Some(Reason::Completed | Reason::Failed)
            );
            if by_itself && facts.last_lines.is_empty() {
                facts.last_lines = read.last_messages(LAST_LINES, LAST_BYTES);
            }
            *log = Some(read);
        }
        Ok(true)
    }

    /// Writes the outcome of the removal: the receipt, or when the next attempt may start.
    pub async fn write_down(
        mut self,
        taken_down: Result<TakenDown, HostError>,
    ) -> Result<EndOutcome, StoreError> {
        match taken_down {
            Ok(TakenDown { gone, log }) => {
                // The log first, so that it is there for everyone who sees the receipt.
                if let Some(log) = log.filter(|_| self.deps.store.room().shortage().is_none()) {
                    keep(self.deps, &self.lease, log, gone.removed_at).await;
                }
                let written = Box::pin(self.write_persistently(Write::Gone(&gone))).await?;
                Ok(match (written, self.lease.state) {
                    (Written::Done, State::Ended(receipt)) | (Written::EndedBefore(receipt), _) => {
                        EndOutcome::Ended(receipt)
                    }
                    (Written::Done | Written::TakenOver, _) => EndOutcome::TakenOver,
                })
            }
            Err(HostError::Away { .. }) => Ok(match self.write(Write::Postponed).await? {
                Written::Done => EndOutcome::EngineAway(Box::new(self.lease)),
                Written::EndedBefore(receipt) => EndOutcome::Ended(receipt),
                Written::TakenOver => EndOutcome::TakenOver,
            }),
            Err(error) => Ok(match self.write(Write::Failed).await? {
                Written::Done => EndOutcome::Failed {
                    state: self.lease.state_name(),
                    error,
                },
                Written::EndedBefore(receipt) => EndOutcome::Ended(receipt),
                Written::TakenOver => EndOutcome::TakenOver,
            }),
        }
    }
}

async fn end_of_log(host: &Host, name: &ContainerName) -> Option<KeptLog> {
    let read = host.end_of_log(name).await;
    read.inspect_err(|error| tracing::warn!(%error, "could not read the end of a log"))
        .ok()
}

async fn keep(deps: Deps<'_>, claimed: &Lease, log: KeptLog, removed_at: Time) {
    let purge_at = removed_at.plus(deps.history);
    let keeping = deps.store.keep_log(&claimed.id, log, purge_at);
    match tokio::time::timeout(KEEP_LIMIT, keeping).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(lease = %claimed.id, %error, "could not keep a log");
        }
        Err(_) => tracing::warn!(lease = %claimed.id, "could not keep a log in time"),
    }
}
