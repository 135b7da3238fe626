//! Common parts of the verbs that work inside a running container.

use containerlease_domain::{
    lease::{Lease, State},
    names::{ContainerName, LeaseId, Owner},
    time::Time,
};
use thiserror::Error;

use crate::{
    docker::HostError,
    store::{Store, StoreError},
};

/// Why a verb cannot work inside a lease's container.
#[derive(Debug, Error)]
pub enum InsideError {
    #[error("the owner has no such lease")]
    NotFound,
    #[error("the lease is still being provisioned")]
    NotYetRunning,
    #[error("the lease is over")]
    Over,
    /// Its program has ended or its container has vanished. The reaper will end the lease.
    #[error("the container has stopped, and the lease ends with it")]
    Stopped,
    #[error("the container is paused")]
    Paused,
    /// The command is not in the image, or cannot be executed.
    #[error("the command cannot be run: {0}")]
    CannotRun(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Host(HostError),
}

impl From<HostError> for InsideError {
    fn from(error: HostError) -> Self {
        match error {
            HostError::NotFound { .. }
            | HostError::NotRunning { .. }
            | HostError::RemovalInProgress => Self::Stopped,
            HostError::Paused { .. } => Self::Paused,
            HostError::CannotRun { message, .. } => Self::CannotRun(message),
            other => Self::Host(other),
        }
    }
}

/// The owner's lease and its container, if the lease is running at `now`.
pub(crate) async fn running(
    store: &Store,
    owner: &Owner,
    id: &LeaseId,
    now: Time,
) -> Result<(Lease, ContainerName), InsideError> {
    let lease = store.get(owner, id).await?.ok_or(InsideError::NotFound)?;
    match lease.state {
        State::Provisioning => Err(InsideError::NotYetRunning),
        State::Running if !lease.is_expired(now) => {
            let container = lease.container();
            Ok((lease, container))
        }
        _ => Err(InsideError::Over),
    }
}
