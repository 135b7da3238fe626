//! Containers for tests, which change what they are about.

use super::{ManagedContainer, Stopped};
use crate::{lease::Lease, names::ContainerName, time::Time};

impl ManagedContainer {
    /// A running container whose labels name this lease, or none. Its name is hexadecimal.
    pub fn sample(name: &str, of: Option<&Lease>, created_at: Time) -> Self {
        Self {
            name: ContainerName::listed_by_engine(name).expect("the name is hexadecimal"),
            lease: of.map(|lease| (lease.owner.clone(), lease.id)),
            created_at,
            hard_deadline: of.map(|lease| lease.hard_deadline),
            stopped: None,
            bindings: vec![],
        }
    }
}

impl Stopped {
    /// The end of a program with this exit code, as a listing shows it.
    pub fn sample(exit_code: Option<i64>) -> Self {
        Self {
            exit_code,
            out_of_memory: false,
            at: None,
        }
    }
}
