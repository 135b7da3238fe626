//! The lease: its states, the table of its transitions, and the rules of its time.
//!
//! Everything here is pure. A lease lives while `now < expiresAt`; at `expiresAt` itself it
//! is over.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use crate::{
    catalogue::{ImageType, Port},
    names::{LeaseId, Owner},
    time::Time,
    webhook::Webhook,
};

/// How long a provision may take. A lease that is still provisioning after this time was
/// abandoned (its process died), and the reaper ends it. It is longer than the 29 s that
/// API Gateway gives to a request, so that no living provision is ever ended.
pub const PROVISION_LIMIT: Duration = Duration::from_secs(35);

/// After this time somebody else may take over an end that was claimed but not finished.
/// It is longer than all time limits of an end's engine calls together.
pub const CLAIM_LIMIT: Duration = Duration::from_secs(120);

/// After so many failed attempts to end a lease it is quarantined.
pub const ATTEMPTS_BEFORE_QUARANTINE: u32 = 6;

/// A container, leased for a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Lease {
    pub id: LeaseId,
    pub owner: Owner,
    /// Grows by one with each write, so that a write can be refused when somebody else has
    /// written since.
    pub version: u64,
    pub image_type: ImageType,
    /// What the owner calls it.
    pub name: Option<String>,
    /// What the owner has noted of it; the engine knows nothing of these.
    pub labels: BTreeMap<String, String>,
    pub created_at: Time,
    pub expires_at: Time,
    /// The time that no renewal can pass: `created_at` plus the greatest lifetime.
    pub hard_deadline: Time,
    /// Thousandths of a CPU.
    pub cpu_milli: u32,
    /// Mebibytes.
    pub memory_mb: u32,
    /// Whether its CPU and memory are counted with its owner and on the host. They are not
    /// once it has ended, nor of a lease that an earlier program has made.
    pub amounts_counted: bool,
    /// Where its owner is told of it, if he wants to be.
    pub webhook: Option<Webhook>,
    /// What the engine made of it; there once the container has run.
    pub placement: Option<Placement>,
    pub state: State,
}

/// What the engine made of a lease.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    pub started_at: Time,
    /// The image that runs.
    pub image: String,
    /// Whether that image is a stand-in that was built where no registry could be reached.
    pub stand_in: bool,
    pub ports: Vec<PublishedPort>,
}

/// A container's port and where it can be reached from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishedPort {
    #[serde(flatten)]
    pub port: Port,
    pub host: String,
    pub host_port: u16,
}

/// Where a lease is in its life. Each state owns the fields that only it has.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// The record is there, the container may or may not be.
    Provisioning,
    /// The container runs.
    Running,
    /// The end is decided; somebody is at it, or will try again.
    Ending(Ending),
    /// The container could not be removed in many attempts. It is tried again for ever.
    Quarantined(Ending),
    /// The container is gone.
    Ended(Receipt),
}

/// An end that has been decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    pub reason: Reason,
    pub requested_at: Time,
    /// How often somebody has set out to end it.
    pub attempts: u32,
    /// From when on the next one may try.
    pub next_attempt_at: Time,
    /// When the container was seen stopped, once it was.
    pub stopped_at: Option<Time>,
    /// What its program answered at its end, once known.
    pub exit_code: Option<i64>,
}

/// Why a lease ended, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    pub reason: Reason,
    pub requested_at: Time,
    /// When the container was seen stopped; none where none was there to stop.
    #[schema(required)]
    pub stopped_at: Option<Time>,
    /// When the container was seen to be gone.
    pub removed_at: Time,
    pub attempts: u32,
    /// Milliseconds from `expiresAt` to `removedAt`; only where the lease expired.
    #[schema(required)]
    pub overshoot_ms: Option<i64>,
    #[schema(required)]
    pub exit_code: Option<i64>,
    /// The end of its log, where its program ended by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last_lines: Vec<String>,
}

