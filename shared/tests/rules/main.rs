//! The pure rules, held against what must be true of every lease at every time, whatever the
//! numbers, and shown as text for the cases that a reader wants to see.
//!
//! - [`logs`]: entries and cursors, whatever is sent.
//! - [`plan`]: what a run of the reaper sets out to do.
//! - [`time`]: the rules of a lease's time, at their boundaries above all.

mod logs;
mod plan;
mod time;

use std::{collections::BTreeMap, time::Duration};

use containerlease_shared::{
    catalogue::Catalogue,
    lease::{Ending, Facts, Gone, Lease, Reason, State},
    names::{LeaseId, Owner},
    time::Time,
};
use proptest::test_runner::Config as ProptestConfig;

const NOW: Time = Time::from_millis(1_000_000_000);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// How a rule is tried: often, since some need two of a kind to meet. A case that failed is
/// not kept in a file; it becomes a test with a name.
fn many() -> ProptestConfig {
    ProptestConfig {
        cases: 1_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// So many milliseconds from [`NOW`] on.
fn now(millis: i64) -> Time {
    Time::from_millis(NOW.as_millis() + millis)
}

/// A running lease that was made five minutes ago and ends in five, of at most an hour.
fn lease(name: &str) -> Lease {
    let catalogue = Catalogue::embedded();
    let image = catalogue.get("alpine").expect("there is an alpine");
    let created_at = NOW.minus(5 * MINUTE);
    Lease {
        id: LeaseId::generate(),
        owner: Owner::local(),
        version: 2,
        image_type: image.image_type.clone(),
        name: Some(name.to_owned()),
        labels: BTreeMap::new(),
        created_at,
        expires_at: NOW.plus(5 * MINUTE),
        hard_deadline: created_at.plus(60 * MINUTE),
        cpu_milli: 250,
        memory_mb: 128,
        disk_mb: Some(1024),
        egress: containerlease_shared::egress::Egress::Open,
        amounts_counted: true,
        webhook: None,
        placement: None,
        state: State::Running,
    }
}

/// An end for this reason whose next attempt may be at that time.
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
