//! Deliver: tells owners what has become of their leases.
//!
//! What is to be told is on record since the change of the lease that it tells of
//! ([`Notification`]), and falls due there as leases do. A run takes what falls due within
//! its look-ahead and sends each at its own instant. It claims each before by a conditional
//! write, so that of several runs at once one sends; a claim without an outcome falls due
//! again, and so a receiver may hear of something twice, and never not at all.
//!
//! Deliveries run beside ends, in tasks and under a bound of their own. No end waits for one,
//! or fails by one.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::Value;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    cleanup::{place_in, slept_until},
    courier::Courier,
    lease::Lease,
    store::{ChangeError, Store},
    time::Time,
    webhook::{DeliveryState, Failure, Notification, TRIED_FOR},
};

/// How many deliveries may be under way at once. They wait for others most of the time.
const AT_ONCE: usize = 32;

/// What deliveries are made with; shared by the tasks of a run.
#[derive(Clone, Debug)]
pub struct Deliverer {
    pub store: Arc<Store>,
    pub courier: Arc<Courier>,
    /// A lease as its owner sees it, without secrets.
    pub show: fn(&Lease) -> Value,
    /// How long the record of an ended lease is kept: without it nothing can be told.
    pub history: Duration,
    /// Once it is cancelled, what has begun is finished and nothing else is begun.
    pub stopping: CancellationToken,
}

/// What a run has delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deliveries {
    pub delivered: usize,
    /// Attempts that have failed.
    pub attempts_failed: usize,
    /// Of these, the last ones: what they were about was given up.
    pub given_up: usize,
}

/// Delivers what falls due until `until`, and what is `announced` meanwhile, and returns when
/// nobody announces any more and all is done. Nothing is begun at or after `stop_at`.
pub async fn run(
    deliverer: &Deliverer,
    mut announced: mpsc::UnboundedReceiver<Notification>,
    until: Time,
    stop_at: Time,
) -> Deliveries {
    let bound = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    let mut take_on = |notification| {
        let task = DeliveryTask {
            deliverer: deliverer.clone(),
            bound: Arc::clone(&bound),
            until,
            stop_at,
        };
        tasks.spawn(task.run(notification));
    };
    match deliverer.store.due_notifications(until).await {
        Ok(due) => due.into_iter().for_each(&mut take_on),
        Err(error) => tracing::warn!(%error, "could not see what is to be delivered"),
    }
    while let Some(notification) = announced.recv().await {
        take_on(notification);
    }
    let mut all = Deliveries::default();
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok(done) => all.add(done),
            // The claim of a task that panicked falls due again.
            Err(error) => tracing::error!(%error, "a delivery ended badly"),
        }
    }
    all
}

impl Deliveries {
    fn add(&mut self, more: Self) {
        self.delivered += more.delivered;
        self.attempts_failed += more.attempts_failed;
        self.given_up += more.given_up;
    }
}

/// All that one notification needs, so that it can be a task of its own.
struct DeliveryTask {
    deliverer: Deliverer,
    bound: Arc<Semaphore>,
    until: Time,
    stop_at: Time,
}

impl DeliveryTask {
    /// Tries until it is delivered, or the next attempt is a later run's.
    async fn run(self, mut notification: Notification) -> Deliveries {
        let mut done = Deliveries::default();
        // What an end has announced may have happened after the window, and is due all the same.
        let in_time = |at: &Time| *at <= self.until.max(Time::now());
        while let Some(at) = notification.next_attempt_at.filter(in_time) {
            if !slept_until(at, &self.deliverer.stopping).await {
                break;
            }
            let _place = place_in(&self.bound).await;
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
    /// One attempt, from the claim to its outcome on record.
    async fn attempt(&self, due: &Notification) -> Result<Notification, ChangeError> {
        let claimed = self.store.claim_delivery(due, Time::now()).await?;
        let lease = self.store.get(&claimed.owner, &claimed.lease).await?;
        let after = self.tell(&claimed, lease.as_ref()).await;
        self.store.settle_delivery(&after).await?;
        log(&after);
        Ok(after)
    }

    /// Sends what is claimed, if it still stands, and says what came of it.
    async fn tell(&self, claimed: &Notification, lease: Option<&Lease>) -> Notification {
        let told = lease.and_then(|lease| Some((lease, lease.webhook.as_ref()?)));
        let Some((lease, webhook)) = told else {
            return claimed.dropped();
        };
        if !claimed.stands(lease, Time::now()) {
            return claimed.dropped();
        }
        let body = claimed.body(&(self.show)(lease));
        match self.courier.carry(webhook, &claimed.id(), body).await {
            Ok(status) => claimed.delivered(status.as_u16()),
            Err(failure) => {
                let tried_for = TRIED_FOR.min(self.history);
                let failure = Failure::from(failure);
                claimed.failed(&failure, Time::now(), tried_for, crate::jitter())
            }
        }
    }
}

/// Says what came of an attempt. The URL stays out of the log: it may hold a secret.
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
        DeliveryState::Dropped => tracing::debug!(%lease, event, "had nothing to tell any more"),
    }
}
