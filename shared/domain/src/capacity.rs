//! Capacity: the resources that leases use, the limits, and when there is room again. Pure.
//!
//! Each lease counts twice: towards its owner's limits and towards the host's. The transactions
//! that create and end the lease change both counts. Memory is not overcommitted. CPU is: most
//! containers seldom reach their CPU limit, and one that does only becomes slower.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    lease::{Lease, State},
    policy::Policy,
    time::Time,
};

/// The CPU overcommit factor. On a machine with 4 GiB of memory per CPU, and with the catalogue's
/// defaults, memory runs out first.
pub const CPU_OVERCOMMIT: u32 = 8;

/// Bytes in a mebibyte.
pub const MEBIBYTE: u64 = 1024 * 1024;

/// The share of the host's memory that leases may use, in percent. The rest is for the engine and
/// the system.
const MEMORY_PERCENT: u64 = 90;

/// The greatest number of containers on our network, whatever the other limits allow. A Linux
/// bridge has at most 1,023 ports, and containers that no longer count still use some.
pub const MOST_CONTAINERS: u32 = 1_000;

/// A resource with a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub enum Resource {
    #[serde(rename = "leases")]
    Leases,
    /// Thousandths of a CPU.
    #[serde(rename = "cpuMilli")]
    CpuMilli,
    /// Mebibytes.
    #[serde(rename = "memoryMB")]
    MemoryMb,
    /// Mebibytes of the host's disk.
    #[serde(rename = "diskMB")]
    DiskMb,
}

/// An amount of each resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    pub leases: i64,
    pub cpu_milli: i64,
    pub memory_mb: i64,
    pub disk_mb: i64,
}

/// The limit of each resource; none where it has no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    pub leases: Option<u32>,
    pub cpu_milli: Option<u32>,
    pub memory_mb: Option<u32>,
    pub disk_mb: Option<u32>,
}

/// The limits of one owner, and of all owners together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub owner: Bounds,
    pub host: Bounds,
}

/// Whose limit applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    Owner,
    Host,
}

/// The machine that an engine runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    pub cpus: u32,
    /// Bytes.
    pub memory: u64,
    /// How many containers our network has addresses for; none if it does not exist yet.
    pub addresses: Option<u32>,
}

/// Why there is no room for a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    pub whose: Whose,
    /// The resources that are short.
    pub full: Vec<Resource>,
    pub bounds: Bounds,
    /// Whether the lease would not fit even if nothing else were leased.
    pub never: bool,
    /// The earliest known end of a lease after which there is room.
    pub frees_up_at: Option<Time>,
}

impl Resource {
    /// All resources.
    pub const ALL: [Self; 4] = [Self::Leases, Self::CpuMilli, Self::MemoryMb, Self::DiskMb];
}

impl Amounts {
    /// The amount of that resource.
    pub fn of(self, resource: Resource) -> i64 {
        match resource {
            Resource::Leases => self.leases,
            Resource::CpuMilli => self.cpu_milli,
            Resource::MemoryMb => self.memory_mb,
            Resource::DiskMb => self.disk_mb,
        }
    }

    /// The sum of both.
    pub fn plus(self, other: Self) -> Self {
        Self {
            leases: self.leases + other.leases,
            cpu_milli: self.cpu_milli + other.cpu_milli,
            memory_mb: self.memory_mb + other.memory_mb,
            disk_mb: self.disk_mb + other.disk_mb,
        }
    }

    /// This amount without the other.
    pub fn minus(self, other: Self) -> Self {
        Self {
            leases: self.leases - other.leases,
            cpu_milli: self.cpu_milli - other.cpu_milli,
            memory_mb: self.memory_mb - other.memory_mb,
            disk_mb: self.disk_mb - other.disk_mb,
        }
    }
}

impl Bounds {
    /// The limit of that resource.
    pub fn of(&self, resource: Resource) -> Option<u32> {
        match resource {
            Resource::Leases => self.leases,
            Resource::CpuMilli => self.cpu_milli,
            Resource::MemoryMb => self.memory_mb,
            Resource::DiskMb => self.disk_mb,
        }
    }

