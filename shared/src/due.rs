//! What falls due, on AWS: messages that a queue holds back until then.
//!
//! A schedule of AWS is precise to a minute, and two of its ticks may be 119 s apart. So no end
//! waits for a tick: a message is sent ahead for each end, and for each notification, and the
//! queue gives it to a function a moment before its time, which waits out the rest.
//!
//! - **Who sends**: provision and renew, what falls due within [`REACH`], the longest that a
//!   queue holds a message back. What is later a run of the reaper sends once it is within
//!   reach ([`Queues::ahead`]).
//! - **A message is no order.** It says that something may be due, and the record, read
//!   consistently, says whether it is. One that is stale (the lease was renewed, deleted or
//!   ended) is dropped, and one that comes twice finds the claim taken.
//! - **A message that is lost costs one tick**: whatever is overdue the reaper ends or
//!   delivers. So a message that cannot be sent fails nothing, and is counted.
//!
//! The function that ends leases sends nothing to the queue that it is called by, so no chain
//! of invocations can come of it. The one-machine server has no queues: it has a clock.

mod ahead;
mod queue;

use std::time::Duration;

use aws_config::SdkConfig;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{
    end::{self, ClaimError, EndError, EndOutcome, Tools},
    lease::{Lease, Reason, Receipt, State},
    names::{LeaseId, Owner},
    settings::QueueUrls,
    store::{CALL_LIMIT, StoreError},
    time::Time,
    wait::slept_until,
    webhook::Notification,
};

pub use ahead::Ahead;
pub use queue::{DueQueue, REACH};

/// How long a function waits for a message's time at the most. The queue gives a message out
/// two seconds before it; what is earlier than this was not sent by us, or by a wrong clock.
pub const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How often an end reads the lease again that another change was quicker with.
const TRIES: u32 = 3;

/// Something of a lease falls due: its end, or what its owner is to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Due {
    pub owner: Owner,
    pub lease_id: LeaseId,
    /// The end that the lease had when this was sent, or a notification's time.
    pub due_at: Time,
}

/// The two queues. They are two so that no end waits for somebody else's receiver.
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

    /// Sends what falls due of a lease that was made or renewed. Says how many messages could
    /// not be sent.
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

    /// Sends what is to be told of a lease that has ended. Says how many messages could not be
    /// sent.
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

    /// None where there is nothing to tell any more.
    fn notification(notification: &Notification) -> Option<Self> {
        Some(Self {
            owner: notification.owner.clone(),
            lease_id: notification.lease,
            due_at: notification.next_attempt_at?,
        })
    }

    /// Waits until it is due; says whether it is.
    pub async fn wait(&self) -> bool {
        if Time::now().until(self.due_at) > LONGEST_WAIT {
            return false;
        }
        slept_until(self.due_at, &CancellationToken::new()).await
    }
}

/// How long acting on a message may take at the most, from when it comes, where the grace of
/// the lease's container is `grace`.
pub fn longest_end(grace: Duration) -> Duration {
    LONGEST_WAIT + 2 * CALL_LIMIT + end::longest(grace)
}

/// What came of a message that a lease's end is due.
#[derive(Debug)]
pub enum Outcome {
    /// The container is gone and the receipt is written.
    Ended(Box<(Lease, Receipt)>),
    /// The lease has another end by now, or has come to it, or somebody else is at it.
    Stale,
    /// The engine answers nobody; the reaper ends the lease once it does.
    EngineAway,
    /// The end could not be finished; the reaper goes on with it.
    AttemptFailed,
}

/// Ends the lease whose end is due, at its own instant. An error says that the lease could not
/// be looked at, and that the message is to be given out again.
pub async fn end(tools: Tools<'_>, due: &Due) -> Result<Outcome, StoreError> {
    let lease_id = due.lease_id;
    if !due.wait().await {
        tracing::warn!(lease = %lease_id, due_at = %due.due_at, "a message came far too early");
        return Ok(Outcome::Stale);
    }
    for _ in 0..TRIES {
        let lease = tools.store.get(&due.owner, &lease_id).await?;
        let Some(lease) = lease.filter(|lease| due.is_end_of(lease)) else {
            return Ok(Outcome::Stale);
        };
        match end::claim_and_end(tools, &lease, Reason::Expired).await {
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
