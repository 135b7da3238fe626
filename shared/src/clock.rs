//! A clock that cannot jump while the process runs.
//!
//! Somebody sets the system's clock, or a time server corrects it by hours: a process that
//! stays, as the one-machine server and the guard do, would end leases before their time, or
//! long after it. So it reads the wall clock once, at its start, and from then on goes by the
//! time since boot, which nobody sets. A function on Lambda lives for minutes on a host whose
//! clock is kept for it, and reads the wall clock each time.

use std::{
    sync::OnceLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The wall clock's time when the time since boot was zero.
static BOOTED_AT: OnceLock<Duration> = OnceLock::new();

/// From now on the process's times go by the time since boot, whatever the wall clock is set
/// to. A process that has begun so stays so; a call once more changes nothing.
pub fn hold() {
    BOOTED_AT.get_or_init(|| wall().saturating_sub(since_boot()));
}

/// The time since 1970 as this process has it.
pub(crate) fn since_epoch() -> Duration {
    match BOOTED_AT.get() {
        Some(booted_at) => *booted_at + since_boot(),
        None => wall(),
    }
}

/// By how many milliseconds the wall clock is ahead of this process's time, which is where
/// somebody has set it since the start; 0 where the process reads the wall clock anyway.
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

/// It goes on while the machine sleeps, as a lease's time does.
#[cfg(target_os = "linux")]
fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::try_from(time).unwrap_or_default()
}

/// Since the first call: a system that has no such clock stands still while it sleeps.
#[cfg(not(target_os = "linux"))]
fn since_boot() -> Duration {
    static FIRST: OnceLock<std::time::Instant> = OnceLock::new();
    FIRST.get_or_init(std::time::Instant::now).elapsed()
}