    /// The resources that are too short for `asked` in addition to `counted`.
    pub fn full(&self, counted: Amounts, asked: Amounts) -> Vec<Resource> {
        let together = counted.plus(asked);
        let full = Resource::ALL.into_iter().filter(|resource| {
            let bound = self.of(*resource);
            bound.is_some_and(|bound| together.of(*resource) > i64::from(bound))
        });
        full.collect()
    }
}

impl Limits {
    /// The operator's limits. A host limit that is not set follows from the `machine`.
    pub fn new(policy: &Policy, machine: Option<Machine>) -> Self {
        let host = machine.map(Machine::bounds).unwrap_or_default();
        Self {
            owner: Bounds {
                leases: Some(policy.leases_per_owner),
                cpu_milli: Some(policy.owner_cpu_milli),
                memory_mb: Some(policy.owner_memory_mb),
                disk_mb: Some(policy.owner_disk_mb),
            },
            host: Bounds {
                leases: Some(
                    policy
                        .host_containers
                        .or(host.leases)
                        .unwrap_or(MOST_CONTAINERS),
                ),
                cpu_milli: policy.host_cpu_milli.or(host.cpu_milli),
                memory_mb: policy.host_memory_mb.or(host.memory_mb),
                disk_mb: policy.host_disk_mb,
            },
        }
    }

    /// The limits of the owner or of the host.
    pub fn of(&self, whose: Whose) -> Bounds {
        match whose {
            Whose::Owner => self.owner,
            Whose::Host => self.host,
        }
    }
}

impl Whose {
    /// The amounts that a lease which has not ended adds to this count.
    pub fn counts(self, lease: &Lease) -> Amounts {
        let all = Amounts {
            leases: 1,
            cpu_milli: i64::from(lease.cpu_milli),
            memory_mb: i64::from(lease.memory_mb),
            disk_mb: i64::from(lease.disk_mb.unwrap_or(0)),
        };
        match self {
            _ if lease.amounts_counted => all,
            // Earlier versions counted only an owner's leases, not their CPU and memory.
            Self::Owner => Amounts {
                leases: 1,
                ..Amounts::default()
            },
            Self::Host => Amounts::default(),
        }
    }
}

impl Machine {
    /// The limits that follow from this machine.
    pub fn bounds(self) -> Bounds {
        let mebibytes = self.memory / 100 * MEMORY_PERCENT / MEBIBYTE;
        Bounds {
            leases: Some(
                self.addresses
                    .map_or(MOST_CONTAINERS, |addresses| addresses.min(MOST_CONTAINERS)),
            ),
            cpu_milli: Some(self.cpus.saturating_mul(1000 * CPU_OVERCOMMIT)),
            memory_mb: Some(u32::try_from(mebibytes).unwrap_or(u32::MAX)),
            // The engine does not report how much disk it has.
            disk_mb: None,
        }
    }
}

impl Shortage {
    /// The shortage for `asked` in addition to `counted`; none if there is room. `leases` are the
    /// counted leases that have not ended.
    pub fn of(
        whose: Whose,
        bounds: Bounds,
        counted: Amounts,
        asked: Amounts,
        leases: &[Lease],
        now: Time,
    ) -> Option<Self> {
        let full = bounds.full(counted, asked);
        if full.is_empty() {
            return None;
        }
        Some(Self {
            whose,
            never: !bounds.full(Amounts::default(), asked).is_empty(),
            frees_up_at: frees_up_at(whose, bounds, counted, asked, leases).map(|end| end.max(now)),
            full,
            bounds,
        })
    }
}

/// Leases whose end is already decided are left out: the end is in progress, or keeps failing, so
/// its time is unknown.
fn frees_up_at(
    whose: Whose,
    bounds: Bounds,
    mut counted: Amounts,
    asked: Amounts,
    leases: &[Lease],
) -> Option<Time> {
    let lives = |lease: &&Lease| matches!(lease.state, State::Provisioning | State::Running);
    let mut ends: Vec<_> = leases.iter().filter(lives).collect();
    ends.sort_by_key(|lease| lease.expires_at);
    ends.into_iter().find_map(|lease| {
        counted = counted.minus(whose.counts(lease));
        bounds
            .full(counted, asked)
            .is_empty()
            .then_some(lease.expires_at)
    })
}

#[cfg(test)]
mod tests;