/// How a container was found to be gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// When it was seen stopped; none where none was there to stop.
    pub stopped_at: Option<Time>,
    /// What its program answered at its end, once known.
    pub exit_code: Option<i64>,
    /// The end of its log, where it was asked for.
    pub last_lines: Vec<String>,
    /// When it was seen to be gone.
    pub removed_at: Time,
}

/// Why a lease ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// Its time was over.
    Expired,
    /// Its owner asked for it.
    Deleted,
    /// It could not be started, or its program ended by itself.
    Failed,
    /// Its container vanished by somebody else's hand.
    Lost,
    /// A container was there without a lease.
    Orphaned,
    /// The host needed the place.
    Evicted,
}

/// A state without its fields, as the table and the API name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = State)]
pub enum StateName {
    Provisioning,
    Running,
    Ending,
    Quarantined,
    Ended,
}

/// What can happen to a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Its container runs.
    Started,
    /// Its end was moved to a later time.
    Renewed,
    /// Somebody has set out to end it.
    Claimed,
    /// An attempt to end it has failed.
    AttemptFailed,
    /// Too many attempts have failed.
    GivenUp,
    /// Its container is gone.
    Removed,
}

/// Every transition that there is; what is not in this table does not happen. The store
/// builds its conditions from it, and the tests walk it.
pub const TRANSITIONS: &[(StateName, Event, StateName)] = &[
    (StateName::Provisioning, Event::Started, StateName::Running),
    (StateName::Provisioning, Event::Claimed, StateName::Ending),
    (StateName::Running, Event::Renewed, StateName::Running),
    (StateName::Running, Event::Claimed, StateName::Ending),
    (StateName::Ending, Event::Claimed, StateName::Ending),
    (StateName::Ending, Event::AttemptFailed, StateName::Ending),
    (StateName::Ending, Event::GivenUp, StateName::Quarantined),
    (StateName::Ending, Event::Removed, StateName::Ended),
    (
        StateName::Quarantined,
        Event::Claimed,
        StateName::Quarantined,
    ),
    (
        StateName::Quarantined,
        Event::AttemptFailed,
        StateName::Quarantined,
    ),
    (StateName::Quarantined, Event::Removed, StateName::Ended),
];

impl Event {
    /// The states in which this can happen.
    pub fn possible_in(self) -> impl Iterator<Item = StateName> {
        TRANSITIONS
            .iter()
            .filter(move |(_, event, _)| *event == self)
            .map(|(from, _, _)| *from)
    }
}

impl StateName {
    /// All states.
    pub const ALL: [Self; 5] = [
        Self::Provisioning,
        Self::Running,
        Self::Ending,
        Self::Quarantined,
        Self::Ended,
    ];

    /// The name in the table and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "provisioning",
            Self::Running => "running",
            Self::Ending => "ending",
            Self::Quarantined => "quarantined",
            Self::Ended => "ended",
        }
    }

    /// The state that `event` leads to from here, if it can happen here.
    pub fn after(self, event: Event) -> Option<Self> {
        TRANSITIONS
            .iter()
            .find(|(from, possible, _)| *from == self && *possible == event)
            .map(|(_, _, to)| *to)
    }
}

/// Why a renewal is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RenewRefused {
    #[error("the lease is over")]
    Over,
    #[error("the lease is still being provisioned")]
    NotYetRunning,
}

impl Lease {
    /// The lease's state without its fields.
    pub fn state_name(&self) -> StateName {
        match self.state {
            State::Provisioning => StateName::Provisioning,
            State::Running => StateName::Running,
            State::Ending(_) => StateName::Ending,
            State::Quarantined(_) => StateName::Quarantined,
            State::Ended(_) => StateName::Ended,
        }
    }

    /// Whether the lease's time is over at `now`. At `expires_at` itself it is.
    pub fn is_expired(&self, now: Time) -> bool {
        now >= self.expires_at
    }

