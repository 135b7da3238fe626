//! The plan of a reaper run.
//!
//! - [`minutes`]: some runs, as text for a reader.
//! - [`always`]: rules that hold for all leases, containers and sightings.

mod always;
mod minutes;

use containerlease_domain::{
    container::{ManagedContainer, Sighting},
    lease::Lease,
    names::Owner,
    time::Time,
};

use crate::{MINUTE, NOW, SECOND};

fn until() -> Time {
    NOW.plus(65 * SECOND)
}

fn other() -> Owner {
    Owner::try_from("other".to_owned()).expect("the name keeps to its bounds")
}

fn container(name: &str, of: Option<&Lease>) -> ManagedContainer {
    ManagedContainer::sample(name, of, NOW.minus(5 * MINUTE))
}

fn sighting(of: &ManagedContainer, first_seen: Time) -> Sighting {
    Sighting {
        container: of.name.clone(),
        first_seen,
    }
}
