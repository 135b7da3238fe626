//! A container's resource use, as the engine counts it.

use bollard::{
    Docker,
    models::{ContainerMemoryStats, ContainerStatsResponse},
    query_parameters::{StatsOptions, StatsOptionsBuilder},
};
use containerlease_domain::names::ContainerName;
use futures_util::TryStreamExt as _;

use super::{Host, HostError, LOOK_LIMIT};

/// A container's resource use at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// When it was measured, by the engine's clock, in nanoseconds after the epoch.
    pub read_at: i64,
    /// CPU time since its start, in nanoseconds.
    pub cpu: u64,
    /// Bytes, without memory that the kernel reclaims when needed.
    pub memory: u64,
    /// Bytes received and sent since its start.
    pub received: u64,
    pub sent: u64,
    /// Processes and threads.
    pub processes: u64,
    /// The limit on their number; none if there is no limit.
    pub processes_limit: Option<u64>,
}

impl Host {
    /// A container's current resource use.
    pub async fn usage(&self, name: &ContainerName) -> Result<Usage, HostError> {
        const ATTEMPTED: &str = "counting what a container uses";
        let options: &StatsOptions = &StatsOptionsBuilder::new()
            .stream(false)
            .one_shot(true)
            .build();
        let count = |docker: Docker| async move {
            let mut counted = Box::pin(docker.stats(name.as_str(), Some(options.clone())));
            counted.try_next().await
        };
        let counted = self.client.call(ATTEMPTED, LOOK_LIMIT, count).await?;
        counted.and_then(usage_of).ok_or(HostError::NotRunning {
            attempted: ATTEMPTED,
        })
    }
}

/// Converts the engine's counts; none for a stopped container, for which the engine reports the
/// year 1.
fn usage_of(counted: ContainerStatsResponse) -> Option<Usage> {
    let read_at = counted.read?.parse::<jiff::Timestamp>().ok()?;
    let read_at = i64::try_from(read_at.as_nanosecond()).ok()?;
    if read_at <= 0 {
        return None;
    }
    let networks = counted.networks.unwrap_or_default();
    let sum = |bytes: fn(&bollard::models::ContainerNetworkStats) -> Option<u64>| {
        networks.values().filter_map(bytes).sum()
    };
    let processes = counted.pids_stats.unwrap_or_default();
    Some(Usage {
        read_at,
        cpu: counted.cpu_stats?.cpu_usage?.total_usage?,
        memory: memory_of(counted.memory_stats.unwrap_or_default()),
        received: sum(|network| network.rx_bytes),
        sent: sum(|network| network.tx_bytes),
        processes: processes.current.unwrap_or(0),
        // Without a limit the engine reports 0 or the greatest number.
        processes_limit: processes
            .limit
            .filter(|limit| (1..u64::MAX).contains(limit)),
    })
}

/// Excludes file pages not used recently, which the kernel reclaims before memory runs out. The two
/// versions of cgroups name them differently.
fn memory_of(counted: ContainerMemoryStats) -> u64 {
    let stats = counted.stats.unwrap_or_default();
    let idle = ["total_inactive_file", "inactive_file"]
        .iter()
        .find_map(|name| stats.get(*name))
        .copied();
    counted.usage.unwrap_or(0).saturating_sub(idle.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn usage(counted: serde_json::Value) -> Option<Usage> {
        usage_of(serde_json::from_value(counted).unwrap())
    }

    #[test]
    fn both_versions_of_cgroups_are_understood() {
        let first = usage(json!({
            "read": "2026-11-24T22:58:57.135601393Z",
            "pids_stats": {"current": 4, "limit": 64},
            "cpu_stats": {"cpu_usage": {"total_usage": 120_387_703}},
            "memory_stats": {
                "usage": 733_184, "limit": 134_217_728,
                "stats": {"inactive_file": 1, "total_inactive_file": 33_184},
            },
            "networks": {
                "eth0": {"rx_bytes": 1016, "tx_bytes": 5},
                "eth1": {"rx_bytes": 4, "tx_bytes": 2},
            },
        }));
        let first = first.unwrap();
        assert_eq!(
            first,
            Usage {
                read_at: 1_795_561_137_135_601_393,
                cpu: 120_387_703,
                memory: 700_000,
                received: 1020,
                sent: 7,
                processes: 4,
                processes_limit: Some(64),
            }
        );
        let second = usage(json!({
            "read": "2026-11-24T22:58:57Z",
            "pids_stats": {"current": 1, "limit": u64::MAX},
            "cpu_stats": {"cpu_usage": {"total_usage": 5}},
            "memory_stats": {"usage": 1000, "stats": {"inactive_file": 400, "anon": 600}},
        }));
        let second = second.unwrap();
        assert_eq!((second.memory, second.received), (600, 0));
        assert_eq!(second.processes_limit, None);
    }

    #[test]
    fn of_a_container_that_has_stopped_nothing_was_counted() {
        let stopped = json!({
            "read": "0001-01-01T00:00:00Z",
            "pids_stats": {},
            "cpu_stats": {"cpu_usage": {"total_usage": 0}},
            "memory_stats": {},
        });
        assert_eq!(usage(stopped), None);
        assert_eq!(usage(json!({"id": "x"})), None);
    }
}
