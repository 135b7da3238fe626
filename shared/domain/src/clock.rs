//! A clock that cannot jump while the process runs.
//!
//! If somebody sets the system's clock, or a time server corrects it by hours, a long-running
//! process (the one-machine server, the guard) would end leases too early or far too late. So it
//! reads the wall clock once, when it starts, and then counts by the time since boot, which
//! nobody can set. A Lambda function lives for minutes on a host whose clock AWS maintains, so it
//! reads the wall clock each time.

use std::{
    sync::OnceLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The wall clock's time when the time since boot was zero.
static BOOTED_AT: OnceLock<Duration> = OnceLock::new();

/// Makes the process count by the time since boot from now on, whatever the wall clock is set to.
/// A second call changes nothing.
pub fn hold() {
    BOOTED_AT.get_or_init(|| wall().saturating_sub(since_boot()));
}

/// The time since 1970, by this process's clock.
pub fn since_epoch() -> Duration {
    match BOOTED_AT.get() {
        Some(booted_at) => *booted_at + since_boot(),
        None => wall(),
    }
}

/// How many milliseconds the wall clock is ahead of this process's time, because somebody has set
/// it since the start. 0 if the process reads the wall clock itself.
pub fn wall_ahead_millis() -> i64 {
    let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    match BOOTED_AT.get() {
        Some(_) => millis(wall()).saturating_sub(millis(since_epoch())),
        None => 0,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the wall clock"
)]
fn wall() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// This clock keeps counting while the machine sleeps, as a lease's time does.
#[cfg(target_os = "linux")]
fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::try_from(time).unwrap_or_default()
}

/// The time since the first call. Without a boot clock, the time stops while the machine sleeps.
#[cfg(not(target_os = "linux"))]
fn since_boot() -> Duration {
    static FIRST: OnceLock<std::time::Instant> = OnceLock::new();
    FIRST.get_or_init(std::time::Instant::now).elapsed()
}
