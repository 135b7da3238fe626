//! The lease: its states, its transition table and its deadline rules.
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

/// The time limit of a provision. A lease that is still provisioning after this time was
/// abandoned (its process died), and the reaper ends it. The limit is longer than the 29 s that
/// API Gateway gives a request, so the reaper never ends a provision that is still at work.
pub const PROVISION_LIMIT: Duration = Duration::from_secs(35);

/// A container, leased for a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Lease {
    pub id: LeaseId,
    pub owner: Owner,
    /// Each write adds one, so the store can refuse a write that is based on an older version.
    pub version: u64,
    pub image_type: ImageType,
    /// The owner's name for the lease.
    pub name: Option<String>,
    /// The owner's notes. The engine does not know them.
    pub labels: BTreeMap<String, String>,
    pub created_at: Time,
    pub expires_at: Time,
    /// The time that no renewal can pass: `created_at` plus the greatest lifetime.
    pub hard_deadline: Time,
    /// Thousandths of a CPU.
    pub cpu_milli: u32,
    /// Mebibytes.
    pub memory_mb: u32,
    /// Mebibytes of the host's disk, for the container's writes and its volumes together. None: an
    /// earlier version made the lease, and its disk is not limited.
    pub disk_mb: Option<u32>,
    /// The addresses that its programs may connect to.
    pub egress: Egress,
    /// Whether its CPU, memory and disk count towards the limits of its owner and the host. They
    /// do not once it has ended, nor when an earlier version made the lease.
    pub amounts_counted: bool,
    /// The owner's webhook, optional.
    pub webhook: Option<Webhook>,
    /// The container on the engine; set once it has started.
    pub placement: Option<Placement>,
    pub state: State,
}

/// The container of a lease, as the engine runs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// The engine's own id of the container. Earlier versions did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerName>,
    pub started_at: Time,
    /// The image that the container runs.
    pub image: String,
    /// Whether that image is a stand-in, built on a machine that could not reach a registry.
    pub stand_in: bool,
    pub ports: Vec<PublishedPort>,
    /// The login of its service, where known; none once the lease has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
}

/// A port of the container, and the address that reaches it from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishedPort {
    #[serde(flatten)]
    pub port: Port,
    pub host: String,
    pub host_port: u16,
}

/// The state of a lease. Each state owns its fields.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// The record exists; the container may not exist yet.
    Provisioning,
    /// The container runs.
    Running,
    /// The end is decided: a process is ending the lease, or will try again.
    Ending(Ending),
    /// Many attempts to remove the container failed. The reaper keeps trying.
    Quarantined(Ending),
    /// The container is gone.
    Ended(Receipt),
}

/// The name of a state, in the table and in the API.
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

/// An event in the life of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Its container has started.
    Started,
    /// A renewal moved its end to a later time.
    Renewed,
    /// The engine published its ports elsewhere.
    Moved,
    /// A process claimed its end.
    Claimed,
    /// The claim's holder sent a heartbeat, or recorded facts about the container.
    Held,
    /// The claim's holder is gone.
    Released,
    /// An attempt to end it failed.
    AttemptFailed,
    /// The engine was away, so no attempt was made.
    Postponed,
    /// Too many attempts failed.
    GivenUp,
    /// Its container is gone.
    Removed,
}

/// Every allowed transition. The store builds its conditions from this table, and the tests walk
/// it.
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
    /// The states in which this event can happen.
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

    /// The state after `event`; none if the event cannot happen in this state.
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

    /// When the reaper must next act on this lease, unless something else happens first; none once
    /// the lease has ended.
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

    /// The engine's own id of the container where it is on record. Otherwise the name that we gave
    /// the container, which somebody may have changed.
    pub fn container(&self) -> ContainerName {
        let placed = self.placement.as_ref();
        let id = placed.and_then(|placement| placement.container.clone());
        id.unwrap_or_else(|| ContainerName::of_lease(&self.id))
    }

    /// The end in progress, if any.
    pub fn ending(&self) -> Option<&Ending> {
        match &self.state {
            State::Ending(ending) | State::Quarantined(ending) => Some(ending),
            State::Provisioning | State::Running | State::Ended(_) => None,
        }
    }

    /// The new end after a renewal by `duration` at `now`:
    /// `min(now + duration, hard_deadline)`, and never earlier than the present end.
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

    /// The lease after its container started.
    pub fn started(&self, placement: Placement) -> Self {
        Self {
            placement: Some(placement),
            state: State::Running,
            ..self.next_version()
        }
    }

    /// The lease with its ports published as `ports`; none if it has no container.
    pub fn moved(&self, ports: Vec<PublishedPort>) -> Option<Self> {
        let placement = self.placement.clone()?;
        Some(Self {
            placement: Some(Placement { ports, ..placement }),
            ..self.next_version()
        })
    }

    /// The lease with its end moved to `expires_at`.
    pub fn renewed(&self, expires_at: Time) -> Self {
        Self {
            expires_at,
            ..self.next_version()
        }
    }

    /// The lease after a process claimed its end at `now`; none once it has ended.
    ///
    /// The first reason stays: a lease that expired and is then deleted counts as expired.
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

    /// The claimed lease with its end requested at `begun`: the work began earlier, while the table
    /// accepted no write.
    #[must_use]
    pub fn set_out_at(mut self, begun: Time) -> Self {
        if let State::Ending(ending) = &mut self.state
            && ending.attempts == 1
        {
            ending.requested_at = begun;
        }
        self
    }

    /// The claimed lease with `holder` as the holder of the claim.
    #[must_use]
    pub fn held_by(mut self, holder: &Holder) -> Self {
        if let State::Ending(ending) | State::Quarantined(ending) = &mut self.state {
            ending.holder = Some(holder.clone());
        }
        self
    }

    /// The lease after a heartbeat of the claim's holder at `now`, with new facts if there are any;
    /// none unless the lease is ending.
    pub fn held(&self, facts: Option<&Facts>, now: Time) -> Option<Self> {
        self.with_ending(|ending| Ending {
            next_attempt_at: now.plus(CLAIM_LIMIT),
            facts: facts.unwrap_or(&ending.facts).clone(),
            ..ending.clone()
        })
    }

    /// The lease after it became known at `now` that the claim's holder is gone; none unless the
    /// lease is ending.
    pub fn released(&self, now: Time) -> Option<Self> {
        self.with_ending(|ending| Ending {
            next_attempt_at: now,
            holder: None,
            ..ending.clone()
        })
    }

    /// The lease after it became known at `now` that the claim's holder never reached the
    /// container, because the engine was away. This does not count as an attempt. None unless the
    /// lease is ending.
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

    /// The lease after an attempt to end it failed at `now`; none unless it is ending.
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

    /// The lease after its container was seen to be gone; none unless the lease is ending.
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