    /// The time at which the reaper has something to do with this lease if nothing else
    /// happens; none once it has ended.
    pub fn due_at(&self) -> Option<Time> {
        match &self.state {
            State::Provisioning => Some(self.created_at.plus(PROVISION_LIMIT).min(self.expires_at)),
            State::Running => Some(self.expires_at),
            State::Ending(ending) | State::Quarantined(ending) => Some(ending.next_attempt_at),
            State::Ended(_) => None,
        }
    }

    /// Why the lease ends when it falls due; none once it has ended.
    pub fn reason_when_due(&self) -> Option<Reason> {
        match &self.state {
            State::Provisioning => Some(Reason::Failed),
            State::Running => Some(Reason::Expired),
            State::Ending(ending) | State::Quarantined(ending) => Some(ending.reason),
            State::Ended(_) => None,
        }
    }

    /// The end that a renewal by `duration` at `now` grants:
    /// `min(now + duration, hard_deadline)`, and never less than the end it has.
    pub fn renewed_until(&self, duration: Duration, now: Time) -> Result<Time, RenewRefused> {
        match self.state {
            State::Provisioning => Err(RenewRefused::NotYetRunning),
            State::Running if !self.is_expired(now) => Ok(now
                .plus(duration)
                .min(self.hard_deadline)
                .max(self.expires_at)),
            _ => Err(RenewRefused::Over),
        }
    }

    /// The lease once its container runs.
    pub fn started(&self, placement: Placement) -> Self {
        Self {
            placement: Some(placement),
            state: State::Running,
            ..self.next_version()
        }
    }

    /// The lease once its end was moved to `expires_at`.
    pub fn renewed(&self, expires_at: Time) -> Self {
        Self {
            expires_at,
            ..self.next_version()
        }
    }

    /// The lease once somebody has set out at `now` to end it; none once it has ended.
    ///
    /// The first reason stays: a lease that expired and is then deleted has expired.
    pub fn claimed(&self, reason: Reason, now: Time) -> Option<Self> {
        let attempt = |ending: &Ending| Ending {
            attempts: ending.attempts + 1,
            next_attempt_at: now.plus(CLAIM_LIMIT),
            ..ending.clone()
        };
        let state = match &self.state {
            State::Provisioning | State::Running => State::Ending(Ending {
                reason,
                requested_at: now,
                attempts: 1,
                next_attempt_at: now.plus(CLAIM_LIMIT),
                stopped_at: None,
                exit_code: None,
            }),
            State::Ending(ending) => State::Ending(attempt(ending)),
            State::Quarantined(ending) => State::Quarantined(attempt(ending)),
            State::Ended(_) => return None,
        };
        Some(Self {
            state,
            ..self.next_version()
        })
    }

    /// The lease once an attempt to end it has failed at `now`; none unless it is ending.
    /// `jitter` is from 0 to 1.
    pub fn attempt_failed(&self, now: Time, jitter: f64) -> Option<Self> {
        let (State::Ending(ending) | State::Quarantined(ending)) = &self.state else {
            return None;
        };
        let ending = Ending {
            next_attempt_at: now.plus(backoff(ending.attempts, jitter)),
            ..ending.clone()
        };
        let given_up = self.state_name() == StateName::Quarantined
            || ending.attempts >= ATTEMPTS_BEFORE_QUARANTINE;
        Some(Self {
            state: if given_up {
                State::Quarantined(ending)
            } else {
                State::Ending(ending)
            },
            ..self.next_version()
        })
    }

    /// The lease once its container was seen to be gone; none unless it is ending.
    pub fn ended(&self, gone: &Gone) -> Option<Self> {
        let (State::Ending(ending) | State::Quarantined(ending)) = &self.state else {
            return None;
        };
        let overshoot_ms = (ending.reason == Reason::Expired)
            .then(|| gone.removed_at.millis_since(self.expires_at));
        Some(Self {
            amounts_counted: false,
            state: State::Ended(Receipt {
                reason: ending.reason,
                requested_at: ending.requested_at,
                stopped_at: gone.stopped_at.or(ending.stopped_at),
                removed_at: gone.removed_at,
                attempts: ending.attempts,
                overshoot_ms,
                exit_code: gone.exit_code.or(ending.exit_code),
                last_lines: gone.last_lines.clone(),
            }),
            ..self.next_version()
        })
    }

