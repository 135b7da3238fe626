//! Due work on AWS: messages that a queue holds back until their time.
//!
//! An AWS schedule is precise to a minute, and two of its ticks may be 119 s apart. So no end waits
//! for a tick: each end and each notification has a message that is sent ahead. The queue hands it
//! to a function a moment before its time, and the function waits out the rest.
//!
//! - **Who sends**: provision and renew send what falls due within [`REACH`], the longest time that
//!   a queue holds a message back. A run of the reaper sends the rest once it is within reach
//!   ([`Queues::ahead`]).
//! - **A message is a hint, not an order.** It says that something may be due; the record, read
//!   consistently, decides. A stale message (the lease was renewed, deleted or ended) is dropped,
//!   and a duplicate finds the claim taken.
//! - **A lost message costs one tick**: the reaper ends or delivers whatever is overdue. So a
//!   failure to send is counted but fails nothing.
//!
//! The function that ends leases never sends to its own queue, so no chain of invocations can
//! arise. The one-machine server has no queues: it has a clock.

mod ahead;
mod queue;

use std::time::Duration;

use aws_config::SdkConfig;
use containerlease_domain::{
    lease::{Lease, Reason, Receipt, State},
    names::{LeaseId, Owner},
    notification::Notification,
    time::Time,
};
use containerlease_settings::QueueUrls;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{
    leasing::end::{self, ClaimError, Deps, EndError, EndOutcome},
    store::{CALL_LIMIT, StoreError},
    wait::sleep_until,
};

pub use ahead::Ahead;
pub use queue::{DueQueue, REACH};

/// Longest wait of a function for a message's time. The queue hands a message out two seconds early
/// at most, so one that comes earlier was not sent by us, or was sent with a wrong clock.
pub const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How often an end reads the lease again after a concurrent change.
const TRIES: u32 = 3;

/// Due work of a lease: its end, or a notification for its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Due {
    pub owner: Owner,
    pub lease_id: LeaseId,
    /// The lease's end when this was sent, or the notification's time.
    pub due_at: Time,
}

/// The two queues. They are separate so that no end waits for somebody's receiver.
#[derive(Debug)]
pub struct Queues {
    ends: DueQueue,
    deliveries: DueQueue,
}

impl Queues {
    /// The queues at `urls`, reached with the AWS settings `config`.
    pub fn new(config: &SdkConfig, urls: &QueueUrls) -> Self {
        Self {
            ends: DueQueue::new(config, &urls.ends),
            deliveries: DueQueue::new(config, &urls.deliveries),
        }
    }

    /// Sends the due work of a new or renewed lease. Returns how many messages could not be sent.
    pub async fn lease_runs(&self, lease: &Lease, now: Time) -> usize {
        if lease.state != State::Running || lease.is_expired(now) {
            return 0;
        }
        let warning = Notification::warning(lease).filter(|warning| warning.at > now);
        let (end, warning) = tokio::join!(
            self.ends.send(Due::end_of(lease), now),
            self.deliveries.send_some(warning.as_ref(), now),
        );
        end + warning
    }

    /// Sends the notification of a lease's end. Returns how many messages could not be sent.
    pub async fn lease_ended(&self, lease: &Lease, removed_at: Time) -> usize {
        let ended = Notification::ended(lease, removed_at);
        self.deliveries.send_some(ended.as_ref(), Time::now()).await
    }
}

impl Due {
    fn end_of(lease: &Lease) -> Self {
        Self {
            owner: lease.owner.clone(),
            lease_id: lease.id,
            due_at: lease.expires_at,
        }
    }

    /// None if there is nothing left to deliver.
    fn notification(notification: &Notification) -> Option<Self> {
        Some(Self {
            owner: notification.owner.clone(),
            lease_id: notification.lease,
            due_at: notification.next_attempt_at?,
        })
    }

    /// Waits until it is due. Returns whether it is.
    pub async fn wait(&self) -> bool {
        if Time::now().until(self.due_at) > LONGEST_WAIT {
            return false;
        }
        sleep_until(self.due_at, &CancellationToken::new()).await
    }
}

/// Longest time to handle a message from its arrival, with the container's `grace`.
pub fn longest_end(grace: Duration) -> Duration {
    LONGEST_WAIT + 2 * CALL_LIMIT + end::longest(grace)
}

/// The result of a message that a lease's end is due.
#[derive(Debug)]
pub enum Outcome {
    /// The container is gone and the receipt is written.
    Ended(Box<(Lease, Receipt)>),
    /// The lease has another end now, has already ended, or another process is ending it.
    Stale,
    /// The engine answers no call; the reaper ends the lease once it does.
    EngineAway,
    /// The end failed; the reaper continues it.
    AttemptFailed,
}

/// Ends the lease at the instant that its message names. An error means that the lease could not be
/// read, and that the queue should deliver the message again.
pub async fn end(deps: Deps<'_>, due: &Due) -> Result<Outcome, StoreError> {
    let lease_id = due.lease_id;
    if !due.wait().await {
        tracing::warn!(lease = %lease_id, due_at = %due.due_at, "a message came far too early");
        return Ok(Outcome::Stale);
    }
    for _ in 0..TRIES {
        let lease = deps.store.get(&due.owner, &lease_id).await?;
        let Some(lease) = lease.filter(|lease| due.is_end_of(lease)) else {
            return Ok(Outcome::Stale);
        };
        match end::claim_and_end(deps, &lease, Reason::Expired).await {
            Ok(EndOutcome::Ended(receipt)) => {
                return Ok(Outcome::Ended(Box::new((lease, receipt))));
            }
            Ok(EndOutcome::TakenOver) => return Ok(Outcome::Stale),
            Ok(EndOutcome::EngineAway(_)) => return Ok(Outcome::EngineAway),
            Ok(EndOutcome::Failed { error, .. }) => {
                tracing::warn!(lease = %lease_id, %error, "could not end a lease; it is tried again");
                return Ok(Outcome::AttemptFailed);
            }
            // It was renewed, deleted or claimed since it was read: the record says which.
            Err(EndError::Claim(ClaimError::SomebodyElse)) => {}
            Err(EndError::Claim(ClaimError::Store(error))) => return Err(error),
            Err(EndError::Store(error)) => {
                tracing::warn!(lease = %lease_id, %error, "could not write how a lease ended");
                return Ok(Outcome::AttemptFailed);
            }
        }
    }
    Ok(Outcome::Stale)
}

impl Due {
    fn is_end_of(&self, lease: &Lease) -> bool {
        lease.state == State::Running && lease.expires_at == self.due_at
    }
}
