//! Notifications: what an owner is told of a lease, and how far that has come. Pure.
//!
//! Delivery is at least once: a [`Notification`] is written together with the change of the lease
//! that it reports, and is tried again until it is delivered or given up. Its
//! [id](Notification::id) follows from its content, so that a receiver recognises a duplicate.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    lease::{Lease, State},
    names::{LeaseId, Owner},
    time::Time,
    webhook::Webhook,
};

/// The number of attempts before a notification is given up.
pub const ATTEMPTS: u32 = 10;

/// How long after its event we still try to deliver a notification.
pub const TRIED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a claim on a delivery lasts. After this time another process may take over a
/// delivery without an outcome. It is longer than any delivery and its writes.
pub const DELIVERY_CLAIM_LIMIT: Duration = Duration::from_secs(45);

/// The event that a notification reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum Event {
    /// The lease will end soon.
    #[serde(rename = "lease.expiring")]
    Expiring,
    /// The lease has ended.
    #[serde(rename = "lease.ended")]
    Ended,
}

/// A notification to the owner of a lease, and the state of its delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    pub lease: LeaseId,
    pub owner: Owner,
    /// The host and port of its receiver; none if an earlier version wrote the record.
    pub receiver: Option<String>,
    pub event: Event,
    /// The time of the event: the warning's time, or when the container was gone.
    pub at: Time,
    pub state: DeliveryState,
    /// Number of delivery attempts.
    pub attempts: u32,
    /// The earliest time of the next attempt; none once there will be none.
    pub next_attempt_at: Option<Time>,
    /// The receiver's last response status, if any.
    pub last_status: Option<u16>,
    /// Why the last attempt failed, as a text for the owner.
    pub last_error: Option<String>,
}

/// The state of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// It is due, now or later.
    Pending,
    /// The receiver accepted it.
    Delivered,
    /// We gave up after the last attempt.
    Failed,
    /// It became obsolete: a warning whose lease has ended, or ends at another time now.
    Dropped,
}

impl Event {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expiring => "lease.expiring",
            Self::Ended => "lease.ended",
        }
    }
}

impl Notification {
    /// The warning before the end of a running lease; none if its owner wants none.
    pub fn warning(lease: &Lease) -> Option<Self> {
        let at = lease.webhook.as_ref()?.warns_at(lease.expires_at)?;
        Some(Self::pending(lease, Event::Expiring, at))
    }

    /// The notification of a lease's end, when its container was gone at `removed_at`. None if
    /// there is no webhook, or if the lease never ran: then the caller already has the error.
    pub fn ended(lease: &Lease, removed_at: Time) -> Option<Self> {
        lease.webhook.as_ref()?;
        lease.placement.as_ref()?;
        Some(Self::pending(lease, Event::Ended, removed_at))
    }

    fn pending(lease: &Lease, event: Event, at: Time) -> Self {
        Self {
            lease: lease.id,
            owner: lease.owner.clone(),
            receiver: lease.webhook.as_ref().and_then(|to| to.url.authority()),
            event,
            at,
            state: DeliveryState::Pending,
            attempts: 0,
            next_attempt_at: Some(at),
            last_status: None,
            last_error: None,
        }
    }

    /// The id of the notification for its receiver: the same in each attempt, but a new one for
    /// each end that a warning announces.
    pub fn id(&self) -> String {
        match self.event {
            Event::Expiring => format!("msg_{}_expiring_{}", self.lease, self.at.as_millis()),
            Event::Ended => format!("msg_{}_ended", self.lease),
        }
    }

    /// The message. `lease` is the lease as its owner may see it.
    pub fn body(&self, lease: &Value) -> String {
        json!({"type": self.event, "timestamp": self.at, "data": lease}).to_string()
    }

    /// Whether the notification still applies to the lease at `now`. A warning applies only to the
    /// lease's present end, and only until then.
    pub fn stands(&self, lease: &Lease, now: Time) -> bool {
        match self.event {
            Event::Expiring => {
                let warns_at = |webhook: &Webhook| webhook.warns_at(lease.expires_at);
                lease.state == State::Running
                    && !lease.is_expired(now)
                    && lease.webhook.as_ref().and_then(warns_at) == Some(self.at)
            }
            Event::Ended => true,
        }
    }

    /// The notification after a process claimed its delivery at `now`.
    pub fn claimed(&self, now: Time) -> Self {
        Self {
            attempts: self.attempts + 1,
            next_attempt_at: Some(now.plus(DELIVERY_CLAIM_LIMIT)),
            ..self.clone()
        }
    }

    /// The notification after the receiver accepted it with this status.
    pub fn delivered(&self, status: u16) -> Self {
        Self {
            last_status: Some(status),
            last_error: None,
            ..self.settled(DeliveryState::Delivered)
        }
    }

    /// The notification after an attempt failed at `now`. It is given up after [`ATTEMPTS`]
    /// attempts, `tried_for` after its event, or if the failure says that this attempt was the
    /// `last`. `jitter` is from 0 to 1.
    pub fn failed(&self, failure: &Failure, now: Time, tried_for: Duration, jitter: f64) -> Self {
        let next = now.plus(backoff(self.attempts, jitter));
        let over = failure.last || self.attempts >= ATTEMPTS || next >= self.at.plus(tried_for);
        let failed = Self {
            last_status: failure.status,
            last_error: Some(failure.why.clone()),
            ..self.clone()
        };
        if over {
            failed.settled(DeliveryState::Failed)
        } else {
            Self {
                next_attempt_at: Some(next),
                ..failed
            }
        }
    }

