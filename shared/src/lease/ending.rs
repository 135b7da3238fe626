//! How a lease ends: the end that was decided, what was found of the container, and the
//! receipt that is left of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{names::Holder, time::Time};

/// How long a claim lasts after its holder has last shown that it is alive. After this time
/// somebody else may take the end over.
pub const CLAIM_LIMIT: Duration = Duration::from_secs(12);

/// How often the holder of a claim shows that it is alive, while it works. Two signs may fail
/// before the claim is lost; most ends are done before the first.
pub const CLAIM_BEAT: Duration = Duration::from_secs(4);

/// After so many failed attempts to end a lease it is quarantined.
pub const ATTEMPTS_BEFORE_QUARANTINE: u32 = 6;

/// An end that has been decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    pub reason: Reason,
    pub requested_at: Time,
    /// How often somebody has set out to end it.
    pub attempts: u32,
    /// From when on the next one may try.
    pub next_attempt_at: Time,
    /// Who is at it; none while it waits for its next attempt.
    pub holder: Option<Holder>,
    /// What was found so far.
    pub facts: Facts,
}

/// What was found of a container on the way to its removal. It is on record before the
/// container is gone, since nobody can look afterwards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// When its program ended, by the engine's clock where that can be right, else when it was seen
    /// stopped; none where no container was there to stop.
    pub stopped_at: Option<Time>,
    /// What its program answered at its end, once known.
    pub exit_code: Option<i64>,
    /// Whether the kernel has killed a program in it for want of memory.
    pub out_of_memory: bool,
    /// The end of its log, where its program ended by itself.
    pub last_lines: Vec<String>,
    /// When its removal was begun, once it was.
    pub removal_began_at: Option<Time>,
}

/// Why a lease ended, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub reason: Reason,
    pub requested_at: Time,
    /// When its program ended, by the engine's clock where that can be right, else when it was seen
    /// stopped; none where no container was there to stop.
    pub stopped_at: Option<Time>,
    /// When the container was seen to be gone.
    pub removed_at: Time,
    pub attempts: u32,
    /// Milliseconds from `expiresAt` to `removedAt`; only where the lease expired, and where it
    /// is known when the container was gone.
    pub overshoot_ms: Option<i64>,
    pub exit_code: Option<i64>,
    /// Whether its program failed because the kernel killed it for want of memory.
    pub out_of_memory: bool,
    /// The end of its log, where its program ended by itself.
    pub last_lines: Vec<String>,
}

/// How a container was found to be gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    pub facts: Facts,
    /// When it was seen to be gone.
    pub removed_at: Time,
    /// Whether it was gone just then. It is not where another process has removed it, and the
    /// engine does not say when.
    pub seen_going: bool,
}

impl Gone {
    /// A container that was gone at `removed_at`, of which nothing else is known.
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
    /// Its time was over.
    Expired,
    /// Its owner asked for it.
    Deleted,
    /// Its program ended by itself, with exit code 0.
    Completed,
    /// It could not be started, or its program ended by itself with another exit code.
    Failed,
    /// Its container vanished by somebody else's hand.
    Lost,
    /// It used more disk than its limit.
    Evicted,
}

impl Reason {
    /// Why a lease ends whose program has ended by itself.
    pub fn of_exit(exit_code: Option<i64>) -> Self {
        match exit_code {
            Some(0) => Self::Completed,
            Some(_) | None => Self::Failed,
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
