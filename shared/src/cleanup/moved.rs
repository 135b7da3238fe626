//! Ports that are published elsewhere than the record says: a container that somebody has
//! restarted has new ones.

use std::collections::{HashMap, HashSet};

use super::Reaper;
use crate::{
    host::{Binding, ManagedContainer},
    lease::{Lease, PublishedPort, State},
    names::{ContainerName, LeaseId},
    store::{ChangeError, Store},
};

/// How many new ports are written in a run at the most: they go one after another, and before what
/// the run ends. The next run has the rest.
const IN_A_RUN: usize = 50;

/// The leases, each with its ports as the engine lists them. A lease that somebody else has
/// changed meanwhile stays as it was read, and so does one that is ending already (`begun`): a
/// new version would take its claim away.
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
            // Boxed: a run's own future is large, and this is seldom.
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

/// Has on record where a lease's ports are now; none where it was not written.
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

/// The ports of a running lease, if the engine has published any of them elsewhere. A
/// container that does not run has none, which says nothing.
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
        // One that is published on IPv4 and IPv6 is listed twice.
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