    /// The notification once it no longer applies.
    pub fn dropped(&self) -> Self {
        self.settled(DeliveryState::Dropped)
    }

    fn settled(&self, state: DeliveryState) -> Self {
        Self {
            state,
            next_attempt_at: None,
            ..self.clone()
        }
    }
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The receiver's response status, if any.
    pub status: Option<u16>,
    /// A text for the owner.
    pub why: String,
    /// Whether another attempt would be useless.
    pub last: bool,
}

/// The backoff after `attempts` failed attempts: 5 s, 20 s, 80 s and so on up to six hours.
/// `jitter` (0 to 1) picks between half and all of it. Ten attempts take ten to twenty hours.
fn backoff(attempts: u32, jitter: f64) -> Duration {
    const FIRST: Duration = Duration::from_secs(5);
    const LONGEST: Duration = Duration::from_secs(6 * 60 * 60);
    let steps = attempts.saturating_sub(1).min(10);
    let full = FIRST.saturating_mul(4_u32.pow(steps)).min(LONGEST);
    full.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        lease::Reason,
        webhook::{NotifyUrl, Secret},
    };

    const NOW: Time = Time::from_millis(1_800_000_000_000);
    const MINUTE: Duration = Duration::from_secs(60);

    fn lease() -> Lease {
        let webhook = Webhook {
            url: NotifyUrl::parse("https://example.org/t0ken", false).unwrap(),
            secret: Secret::generate(),
            warn_seconds: Some(120),
        };
        Lease {
            webhook: Some(webhook),
            ..Lease::sample("redis", NOW)
        }
    }

    fn refused(status: u16) -> Failure {
        Failure {
            status: Some(status),
            why: format!("it answered {status}"),
            last: false,
        }
    }

    #[test]
    fn a_warning_is_for_one_end_and_until_then() {
        let lease = lease();
        let warning = Notification::warning(&lease).unwrap();
        assert_eq!(warning.at, NOW.plus(8 * MINUTE));
        assert_eq!(warning.next_attempt_at, Some(warning.at));
        let just_before = lease.expires_at.minus(Duration::from_millis(1));
        assert!(warning.stands(&lease, just_before));
        assert!(!warning.stands(&lease, lease.expires_at));

        let renewed = lease.renewed(NOW.plus(20 * MINUTE));
        assert!(!warning.stands(&renewed, just_before));
        let moved = Notification::warning(&renewed).unwrap();
        assert!(moved.stands(&renewed, just_before));
        assert_ne!(moved.id(), warning.id());

        let ending = lease.claimed(Reason::Deleted, NOW).unwrap();
        assert!(!warning.stands(&ending, just_before));

        let mut silent = lease;
        silent.webhook.as_mut().unwrap().warn_seconds = None;
        assert_eq!(Notification::warning(&silent), None);
    }

    #[test]
    fn of_a_lease_that_never_ran_nothing_is_told() {
        let mut lease = lease();
        assert_eq!(Notification::ended(&lease, NOW), None);
        lease.placement = Some(crate::lease::Placement {
            container: None,
            started_at: NOW,
            image: "redis:7".to_owned(),
            stand_in: false,
            ports: vec![],
            credentials: None,
        });
        let ended = Notification::ended(&lease, NOW).unwrap();
        assert_eq!(ended.id(), format!("msg_{}_ended", lease.id));
        assert!(!ended.id().contains('.'), "a dot separates what is signed");
    }

    #[test]
    fn a_notification_is_tried_again_later_each_time_and_given_up_in_a_day() {
        for jitter in [0.0, 1.0] {
            let mut now = NOW;
            let mut notification = Notification::warning(&lease()).unwrap();
            notification.at = NOW;
            let mut waits = vec![];
            while notification.state == DeliveryState::Pending {
                let claimed = notification.claimed(now);
                assert_eq!(
                    claimed.next_attempt_at,
                    Some(now.plus(DELIVERY_CLAIM_LIMIT))
                );
                notification = claimed.failed(&refused(500), now, TRIED_FOR, jitter);
                if let Some(next) = notification.next_attempt_at {
                    waits.push(now.until(next));
                    now = next;
                }
            }
            assert_eq!(notification.state, DeliveryState::Failed);
            assert_eq!(notification.attempts, ATTEMPTS);
            assert_eq!(notification.last_status, Some(500));
            assert!(waits.is_sorted(), "{waits:?}");
            assert!(now < NOW.plus(TRIED_FOR), "{waits:?}");
        }
    }

    #[test]
    fn a_notification_is_given_up_when_its_time_is_over_or_nobody_wants_it() {
        let notification = Notification::warning(&lease()).unwrap().claimed(NOW);
        let given_up = |failure: &Failure, now, tried_for| {
            let after = notification.failed(failure, now, tried_for, 1.0);
            after.state == DeliveryState::Failed && after.next_attempt_at.is_none()
        };
        let hour = 60 * MINUTE;
        assert!(!given_up(&refused(500), notification.at, hour));
        assert!(given_up(&refused(500), notification.at.plus(hour), hour));
        let gone = Failure {
            last: true,
            ..refused(410)
        };
        assert!(given_up(&gone, notification.at, hour));
    }
}