    fn next_version(&self) -> Self {
        Self {
            version: self.version + 1,
            ..self.clone()
        }
    }
}

/// How long to wait after `attempts` failed attempts: 5 s, 10 s, 20 s and so on up to five
/// minutes, of which between half and all, as `jitter` (0 to 1) says, so that many failures
/// at once do not come back at once.
pub fn backoff(attempts: u32, jitter: f64) -> Duration {
    const FIRST: Duration = Duration::from_secs(5);
    const LONGEST: Duration = Duration::from_secs(300);
    let doublings = attempts.saturating_sub(1).min(16);
    let full = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    full.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATED: Time = Time::from_millis(1_000_000);
    const MINUTE: Duration = Duration::from_secs(60);

    fn gone(removed_at: Time) -> Gone {
        Gone {
            stopped_at: None,
            exit_code: None,
            last_lines: Vec::new(),
            removed_at,
        }
    }

    fn running() -> Lease {
        Lease {
            id: LeaseId::generate(),
            owner: Owner::local(),
            version: 1,
            image_type: ImageType::for_tests("redis"),
            name: None,
            labels: BTreeMap::new(),
            created_at: CREATED,
            expires_at: CREATED.plus(MINUTE),
            hard_deadline: CREATED.plus(10 * MINUTE),
            cpu_milli: 500,
            memory_mb: 256,
            amounts_counted: true,
            webhook: None,
            placement: None,
            state: State::Running,
        }
    }

    fn in_state(name: StateName) -> Lease {
        let running = running();
        let ending = running.claimed(Reason::Deleted, CREATED).unwrap();
        match name {
            StateName::Provisioning => Lease {
                state: State::Provisioning,
                ..running
            },
            StateName::Running => running,
            StateName::Ending => ending,
            StateName::Quarantined => {
                let State::Ending(fields) = ending.state.clone() else {
                    unreachable!("a claimed lease is ending")
                };
                Lease {
                    state: State::Quarantined(fields),
                    ..ending
                }
            }
            StateName::Ended => ending.ended(&gone(CREATED)).unwrap(),
        }
    }

    #[test]
    fn a_lease_lives_until_its_end_and_not_at_it() {
        let lease = running();
        assert!(!lease.is_expired(Time::from_millis(lease.expires_at.as_millis() - 1)));
        assert!(lease.is_expired(lease.expires_at));
    }

    #[test]
    fn renewing_counts_from_now_keeps_under_the_deadline_and_never_shortens() {
        let lease = running();
        let now = CREATED.plus(30 * Duration::from_secs(1));
        assert_eq!(
            lease.renewed_until(2 * MINUTE, now),
            Ok(now.plus(2 * MINUTE))
        );
        assert_eq!(
            lease.renewed_until(60 * MINUTE, now),
            Ok(lease.hard_deadline)
        );
        assert_eq!(
            lease.renewed_until(Duration::from_secs(1), now),
            Ok(lease.expires_at)
        );
    }

    #[test]
    fn renewing_is_refused_at_the_end_and_in_every_other_state() {
        let lease = running();
        assert_eq!(
            lease.renewed_until(MINUTE, lease.expires_at),
            Err(RenewRefused::Over)
        );
        assert_eq!(
            in_state(StateName::Provisioning).renewed_until(MINUTE, CREATED),
            Err(RenewRefused::NotYetRunning)
        );
        for over in [StateName::Ending, StateName::Quarantined, StateName::Ended] {
            assert_eq!(
                in_state(over).renewed_until(MINUTE, CREATED),
                Err(RenewRefused::Over)
            );
        }
    }

    #[test]
    fn the_methods_do_what_the_table_says_in_every_state() {
        for name in StateName::ALL {
            let lease = in_state(name);
            assert_eq!(lease.state_name(), name);
            let claimed = lease.claimed(Reason::Deleted, CREATED);
            assert_eq!(claimed.map(|l| l.state_name()), name.after(Event::Claimed));
            let ended = lease.ended(&gone(CREATED));
            assert_eq!(ended.map(|l| l.state_name()), name.after(Event::Removed));
            let failed = lease.attempt_failed(CREATED, 0.0);
            assert_eq!(
                failed.map(|l| l.state_name()),
                name.after(Event::AttemptFailed)
            );
        }
    }

    #[test]
    fn every_state_but_the_last_is_moved_on_by_the_reaper() {
        for name in StateName::ALL {
            let moves_on = name != StateName::Ended;
            let lease = in_state(name);
            assert_eq!(lease.due_at().is_some(), moves_on, "{name:?}");
            assert_eq!(lease.reason_when_due().is_some(), moves_on, "{name:?}");
            assert_eq!(name.after(Event::Claimed).is_some(), moves_on, "{name:?}");
        }
    }

    #[test]
    fn the_first_reason_and_time_of_an_end_stay() {
        let later = CREATED.plus(MINUTE);
        let lease = running().claimed(Reason::Expired, CREATED).unwrap();
        let again = lease.claimed(Reason::Deleted, later).unwrap();
        let State::Ending(ending) = &again.state else {
            panic!("{:?}", again.state)
        };
        assert_eq!(ending.reason, Reason::Expired);
        assert_eq!(ending.requested_at, CREATED);
        assert_eq!(ending.attempts, 2);
        assert_eq!(ending.next_attempt_at, later.plus(CLAIM_LIMIT));
    }

    #[test]
    fn a_lease_is_quarantined_after_its_last_attempt_and_stays_so() {
        let mut lease = running().claimed(Reason::Expired, CREATED).unwrap();
        for attempt in 1..ATTEMPTS_BEFORE_QUARANTINE {
            lease = lease.attempt_failed(CREATED, 0.5).unwrap();
            assert_eq!(lease.state_name(), StateName::Ending, "attempt {attempt}");
            lease = lease.claimed(Reason::Expired, CREATED).unwrap();
        }
        lease = lease.attempt_failed(CREATED, 0.5).unwrap();
        assert_eq!(lease.state_name(), StateName::Quarantined);
        lease = lease.claimed(Reason::Expired, CREATED).unwrap();
        assert_eq!(lease.state_name(), StateName::Quarantined);
        let ended = lease.ended(&gone(CREATED)).unwrap();
        assert_eq!(ended.state_name(), StateName::Ended);
    }

    #[test]
    fn only_an_expired_lease_has_an_overshoot() {
        let lease = running();
        let late = lease.expires_at.plus(Duration::from_millis(340));
        let receipt = |reason| {
            let claimed = lease.claimed(reason, lease.expires_at).unwrap();
            match claimed.ended(&gone(late)).unwrap().state {
                State::Ended(receipt) => receipt,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(receipt(Reason::Expired).overshoot_ms, Some(340));
        assert_eq!(receipt(Reason::Deleted).overshoot_ms, None);
    }

    #[test]
    fn backoff_doubles_up_to_its_bound_and_jitter_takes_at_most_half() {
        assert_eq!(backoff(1, 1.0), Duration::from_secs(5));
        assert_eq!(backoff(2, 1.0), Duration::from_secs(10));
        assert_eq!(backoff(3, 0.0), Duration::from_secs(10));
        assert_eq!(backoff(40, 1.0), Duration::from_secs(300));
        assert_eq!(backoff(0, 1.0), Duration::from_secs(5));
    }

    #[test]
    fn a_provision_that_was_abandoned_falls_due_before_its_lease_would_end() {
        let lease = in_state(StateName::Provisioning);
        assert_eq!(lease.due_at(), Some(CREATED.plus(PROVISION_LIMIT)));
        assert_eq!(lease.reason_when_due(), Some(Reason::Failed));
    }
}
