//! How a lease ends, whoever asked for it: claim, stop, remove, confirm, receipt.
//!
//! The claim is a conditional write, so of all that set out to end a lease one does. What
//! follows may be cut off anywhere: each step is success when it was done before, the claim
//! falls due again once its holder has shown no sign of life for
//! [`CLAIM_LIMIT`](crate::lease::CLAIM_LIMIT), and the reaper takes it over. What was found of
//! the container is on record before it is removed, so that whoever takes over finds it. The
//! receipt comes last and is written once.
//!
//! A container is stopped and removed by the engine's own id, and only the engine's word that
//! it knows no such id proves that it is gone: a name may have been changed. Where no id is on
//! record, all containers with the lease's labels are looked for.
//!
//! Between the stop and the removal the end of the log is read, and kept beside the record
//! before the receipt is written. Both have little time for it, and where they fail there is
//! no log of this lease: no end waits for that or fails by it.

mod claim;

use std::time::Duration;

use thiserror::Error;
use tokio::time::Instant;

use crate::{
    catalogue::{Catalogue, Image},
    host::{self, Host, HostError},
    lease::{CLAIM_LIMIT, Facts, Gone, Lease, Reason, Receipt, State, StateName},
    logs::KeptLog,
    names::ContainerName,
    store::{CALL_LIMIT, Store, StoreError},
    time::Time,
};
use claim::{WRITE_LIMIT, Write, Written};

pub use claim::Claim;

/// How long a container may take to stop whose image type is in no catalogue any more.
const GRACE_OF_UNKNOWN: Duration = Duration::from_secs(2);

/// How long the table has to take the end of a log.
const KEEP_LIMIT: Duration = Duration::from_secs(1);

/// How often a container is tried at the most that a call was cut off about while the engine
/// answered others, and how long after the first try such another is begun.
const TRIES: u32 = 3;
const TRIES_LIMIT: Duration = Duration::from_secs(3);
const BETWEEN_TRIES: Duration = Duration::from_millis(200);

/// How much of a log is in the receipt of a lease whose program ended by itself: so many
/// lines, and of them so many bytes.
const LAST_LINES: usize = 20;
const LAST_BYTES: usize = 4 * 1024;

/// How long an end may take at the most from its turn at the engine on, where the container's
/// grace is `grace`: the time limits of all that it waits for, one after another. The receipt
/// is tried again while the claim lasts, and the last try has a call's time.
pub fn longest(grace: Duration) -> Duration {
    let at_the_engine = grace + host::STOP_LIMIT + WRITE_LIMIT + host::REMOVE_LIMIT;
    let tries = TRIES_LIMIT + BETWEEN_TRIES + 2 * host::SIGN_LIMIT;
    tries + at_the_engine + KEEP_LIMIT + CLAIM_LIMIT + CALL_LIMIT
}

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
    /// The engine answered nobody, so nothing was attempted: the lease, which is due at once.
    EngineAway(Box<Lease>),
    /// Somebody else has taken the lease over.
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
    let claim = Claim::of(tools, lease, reason).await?;
    Ok(claim.carry_out().await?)
}

/// Why an end that was set out on has no outcome. The claim stays and falls due again.
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
        // Boxed: it is large, and so are the futures of those that end a lease on the way.
        let taken_down = Box::pin(self.take_down()).await;
        self.write_down(taken_down).await
    }

    /// Stops and removes the lease's container, and sees that it is gone. One that is gone
    /// already is success. The error is [`HostError::Away`] where the engine answers nobody;
    /// every other is about this container.
    pub async fn take_down(&mut self) -> Result<TakenDown, HostError> {
        let host = self.tools.host;
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
            // It answers others: either the call was cut off on its way, or this container is
            // what the engine comes to no end with.
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
        let host = self.tools.host;
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
        // Another process has removed it, and came to no end with that.
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

    /// Stops a container and adds what is found of it then. Says whether it may be there
    /// still: a stop that fails must not keep it alive, since the removal is by force, and the
    /// answer to that alone decides. It is an error only that the engine is away.
    async fn stop(
        &mut self,
        container: &ContainerName,
        facts: &mut Facts,
        log: &mut Option<KeptLog>,
    ) -> Result<bool, HostError> {
        let (host, image_type) = (self.tools.host, self.lease.image_type.as_str());
        let image = self.tools.catalogue.get(image_type);
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
        // What was found first stays. The engine's clock may be another than ours, and is
        // not believed where it cannot be right.
        if facts.stopped_at.is_none() {
            let now = Time::now();
            let at = stopped
                .at
                .filter(|at| (self.lease.created_at..=now).contains(at));
            facts.stopped_at = Some(at.unwrap_or(now));
            facts.exit_code = stopped.exit_code;
            facts.out_of_memory = stopped.out_of_memory;
        }
        // Now the log is whole, and still there.
        if let Some(read) = self.alive_while(end_of_log(host, container)).await {
            // A program that ended by itself has said why, if at all, in its last lines.
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

    /// Writes how the taking down of the container went: the receipt, or when the next attempt
    /// may be.
    pub async fn write_down(
        mut self,
        taken_down: Result<TakenDown, HostError>,
    ) -> Result<EndOutcome, StoreError> {
        match taken_down {
            Ok(TakenDown { gone, log }) => {
                // Who sees the receipt finds the log.
                if let Some(log) = log.filter(|_| self.tools.store.room().shortage().is_none()) {
                    keep(self.tools, &self.lease, log, gone.removed_at).await;
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
