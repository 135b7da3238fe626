//! The lease: its states, the table of its transitions, and the rules of its time.
//!
//! Everything here is pure. A lease lives while `now < expiresAt`; at `expiresAt` itself it
//! is over.

mod credentials;
mod ending;

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use crate::{
    catalogue::{ImageType, Port},
    egress::Egress,
    names::{ContainerName, Holder, LeaseId, Owner},
    time::Time,
    webhook::Webhook,
};

pub use credentials::{Credentials, Password};
pub use ending::{
    ATTEMPTS_BEFORE_QUARANTINE, CLAIM_BEAT, CLAIM_LIMIT, Ending, Facts, Gone, Reason, Receipt,
    backoff,
};

/// How long a provision may take. A lease that is still provisioning after this time was
/// abandoned (its process died), and the reaper ends it. It is longer than the 29 s that
/// API Gateway gives to a request, so that no living provision is ever ended.
pub const PROVISION_LIMIT: Duration = Duration::from_secs(35);

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
    /// Mebibytes of the host's disk, for what it writes and its volumes together; none of a
    /// lease that an earlier program has made, which may write what it likes.
    pub disk_mb: Option<u32>,
    /// Where its programs may connect to.
    pub egress: Egress,
    /// Whether its CPU, memory and disk are counted with its owner and on the host. They are
    /// not once it has ended, nor of a lease that an earlier program has made.
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
    /// The engine's own id of the container. Earlier programs have not noted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerName>,
    pub started_at: Time,
    /// The image that runs.
    pub image: String,
    /// Whether that image is a stand-in that was built where no registry could be reached.
    pub stand_in: bool,
    pub ports: Vec<PublishedPort>,
    /// How its service is signed in to, where that is known; none once the lease has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
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
    /// Its ports are published elsewhere.
    Moved,
    /// Somebody has set out to end it.
    Claimed,
    /// Who ends it has shown that it is alive, or what was found.
    Held,
    /// Who set out to end it is no more.
    Released,
    /// An attempt to end it has failed.
    AttemptFailed,
    /// The engine was away, so that there was no attempt.
    Postponed,
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
    (StateName::Running, Event::Moved, StateName::Running),
    (StateName::Running, Event::Claimed, StateName::Ending),
    (StateName::Ending, Event::Claimed, StateName::Ending),
    (StateName::Ending, Event::Held, StateName::Ending),
    (StateName::Ending, Event::Released, StateName::Ending),
    (StateName::Ending, Event::AttemptFailed, StateName::Ending),
    (StateName::Ending, Event::Postponed, StateName::Ending),
    (StateName::Ending, Event::GivenUp, StateName::Quarantined),
    (StateName::Ending, Event::Removed, StateName::Ended),
    (
        StateName::Quarantined,
        Event::Claimed,
        StateName::Quarantined,
    ),
    (StateName::Quarantined, Event::Held, StateName::Quarantined),
    (
        StateName::Quarantined,
        Event::Released,
        StateName::Quarantined,
    ),
    (
        StateName::Quarantined,
        Event::AttemptFailed,
        StateName::Quarantined,
    ),
    (
        StateName::Quarantined,
        Event::Postponed,
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

    /// What the engine knows its container by: the engine's own id where it is on record, or
    /// else the name that the container was given, which somebody may have changed.
    pub fn container(&self) -> ContainerName {
        let placed = self.placement.as_ref();
        let id = placed.and_then(|placement| placement.container.clone());
        id.unwrap_or_else(|| ContainerName::of_lease(&self.id))
    }

    /// The end that was decided, while it is under way.
    pub fn ending(&self) -> Option<&Ending> {
        match &self.state {
            State::Ending(ending) | State::Quarantined(ending) => Some(ending),
            State::Provisioning | State::Running | State::Ended(_) => None,
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

    /// The lease once its ports are published as `ports` says; none where it has no container.
    pub fn moved(&self, ports: Vec<PublishedPort>) -> Option<Self> {
        let placement = self.placement.clone()?;
        Some(Self {
            placement: Some(Placement { ports, ..placement }),
            ..self.next_version()
        })
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
                holder: None,
                facts: Facts::default(),
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

    /// The lease just claimed, where its end was set out on at `begun` already, when the table
    /// took no write.
    #[must_use]
    pub fn set_out_at(mut self, begun: Time) -> Self {
        if let State::Ending(ending) = &mut self.state
            && ending.attempts == 1
        {
            ending.requested_at = begun;
        }
        self
    }

    /// The lease once it is on record who has claimed its end.
    #[must_use]
    pub fn held_by(mut self, holder: &Holder) -> Self {
        if let State::Ending(ending) | State::Quarantined(ending) = &mut self.state {
            ending.holder = Some(holder.clone());
        }
        self
    }

    /// The lease once the holder of its claim has shown at `now` that it is alive, and what it
    /// has found, where that is something new; none unless it is ending.
    pub fn held(&self, facts: Option<&Facts>, now: Time) -> Option<Self> {
        self.with_ending(|ending| Ending {
            next_attempt_at: now.plus(CLAIM_LIMIT),
            facts: facts.unwrap_or(&ending.facts).clone(),
            ..ending.clone()
        })
    }

    /// The lease once it is known at `now` that nobody is at its end any more; none unless it
    /// is ending.
    pub fn released(&self, now: Time) -> Option<Self> {
        self.with_ending(|ending| Ending {
            next_attempt_at: now,
            holder: None,
            ..ending.clone()
        })
    }

    /// The lease once it is known at `now` that whoever has claimed its end did not get as far
    /// as its container, since the engine was away: it was no attempt. None unless it is ending.
    pub fn postponed(&self, now: Time) -> Option<Self> {
        self.with_ending(|ending| Ending {
            attempts: ending.attempts.saturating_sub(1),
            next_attempt_at: now,
            holder: None,
            ..ending.clone()
        })
    }

    fn with_ending(&self, change: impl FnOnce(&Ending) -> Ending) -> Option<Self> {
        let state = match &self.state {
            State::Ending(ending) => State::Ending(change(ending)),
            State::Quarantined(ending) => State::Quarantined(change(ending)),
            State::Provisioning | State::Running | State::Ended(_) => return None,
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
            holder: None,
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
        let overshoot_ms = (ending.reason == Reason::Expired && gone.seen_going)
            .then(|| gone.removed_at.millis_since(self.expires_at));
        let facts = gone.facts.clone();
        let placement = self.placement.clone().map(|placement| Placement {
            credentials: None,
            ..placement
        });
        Some(Self {
            amounts_counted: false,
            placement,
            state: State::Ended(Receipt {
                reason: ending.reason,
                requested_at: ending.requested_at,
                stopped_at: facts.stopped_at,
                removed_at: gone.removed_at,
                attempts: ending.attempts,
                overshoot_ms,
                exit_code: facts.exit_code,
                out_of_memory: facts.out_of_memory && ending.reason == Reason::Failed,
                last_lines: facts.last_lines,
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

#[cfg(test)]
mod tests {
    use super::*;

    const CREATED: Time = Time::from_millis(1_000_000);
    const MINUTE: Duration = Duration::from_secs(60);

    fn gone(removed_at: Time) -> Gone {
        Gone::at(removed_at)
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
            disk_mb: Some(1024),
            egress: Egress::Open,
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
            let postponed = lease.postponed(CREATED);
            let after = name.after(Event::Postponed);
            assert_eq!(postponed.map(|l| l.state_name()), after);
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
    fn a_claim_that_came_late_lasts_from_then_on_and_says_when_its_end_was_set_out_on() {
        let begun = CREATED.plus(Duration::from_secs(60));
        let now = begun.plus(5 * CLAIM_LIMIT);
        let late = running().claimed(Reason::Expired, now).unwrap();
        let late = late.set_out_at(begun);
        let ending = late.ending().unwrap();
        assert_eq!(ending.requested_at, begun);
        assert_eq!(ending.next_attempt_at, now.plus(CLAIM_LIMIT));
        let again = late.claimed(Reason::Expired, now).unwrap().set_out_at(now);
        assert_eq!(again.ending().unwrap().requested_at, begun);
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
    fn who_holds_a_claim_keeps_it_and_what_was_found() {
        let holder = Holder::generate();
        let claimed = running().claimed(Reason::Deleted, CREATED).unwrap();
        let claimed = claimed.held_by(&holder);
        let facts = Facts {
            exit_code: Some(3),
            ..Facts::default()
        };
        let later = CREATED.plus(CLAIM_BEAT);
        let held = claimed.held(Some(&facts), later).unwrap();
        assert_eq!(held.due_at(), Some(later.plus(CLAIM_LIMIT)));
        assert_eq!(held.version, claimed.version + 1);
        let again = held.held(None, later.plus(CLAIM_BEAT)).unwrap();
        assert_eq!(again.ending().unwrap().facts, facts);
        assert_eq!(again.ending().unwrap().holder, Some(holder));
        let failed = again.attempt_failed(later, 0.0).unwrap();
        assert_eq!(failed.ending().unwrap().holder, None);
        assert_eq!(failed.ending().unwrap().facts, facts);
        let released = again.released(later).unwrap();
        assert_eq!(released.due_at(), Some(later));
        assert_eq!(released.ending().unwrap().holder, None);
        assert_eq!(running().held(None, later), None);
        assert_eq!(running().released(later), None);
    }

    #[test]
    fn no_overshoot_is_made_up_where_nobody_saw_the_container_go() {
        let claimed = running().claimed(Reason::Expired, CREATED).unwrap();
        let gone = Gone {
            seen_going: false,
            ..Gone::at(CREATED.plus(5 * MINUTE))
        };
        let State::Ended(receipt) = claimed.ended(&gone).unwrap().state else {
            panic!("it has not ended")
        };
        assert_eq!(receipt.overshoot_ms, None);
        assert_eq!(receipt.removed_at, gone.removed_at);
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
    fn an_end_that_was_postponed_is_due_at_once_and_counts_for_nothing() {
        let mut lease = running();
        for _ in 0..2 * ATTEMPTS_BEFORE_QUARANTINE {
            let claimed = lease.claimed(Reason::Expired, CREATED).unwrap();
            lease = claimed.postponed(CREATED).unwrap();
            assert_eq!(lease.state_name(), StateName::Ending);
            assert_eq!(lease.due_at(), Some(CREATED));
        }
        let ending = lease.ending().unwrap();
        assert_eq!((ending.attempts, &ending.holder), (0, &None));
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
