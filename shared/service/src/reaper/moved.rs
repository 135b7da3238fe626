//! Ports that are published elsewhere than the record says: a container restarted by hand has new
//! ports.

use std::collections::{HashMap, HashSet};

use containerlease_domain::{
    container::{Binding, ManagedContainer},
    lease::{Lease, PublishedPort, State},
    names::{ContainerName, LeaseId},
};

use super::Reaper;
use crate::store::{ChangeError, Store};

/// Maximum number of leases whose ports one run updates: the updates run one after another, before
/// the run's ends. The next run updates the rest.
const IN_A_RUN: usize = 50;

/// The leases, with the ports that the engine lists. A lease that changed meanwhile stays as it was
/// read. So does one whose end has `begun`: a new version would invalidate its claim.
pub(super) async fn with_ports(
    reaper: &Reaper,
    leases: Vec<Lease>,
    containers: &[ManagedContainer],
    begun: &HashSet<LeaseId>,
) -> Vec<Lease> {
    let by_id: HashMap<&ContainerName, &ManagedContainer> = containers
        .iter()
        .map(|container| (&container.name, container))
        .collect();
    let mut after = Vec::with_capacity(leases.len());
    let mut written = 0;
    for lease in leases {
        let container = by_id
            .get(&lease.container())
            .filter(|_| !begun.contains(&lease.id) && written < IN_A_RUN);
        let moved = container.and_then(|container| ports(&lease, &container.bindings));
        after.push(match moved {
            // Boxed: a run's own future is large, and this is rare.
            Some(ports) => {
                written += 1;
                Box::pin(note_ports(&reaper.store, &lease, ports))
                    .await
                    .unwrap_or(lease)
            }
            None => lease,
        });
    }
    after
}

/// Records a lease's current ports; none if they were not written.
pub(super) async fn note_ports(
    store: &Store,
    lease: &Lease,
    ports: Vec<PublishedPort>,
) -> Option<Lease> {
    match store.move_ports(lease, ports).await {
        Ok(moved) => {
            tracing::info!(lease = %lease.id, "a container was restarted; its ports are new");
            Some(moved)
        }
        Err(ChangeError::Changed(_)) => None,
        Err(ChangeError::Store(error)) => {
            tracing::warn!(lease = %lease.id, %error, "could not write new ports");
            None
        }
    }
}

/// The ports of a running lease, if the engine has published any of them elsewhere. A stopped
/// container has no ports, which proves nothing.
fn ports(lease: &Lease, bindings: &[Binding]) -> Option<Vec<PublishedPort>> {
    let placement = lease.placement.as_ref()?;
    if lease.state != State::Running {
        return None;
    }
    let mut moved = false;
    let mut ports = placement.ports.clone();
    for port in &mut ports {
        let its = bindings.iter().filter(|binding| {
            binding.container_port == port.port.container_port
                && binding.protocol == port.port.protocol
        });
        // A port published on IPv4 and IPv6 is listed twice.
        let its: Vec<u16> = its.map(|binding| binding.host_port).collect();
        if let [first, ..] = its[..]
            && !its.contains(&port.host_port)
        {
            port.host_port = first;
            moved = true;
        }
    }
    moved.then_some(ports)
}
