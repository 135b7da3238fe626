//! The containers of our deployment as the engine shows them, and the labels that we give them.

#[cfg(any(test, feature = "sample"))]
mod sample;

use crate::{
    names::{ContainerName, LeaseId, Owner},
    time::Time,
};

/// The label with our deployment's name.
pub const DEPLOYMENT_LABEL: &str = "containerlease.deployment";
/// The label with the lease's id.
pub const LEASE_LABEL: &str = "containerlease.lease";
/// The label with the lease's owner.
pub const OWNER_LABEL: &str = "containerlease.owner";
/// The label with the name of the image in the catalogue.
pub const IMAGE_TYPE_LABEL: &str = "containerlease.image-type";
/// The label with the time that no renewal can pass, in RFC 3339. A guard on the host needs only
/// this to end a container whose control plane is gone.
pub const HARD_DEADLINE_LABEL: &str = "containerlease.hard-deadline";
/// The label with the container's limit on the host's disk, in mebibytes.
pub const DISK_LABEL: &str = "containerlease.disk-mb";

/// A container of our deployment, as the engine lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedContainer {
    /// The engine's own id.
    pub name: ContainerName,
    /// The lease that its labels name; none if they are invalid.
    pub lease: Option<(Owner, LeaseId)>,
    /// Precise to the second.
    pub created_at: Time,
    /// The value of [`HARD_DEADLINE_LABEL`]; none if it is missing or invalid.
    pub hard_deadline: Option<Time>,
    /// How its program ended; none while it may run.
    pub stopped: Option<Stopped>,
    /// Where its ports are published.
    pub bindings: Vec<Binding>,
}

/// A port of a container, and the host's port on which it is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    pub container_port: u16,
    pub protocol: String,
    pub host_port: u16,
}

/// How a container stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    pub exit_code: Option<i64>,
    /// Whether the kernel killed a program in it for lack of memory. Unknown from a listing.
    pub out_of_memory: bool,
    /// When it stopped, by the engine's clock. Unknown from a listing.
    pub at: Option<Time>,
}

/// A container without a lease that an earlier run of the reaper has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    pub container: ContainerName,
    pub first_seen: Time,
}
