//! Waiting for an instant, and for a place in a bound.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use crate::time::Time;

/// How long is slept at once at the most: the sleeper's time stands still while the machine is
/// suspended, and ours does not.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Sleeps until `at`, and says so; or returns false at once when the process stops.
pub(crate) async fn slept_until(at: Time, stopping: &CancellationToken) -> bool {
    // A clock that was set back while we slept must not make us early: look again.
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

/// Waits for a place in a bound, which is held as long as the answer.
pub(crate) async fn place_in(bound: &Semaphore) -> SemaphorePermit<'_> {
    let place = bound.acquire().await;
    place.expect("the bounds of a run are never closed")
}

/// How often it is looked whether a place is to spare.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Waits for a place in a bound that nobody else waits for; none where there is none before
/// `until`, or the process stops.
pub(crate) async fn spare_place_in<'b>(
    bound: &'b Semaphore,
    until: Time,
    stopping: &CancellationToken,
) -> Option<SemaphorePermit<'b>> {
    loop {
        if Time::now() >= until || stopping.is_cancelled() {
            return None;
        }
        // A place that is freed goes to those who wait in the queue, and never comes here.
        match bound.try_acquire() {
            Ok(place) => return Some(place),
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}
