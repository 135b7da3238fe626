//! Deliver: notifies owners about their leases.
//!
//! A [`Notification`] is recorded in the same transaction as the change of its lease, and falls due
//! as leases do. A run takes what falls due within its look-ahead and sends each notification at
//! its own instant. It claims each one first by a conditional write, so of several concurrent runs
//! one sends. A claim without an outcome falls due again: at-least-once delivery.
//!
//! Deliveries run beside ends, in their own tasks. Their bound applies to the whole process and is
//! shared fairly ([`turns`]): neither a receiver that hangs nor an owner with many leases delays
//! another owner's notifications. No end waits for a delivery or fails because of one.

mod turns;

use std::{collections::HashMap, sync::Arc, time::Duration};

use containerlease_domain::{
    lease::Lease,
    names::{LeaseId, Owner},
    notification::{DeliveryState, Event, Failure, Notification, TRIED_FOR},
    time::Time,
};
use serde::Serialize;
use serde_json::Value;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    due::Due,
    in_hand::InHand,
    notify::webhook_client::{self, WebhookClient},
    store::{CALL_LIMIT, ChangeError, Store, StoreError},
    wait::sleep_until,
};

pub use turns::Turns;

/// Maximum number of notifications of one owner that a run takes on. A later run takes the rest.
const OF_ONE_OWNER: usize = 500;

/// The notifications that tasks of this process wait for or deliver.
pub type InHandNow = InHand<(LeaseId, Event, Time)>;

/// Longest time of one attempt: the claim, reading the lease's record, the receiver, and writing
/// the outcome.
pub fn longest() -> Duration {
    3 * CALL_LIMIT + webhook_client::LIMIT
}

/// The dependencies and settings of deliveries, shared by the tasks of a run.
#[derive(Clone, Debug)]
pub struct Deliverer {
    pub store: Arc<Store>,
    pub webhook_client: Arc<WebhookClient>,
    /// The turns of all runs of this process.
    pub turns: Arc<Turns>,
    pub in_hand: Arc<InHandNow>,
    /// A lease as its owner sees it, without secrets.
    pub show: fn(&Lease) -> Value,
    /// How long the record of an ended lease is kept: without it there is nothing to send.
    pub history: Duration,
    /// Once cancelled, attempts in progress are finished and no other is begun.
    pub stopping: CancellationToken,
}

/// The deliveries of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deliveries {
    pub delivered: usize,
    /// Attempts that failed.
    pub attempts_failed: usize,
    /// How many of these were the last attempt, after which the notification was given up.
    pub given_up: usize,
    /// Due notifications that are unreadable.
    pub unreadable: usize,
}

/// Delivers what falls due until `until`, and whatever is `announced` meanwhile. Returns when the
/// announcements have ended and everything is done. Begins nothing at or after `stop_at`.
pub async fn run(
    deliverer: &Deliverer,
    mut announced: mpsc::UnboundedReceiver<Notification>,
    until: Time,
    stop_at: Time,
) -> Deliveries {
    let mut tasks = JoinSet::new();
    let mut by_owner: HashMap<Owner, usize> = HashMap::new();
    let mut take_on = |notification: Notification| {
        let count = by_owner.entry(notification.owner.clone()).or_default();
        let what = (notification.lease, notification.event, notification.at);
        if *count >= OF_ONE_OWNER {
            return;
        }
        *count += 1;
        let Some(hold) = deliverer.in_hand.take(what) else {
            return;
        };
        let task = DeliveryTask {
            deliverer: deliverer.clone(),
            until,
            stop_at,
        };
        tasks.spawn(async move {
            let done = task.run(notification).await;
            drop(hold);
            done
        });
    };
    let mut all = Deliveries::default();
    match deliverer.store.due_notifications(until).await {
        Ok(due) => {
            all.unreadable = due.unreadable;
            due.items.into_iter().for_each(&mut take_on);
        }
        Err(error) => tracing::warn!(%error, "could not read the due notifications"),
    }
    while let Some(notification) = announced.recv().await {
        take_on(notification);
    }
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok(done) => all.add(done),
            // The claim of a task that panicked falls due again.
            Err(error) => tracing::error!(%error, "a delivery ended badly"),
        }
    }
    all
}

