//! Waiting for what comes by itself.

use std::time::{Duration, Instant};

/// Time limit for anything that a test waits for and that has no limit of its own.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How often a wait checks its condition.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Waits for a value, at most for `limit`; `None` if it has not come by then.
pub async fn within<T>(limit: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return Some(found);
        }
        if begun.elapsed() >= limit {
            return None;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits for a value, at most for `limit`.
///
/// # Panics
///
/// If it has not come by then.
pub async fn eventually<T>(what: &str, limit: Duration, look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = within(limit, look).await;
    found.unwrap_or_else(|| panic!("{what}: not within {limit:?}"))
}
