//! The rules that an operator sets.

use std::time::Duration;

use crate::egress::Egress;

/// The default maximum lifetime of a lease, in minutes.
pub const LONGEST_MINUTES: u64 = 1440;

/// The rules that an operator sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The greatest lifetime of a lease, all renewals included.
    pub longest_lease: Duration,
    /// How many leases an owner may hold at once.
    pub leases_per_owner: u32,
    /// How many thousandths of a CPU an owner's leases may have at once.
    pub owner_cpu_milli: u32,
    /// How many mebibytes an owner's leases may have at once.
    pub owner_memory_mb: u32,
    /// How many mebibytes of disk an owner's leases may have at once.
    pub owner_disk_mb: u32,
    /// How many thousandths of a CPU all leases together may have; none: as the engine's machine
    /// allows.
    pub host_cpu_milli: Option<u32>,
    /// How many mebibytes all leases together may have; none: as that machine allows.
    pub host_memory_mb: Option<u32>,
    /// How many mebibytes of disk all leases together may have; none: no limit.
    pub host_disk_mb: Option<u32>,
    /// How many leases there may be on the host; none: as many as its network allows.
    pub host_containers: Option<u32>,
    /// How long the record of an ended lease is kept.
    pub history: Duration,
    /// Whether webhooks may go to loopback and private addresses, and over plain HTTP.
    pub private_webhooks: bool,
    /// The egress values that leases may ask for. The first is the default; there is at least one.
    pub egress: Vec<Egress>,
}

impl Default for Policy {
    /// The rules of an operator who sets nothing.
    fn default() -> Self {
        Self {
            longest_lease: Duration::from_secs(LONGEST_MINUTES * 60),
            leases_per_owner: 20,
            // As much as 20 of the largest leases take.
            owner_cpu_milli: 40_000,
            owner_memory_mb: 40_960,
            owner_disk_mb: 204_800,
            host_cpu_milli: None,
            host_memory_mb: None,
            host_disk_mb: None,
            host_containers: None,
            history: Duration::from_secs(24 * 60 * 60),
            private_webhooks: false,
            egress: vec![Egress::Open, Egress::None],
        }
    }
}
