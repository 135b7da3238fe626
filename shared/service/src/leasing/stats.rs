//! Stats: current resource use of a lease's container.

use std::time::Duration;

use containerlease_domain::{
    capacity::MEBIBYTE,
    names::{LeaseId, Owner},
    time::Time,
};

use crate::{
    docker::{Host, Usage},
    leasing::inside::{self, InsideError},
    store::Store,
};

/// How long CPU use is measured: several of the kernel's periods of 100 ms, over which it allots a
/// container its share.
const MEASURED: Duration = Duration::from_millis(500);

/// How long the engine may take to count what a container has written, file by file.
const FILES_LIMIT: Duration = Duration::from_secs(2);

/// A container's resource use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stats {
    /// When it was measured, by the engine's clock.
    pub read_at: Time,
    /// CPU time since the container's start, in nanoseconds.
    pub cpu_nanoseconds: u64,
    /// Percent of one CPU, over the measured time.
    pub cpu_percent: f64,
    /// Percent of the lease's CPU limit.
    pub cpu_percent_of_limit: f64,
    pub cpu_limit_milli: u32,
    pub measured: Duration,
    /// Without memory that the kernel reclaims when needed.
    pub memory_bytes: u64,
    pub memory_limit_bytes: u64,
    /// What it has written plus the size of its volumes; none if the engine could not tell in time.
    pub disk_bytes: Option<u64>,
    /// None without a limit.
    pub disk_limit_bytes: Option<u64>,
    /// Since the container's start.
    pub received_bytes: u64,
    pub sent_bytes: u64,
    /// Processes and threads.
    pub processes: u64,
    pub processes_limit: Option<u64>,
}

/// The resource use of the owner's lease. Measured twice, a moment apart.
pub async fn stats(
    store: &Store,
    host: &Host,
    owner: &Owner,
    id: &LeaseId,
) -> Result<Stats, InsideError> {
    let (lease, name) = inside::running(store, owner, id, Time::now()).await?;
    let first = host.usage(&name).await?;
    let second = async {
        tokio::time::sleep(MEASURED).await;
        host.usage(&name).await
    };
    let disk = tokio::time::timeout(FILES_LIMIT, Box::pin(host.disk_used(&name)));
    let (second, disk) = tokio::join!(second, disk);
    let second = second?;
    let disk = disk.ok().and_then(|used| {
        used.inspect_err(|error| tracing::warn!(%error, "could not measure a container's disk"))
            .ok()
            .flatten()
    });
    let stats = between(&first, &second, lease.cpu_milli, lease.memory_mb);
    Ok(Stats {
        disk_bytes: disk,
        disk_limit_bytes: lease.disk_mb.map(|limit| u64::from(limit) * MEBIBYTE),
        ..stats
    })
}

/// Everything but the disk.
fn between(first: &Usage, second: &Usage, cpu_milli: u32, memory_mb: u32) -> Stats {
    let measured = u64::try_from(second.read_at.saturating_sub(first.read_at)).unwrap_or(0);
    let used = second.cpu.saturating_sub(first.cpu);
    let cpu_percent = 100.0 * share(used, measured);
    Stats {
        read_at: Time::from_millis(second.read_at.div_euclid(1_000_000)),
        cpu_nanoseconds: second.cpu,
        cpu_percent: rounded(cpu_percent),
        cpu_percent_of_limit: rounded(cpu_percent * 1000.0 / f64::from(cpu_milli.max(1))),
        cpu_limit_milli: cpu_milli,
        measured: Duration::from_nanos(measured),
        memory_bytes: second.memory,
        memory_limit_bytes: u64::from(memory_mb) * MEBIBYTE,
        disk_bytes: None,
        disk_limit_bytes: None,
        received_bytes: second.received,
        sent_bytes: second.sent,
        processes: second.processes,
        processes_limit: second.processes_limit,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "nanoseconds of half a second are far below 2^52"
)]
fn share(used: u64, measured: u64) -> f64 {
    if measured == 0 {
        0.0
    } else {
        used as f64 / measured as f64
    }
}

/// Rounds to a tenth: the rest is noise.
fn rounded(percent: f64) -> f64 {
    (percent * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    fn usage(millis: i64, cpu: u64) -> Usage {
        Usage {
            read_at: millis * 1_000_000,
            cpu,
            memory: 5,
            received: 6,
            sent: 7,
            processes: 3,
            processes_limit: Some(64),
        }
    }

    #[test]
    fn cpu_is_measured_by_the_engines_own_clock() {
        let stats = between(&usage(1_000, 0), &usage(1_500, 62_500_000), 250, 64);
        assert!((stats.cpu_percent - 12.5).abs() < f64::EPSILON);
        assert!((stats.cpu_percent_of_limit - 50.0).abs() < f64::EPSILON);
        assert_eq!(stats.measured, Duration::from_millis(500));
        assert_eq!(stats.read_at, Time::from_millis(1_500));
        assert_eq!(stats.memory_limit_bytes, 64 * 1024 * 1024);
    }

    #[test]
    fn a_clock_that_stands_or_goes_back_gives_nothing_strange() {
        for second in [usage(1_000, 9), usage(900, 9), usage(1_500, 0)] {
            let stats = between(&usage(1_000, 5), &second, 250, 64);
            assert!(stats.cpu_percent.abs() < f64::EPSILON, "{stats:?}");
        }
    }
}
