//! The states of a lease, and the one table of its transitions.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Ending, Receipt};

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
pub enum LeaseEvent {
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
pub const TRANSITIONS: &[(StateName, LeaseEvent, StateName)] = &[
    (
        StateName::Provisioning,
        LeaseEvent::Started,
        StateName::Running,
    ),
    (
        StateName::Provisioning,
        LeaseEvent::Claimed,
        StateName::Ending,
    ),
    (StateName::Running, LeaseEvent::Renewed, StateName::Running),
    (StateName::Running, LeaseEvent::Moved, StateName::Running),
    (StateName::Running, LeaseEvent::Claimed, StateName::Ending),
    (StateName::Ending, LeaseEvent::Claimed, StateName::Ending),
    (StateName::Ending, LeaseEvent::Held, StateName::Ending),
    (StateName::Ending, LeaseEvent::Released, StateName::Ending),
    (
        StateName::Ending,
        LeaseEvent::AttemptFailed,
        StateName::Ending,
    ),
    (StateName::Ending, LeaseEvent::Postponed, StateName::Ending),
    (
        StateName::Ending,
        LeaseEvent::GivenUp,
        StateName::Quarantined,
    ),
    (StateName::Ending, LeaseEvent::Removed, StateName::Ended),
    (
        StateName::Quarantined,
        LeaseEvent::Claimed,
        StateName::Quarantined,
    ),
    (
        StateName::Quarantined,
        LeaseEvent::Held,
        StateName::Quarantined,
    ),
    (
        StateName::Quarantined,
        LeaseEvent::Released,
        StateName::Quarantined,
    ),
    (
        StateName::Quarantined,
        LeaseEvent::AttemptFailed,
        StateName::Quarantined,
    ),
    (
        StateName::Quarantined,
        LeaseEvent::Postponed,
        StateName::Quarantined,
    ),
    (
        StateName::Quarantined,
        LeaseEvent::Removed,
        StateName::Ended,
    ),
];

impl LeaseEvent {
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
    pub fn after(self, event: LeaseEvent) -> Option<Self> {
        TRANSITIONS
            .iter()
            .find(|(from, possible, _)| *from == self && *possible == event)
            .map(|(_, _, to)| *to)
    }
}
