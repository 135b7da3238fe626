//! The lease: its states, its transition table and its deadline rules.
//!
//! Everything here is pure. A lease lives while `now < expiresAt`; at `expiresAt` itself it
//! is over.

mod credentials;
mod ending;
#[cfg(any(test, feature = "sample"))]
mod sample;
mod state;

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use thiserror::Error;

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
pub use state::{LeaseEvent, State, StateName, TRANSITIONS};

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
mod tests;
