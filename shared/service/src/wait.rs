//! Waiting for a point in time, and for a permit of a semaphore.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use containerlease_domain::time::Time;

/// The longest single sleep. The sleep timer stops while the machine is suspended; our clock does
/// not.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Sleeps until `at` and returns true; returns false at once when the process stops.
pub(crate) async fn sleep_until(at: Time, stopping: &CancellationToken) -> bool {
    // Check again after each sleep: somebody may have set the clock back meanwhile.
    loop {
        let now = Time::now();
        if now >= at {
            return true;
        }
        tokio::select! {
            () = tokio::time::sleep(now.until(at).min(LONGEST_SLEEP)) => {}
            () = stopping.cancelled() => return false,
        }
    }
}

/// Waits for a permit, which the caller holds until it drops the result.
pub(crate) async fn acquire_permit(bound: &Semaphore) -> SemaphorePermit<'_> {
    let place = bound.acquire().await;
    place.expect("the bounds of a run are never closed")
}

/// How often we check for a spare permit.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Takes a permit once nobody else waits for one. Returns none at `until`, or when the process
/// stops.
pub(crate) async fn acquire_spare_permit<'b>(
    bound: &'b Semaphore,
    until: Time,
    stopping: &CancellationToken,
) -> Option<SemaphorePermit<'b>> {
    loop {
        if Time::now() >= until || stopping.is_cancelled() {
            return None;
        }
        // A freed permit goes to the waiters in the queue first, so this takes only a spare one.
        match bound.try_acquire() {
            Ok(place) => return Some(place),
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}
