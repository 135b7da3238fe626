//! Stopping and removing a container.

use std::time::Duration;

use bollard::{
    Docker,
    query_parameters::{RemoveContainerOptionsBuilder, StopContainerOptionsBuilder},
};
use containerlease_domain::{container::Stopped, names::ContainerName};

use super::{CHANGE_LIMIT, Host, HostError, REMOVAL_LIMIT, find};

impl Host {
    /// Stops a container, by force after `grace`. Already stopped is success; none means that there
    /// is no such container.
    pub async fn stop(
        &self,
        name: &ContainerName,
        grace: Duration,
    ) -> Result<Option<Stopped>, HostError> {
        let options = &StopContainerOptionsBuilder::new()
            .t(i32::try_from(grace.as_secs()).unwrap_or(i32::MAX))
            .build();
        let stop = |docker: Docker| async move {
            let options = Some(options.clone());
            docker.stop_container(name.as_str(), options).await
        };
        let limit = grace + CHANGE_LIMIT;
        match self.client.call("stopping a container", limit, stop).await {
            Ok(()) => {}
            Err(HostError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
        match self.inspect(name).await {
            Ok(details) => {
                let state = details.state.unwrap_or_default();
                Ok(Some(find::stopped(&state)))
            }
            Err(HostError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a container with its anonymous volumes, running or not, and returns once it is gone:
    /// the engine answers after the removal. A removal by another process is waited for. A missing
    /// container is success; the result says whether it existed.
    pub async fn remove(&self, name: &ContainerName) -> Result<bool, HostError> {
        let options = &RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(true)
            .build();
        let remove = |docker: Docker| async move {
            let options = Some(options.clone());
            docker.remove_container(name.as_str(), options).await
        };
        let attempted = "removing a container";
        match self.client.call(attempted, CHANGE_LIMIT, remove).await {
            Ok(()) => Ok(true),
            Err(HostError::NotFound { .. }) => Ok(false),
            Err(HostError::RemovalInProgress) => self.wait_until_gone(name).await.map(|()| true),
            Err(error) => Err(error),
        }
    }

    /// Waits for a removal begun by another process: the container is gone only when the engine no
    /// longer knows it.
    async fn wait_until_gone(&self, name: &ContainerName) -> Result<(), HostError> {
        let gone = async {
            let mut pause = Duration::from_millis(10);
            loop {
                match self.inspect(name).await {
                    Err(HostError::NotFound { .. }) => return Ok(()),
                    Err(error) => return Err(error),
                    Ok(_) => tokio::time::sleep(pause).await,
                }
                pause = (pause * 2).min(Duration::from_millis(500));
            }
        };
        tokio::time::timeout(REMOVAL_LIMIT, gone)
            .await
            .unwrap_or(Err(HostError::TimedOut {
                attempted: "waiting for a container to be gone",
            }))
    }
}
