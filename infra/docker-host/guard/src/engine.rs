//! The two calls to the engine: a listing and a removal.
//!
//! It does not use the adapter of `shared/service`, which lists a single deployment, supports TLS
//! and brings in AWS. The guard protects against faults in that code, so it must not depend on
//! it.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use bollard::{
    Docker,
    errors::Error as ClientError,
    query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder},
};
use containerlease_domain::{
    container::{DEPLOYMENT_LABEL, HARD_DEADLINE_LABEL},
    names::ContainerName,
    time::Time,
};
use thiserror::Error;

use crate::plan::Container;

/// Time limit of one call to the engine, far below the guard's own limit.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// The client library's own limit, in seconds; ours is shorter.
const LIBRARY_LIMIT: u64 = 30;

/// The engine behind a socket, which may not exist yet.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    socket: PathBuf,
}

/// The engine did not do what was asked.
#[derive(Debug, Error)]
pub(crate) enum Fault {
    #[error("{attempted}: the engine cannot be reached: {error}")]
    Unreachable {
        attempted: &'static str,
        error: ClientError,
    },
    #[error("{attempted}: the engine did not answer in {} s", CALL_LIMIT.as_secs())]
    TimedOut { attempted: &'static str },
    #[error("{attempted}: the engine answered {status}: {message}")]
    Refused {
        attempted: &'static str,
        status: u16,
        message: String,
    },
}

/// Who removed a container. Both are success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removed {
    ByUs,
    /// Another process, such as the reaper, removed it or is removing it.
    ByAnother,
}

impl Engine {
    pub(crate) fn at(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
        }
    }

    /// All containers with the label of a deployment, whatever their state.
    pub(crate) async fn list(&self) -> Result<Vec<Container>, Fault> {
        const ATTEMPTED: &str = "listing containers";
        let ours = HashMap::from([("label", vec![DEPLOYMENT_LABEL])]);
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&ours)
            .build();
        let docker = self.connect(ATTEMPTED)?;
        let listed = limited(ATTEMPTED, docker.list_containers(Some(options))).await?;
        let containers = listed.into_iter().filter_map(|container| {
            let mut labels = container.labels.unwrap_or_default();
            Some(Container {
                name: ContainerName::listed_by_engine(container.id.as_deref()?)?,
                deployment: labels.remove(DEPLOYMENT_LABEL),
                hard_deadline: labels.remove(HARD_DEADLINE_LABEL),
                created_at: Time::from_millis(container.created?.saturating_mul(1000)),
            })
        });
        Ok(containers.collect())
    }

    /// Removes a container and its anonymous volumes, in any state. The engine answers when
    /// it is gone.
    pub(crate) async fn remove(&self, name: &ContainerName) -> Result<Removed, Fault> {
        const ATTEMPTED: &str = "removing a container";
        let options = RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(true)
            .build();
        let docker = self.connect(ATTEMPTED)?;
        let call = docker.remove_container(name.as_str(), Some(options));
        match limited(ATTEMPTED, call).await {
            Ok(()) => Ok(Removed::ByUs),
            Err(Fault::Refused { status: 404, .. }) => Ok(Removed::ByAnother),
            Err(Fault::Refused {
                status: 409,
                message,
                ..
            }) if message.contains("already in progress") => Ok(Removed::ByAnother),
            Err(fault) => Err(fault),
        }
    }

    /// A new client for each call: with a few calls a minute, reusing connections gains
    /// nothing, and a restart of the engine would break them.
    fn connect(&self, attempted: &'static str) -> Result<Docker, Fault> {
        let socket = self.socket.to_string_lossy();
        Docker::connect_with_unix(&socket, LIBRARY_LIMIT, bollard::API_DEFAULT_VERSION)
            .map_err(|error| Fault::Unreachable { attempted, error })
    }
}

async fn limited<T>(
    attempted: &'static str,
    call: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, Fault> {
    match tokio::time::timeout(CALL_LIMIT, call).await {
        Ok(answer) => answer.map_err(|error| match error {
            ClientError::DockerResponseServerError {
                status_code,
                message,
            } => Fault::Refused {
                attempted,
                status: status_code,
                message,
            },
            error => Fault::Unreachable { attempted, error },
        }),
        Err(_) => Err(Fault::TimedOut { attempted }),
    }
}
