//! How a lease ends: the decided end, the facts about its container, and the receipt that
//! remains.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{names::Holder, time::Time};

/// How long a claim lasts after the last heartbeat of its holder. After this time another
/// process may take over.
pub const CLAIM_LIMIT: Duration = Duration::from_secs(12);

/// How often the holder of a claim sends a heartbeat while it works. Two heartbeats may fail
/// before the claim is lost; most ends finish before the first.
pub const CLAIM_BEAT: Duration = Duration::from_secs(4);

/// The number of failed attempts after which a lease is quarantined.
pub const ATTEMPTS_BEFORE_QUARANTINE: u32 = 6;

/// A decided end.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    pub reason: Reason,
    pub requested_at: Time,
    /// Number of end attempts.
    pub attempts: u32,
    /// The earliest time of the next attempt.
    pub next_attempt_at: Time,
    /// The process that holds the claim; none while the lease waits for its next attempt.
    pub holder: Option<Holder>,
    /// The facts found so far.
    pub facts: Facts,
}

/// Facts about a container, read before its removal. They are on record before the container is
/// gone, because nobody can read them afterwards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// When its program ended, by the engine's clock if that is plausible, else when we saw it
    /// stopped. None if there was no container to stop.
    pub stopped_at: Option<Time>,
    /// The exit code of its program, once known.
    pub exit_code: Option<i64>,
    /// Whether the kernel killed a program in it because memory ran out.
    pub out_of_memory: bool,
    /// The last lines of its log, if its program ended by itself.
    pub last_lines: Vec<String>,
    /// When its removal began, if it has.
    pub removal_began_at: Option<Time>,
}

/// Why and how a lease ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub reason: Reason,
    pub requested_at: Time,
    /// When its program ended, by the engine's clock if that is plausible, else when we saw it
    /// stopped. None if there was no container to stop.
    pub stopped_at: Option<Time>,
    /// When we saw that the container was gone.
    pub removed_at: Time,
    pub attempts: u32,
    /// Milliseconds from `expiresAt` to `removedAt`. Only set if the lease expired and the time of
    /// the removal is known.
    pub overshoot_ms: Option<i64>,
    pub exit_code: Option<i64>,
    /// Whether its program failed because the kernel killed it when memory ran out.
    pub out_of_memory: bool,
    /// The last lines of its log, if its program ended by itself.
    pub last_lines: Vec<String>,
}

/// How a container was found to be gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    pub facts: Facts,
    /// When we saw that it was gone.
    pub removed_at: Time,
    /// Whether `removed_at` is the time of the removal. It is not if another process removed the
    /// container and the engine does not say when.
    pub seen_going: bool,
}

impl Gone {
    /// A container that was gone at `removed_at`, without other facts.
    pub fn at(removed_at: Time) -> Self {
        Self {
            facts: Facts::default(),
            removed_at,
            seen_going: true,
        }
    }
}

/// Why a lease ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// Its time ran out.
    Expired,
    /// Its owner deleted it.
    Deleted,
    /// Its program ended by itself, with exit code 0.
    Completed,
    /// It could not be started, or its program ended by itself with another exit code.
    Failed,
    /// Its container vanished, and we did not remove it.
    Lost,
    /// It used more disk than its limit.
    Evicted,
}

impl Reason {
    /// The reason for a lease whose program ended by itself.
    pub fn of_exit(exit_code: Option<i64>) -> Self {
        match exit_code {
            Some(0) => Self::Completed,
            Some(_) | None => Self::Failed,
        }
    }
}

/// The backoff after `attempts` failed attempts: 5 s, 10 s, 20 s and so on up to five minutes.
/// `jitter` (0 to 1) picks between half and all of it, so that leases that failed together do
/// not retry together.
pub fn backoff(attempts: u32, jitter: f64) -> Duration {
    const FIRST: Duration = Duration::from_secs(5);
    const LONGEST: Duration = Duration::from_secs(300);
    let doublings = attempts.saturating_sub(1).min(16);
    let full = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    full.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}
