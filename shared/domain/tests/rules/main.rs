//! Property tests of the pure rules: what must hold for every lease at every time. Snapshots
//! show the interesting cases as text.
//!
//! - [`plan`]: the plan of a reaper run.
//! - [`time`]: the deadline rules of a lease, above all at their boundaries.

mod plan;
mod time;

use std::time::Duration;

use containerlease_domain::{
    lease::{Ending, Facts, Gone, Lease, Reason},
    time::Time,
};
use proptest::test_runner::Config as ProptestConfig;

const NOW: Time = Time::from_millis(1_000_000_000);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Many cases, because some rules only matter when two of a kind meet. Failed cases are not
/// kept in a file: each becomes a named test.
fn many() -> ProptestConfig {
    ProptestConfig {
        cases: 1_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// The time `millis` milliseconds after [`NOW`].
fn now(millis: i64) -> Time {
    Time::from_millis(NOW.as_millis() + millis)
}

/// A running lease that began five minutes ago, ends in five, and may last at most an hour.
fn lease(name: &str) -> Lease {
    let created_at = NOW.minus(5 * MINUTE);
    Lease {
        version: 2,
        name: Some(name.to_owned()),
        expires_at: NOW.plus(5 * MINUTE),
        hard_deadline: created_at.plus(60 * MINUTE),
        cpu_milli: 250,
        memory_mb: 128,
        ..Lease::sample("alpine", created_at)
    }
}

/// An end with this reason and this time of the next attempt.
fn ending(reason: Reason, next_attempt_at: Time) -> Ending {
    Ending {
        reason,
        requested_at: NOW.minus(MINUTE),
        attempts: 1,
        next_attempt_at,
        holder: None,
        facts: Facts::default(),
    }
}

/// A container that was gone at that time.
fn gone(removed_at: Time) -> Gone {
    Gone::at(removed_at)
}