/// Delivers one lease's due notifications at the time that `due` names. Returns when they are
/// delivered or left to a later run. Begins nothing at or after `stop_at`.
pub async fn due(
    deliverer: &Deliverer,
    due: &Due,
    stop_at: Time,
) -> Result<Deliveries, StoreError> {
    let mut all = Deliveries::default();
    if !due.wait().await {
        return Ok(all);
    }
    let until = Time::now();
    for notification in deliverer.store.notifications_of(&due.lease_id).await? {
        let is_due = notification.next_attempt_at.is_some_and(|at| at <= until);
        if !is_due || notification.owner != due.owner {
            continue;
        }
        let task = DeliveryTask {
            deliverer: deliverer.clone(),
            until,
            stop_at,
        };
        all.add(task.run(notification).await);
    }
    Ok(all)
}

impl Deliveries {
    /// Adds the deliveries of another run.
    pub fn add(&mut self, more: Self) {
        self.delivered += more.delivered;
        self.attempts_failed += more.attempts_failed;
        self.given_up += more.given_up;
        self.unreadable += more.unreadable;
    }
}

/// Everything that one notification needs, so that it can run in its own task.
struct DeliveryTask {
    deliverer: Deliverer,
    until: Time,
    stop_at: Time,
}

impl DeliveryTask {
    /// Tries until it is delivered, or until the next attempt belongs to a later run.
    async fn run(self, mut notification: Notification) -> Deliveries {
        let mut done = Deliveries::default();
        // What an end announced may have happened after the window, but is due too.
        let in_time = |at: &Time| *at <= self.until.max(Time::now());
        while let Some(at) = notification.next_attempt_at.filter(in_time) {
            if !sleep_until(at, &self.deliverer.stopping).await {
                break;
            }
            let wait = Time::now().until(self.stop_at);
            let turn = self.deliverer.turns.turn(&notification);
            let Ok(_turn) = tokio::time::timeout(wait, turn).await else {
                break;
            };
            if Time::now() >= self.stop_at || self.deliverer.stopping.is_cancelled() {
                break;
            }
            notification = match self.deliverer.attempt(&notification).await {
                Ok(after) => after,
                Err(ChangeError::Changed(_)) => break,
                Err(ChangeError::Store(error)) => {
                    let lease = notification.lease;
                    tracing::warn!(%lease, %error, "left a notification to a later run");
                    break;
                }
            };
            match notification.state {
                DeliveryState::Delivered => done.delivered += 1,
                DeliveryState::Pending => done.attempts_failed += 1,
                DeliveryState::Failed => {
                    done.attempts_failed += 1;
                    done.given_up += 1;
                }
                DeliveryState::Dropped => {}
            }
        }
        done
    }
}

impl Deliverer {
    /// One attempt, from the claim to the recorded outcome.
    async fn attempt(&self, due: &Notification) -> Result<Notification, ChangeError> {
        let claimed = self.store.claim_delivery(due, Time::now()).await?;
        let lease = self.store.get(&claimed.owner, &claimed.lease).await?;
        let after = self.tell(&claimed, lease.as_ref()).await;
        self.store.settle_delivery(&after).await?;
        log(&after);
        Ok(after)
    }

    /// Sends a claimed notification if it is still valid, and returns it with the result.
    async fn tell(&self, claimed: &Notification, lease: Option<&Lease>) -> Notification {
        let told = lease.and_then(|lease| Some((lease, lease.webhook.as_ref()?)));
        let Some((lease, webhook)) = told else {
            return claimed.dropped();
        };
        if !claimed.stands(lease, Time::now()) {
            return claimed.dropped();
        }
        let body = claimed.body(&(self.show)(lease));
        match self
            .webhook_client
            .carry(webhook, &claimed.id(), body)
            .await
        {
            Ok(status) => claimed.delivered(status.as_u16()),
            Err(failure) => {
                let tried_for = TRIED_FOR.min(self.history);
                let failure = Failure::from(failure);
                claimed.failed(&failure, Time::now(), tried_for, crate::jitter())
            }
        }
    }
}

/// Logs the result of an attempt. The URL stays out of the log: it may hold a secret.
fn log(after: &Notification) {
    let (lease, event, attempts) = (after.lease, after.event.as_str(), after.attempts);
    let why = after.last_error.as_deref();
    match after.state {
        DeliveryState::Delivered => tracing::info!(%lease, event, attempts, "told an owner"),
        DeliveryState::Pending => {
            tracing::info!(%lease, event, attempts, why, "could not tell an owner yet");
        }
        DeliveryState::Failed => {
            tracing::warn!(%lease, event, attempts, why, "gave up telling an owner");
        }
        DeliveryState::Dropped => tracing::debug!(%lease, event, "had nothing left to tell"),
    }
}
