//! The host: the Docker engine, with the operations that leases need.
//!
//! Every call has a time limit far below the reaper's tick. Its error is translated here, once: the
//! engine's status codes and sentences become a named [`HostError`]. "Already gone", "already
//! stopped" and "removal already in progress" are success.
//!
//! Only containers with our deployment's label are ever listed or removed. A container is
//! identified by its lease's id, or by the id under which the engine listed it.

mod certificates;
mod client;
mod container_log;
mod create;
mod disk;
mod error;
mod events;
mod exec;
mod find;
mod list;
mod machine;
mod network;
mod presence;
mod profile;
mod remove;
mod runtime;
mod stats;
mod transport;

use std::{collections::BTreeMap, sync::OnceLock, time::Duration};

use bollard::{
    Docker, models::ContainerInspectResponse, query_parameters::InspectContainerOptions,
};
use tokio::{
    sync::{Mutex, OnceCell},
    time::Instant,
};

pub use container_log::{LogPiece, Read};
pub(crate) use disk::DISK_LIMIT;
pub use disk::DiskUse;
pub use error::{HostError, TlsFault};
pub use events::{Happened, HostEvent};
pub use exec::{Command, Executed, OUTPUT_LIMIT, Output};
pub(crate) use presence::SIGN_LIMIT;
pub use stats::Usage;

use client::Client;
use create::port_key;
use disk::QuotaRefused;
use machine::EngineFacts;
use presence::Presence;

use containerlease_domain::{
    catalogue::{Image, Port},
    lease::PublishedPort,
    names::{ContainerName, Deployment},
    runtime::Runtime,
    time::Time,
};
use containerlease_settings::{EngineAddress, NetworkChoice, Publish};

/// Time limit of a call that only reads.
const LOOK_LIMIT: Duration = Duration::from_secs(5);
/// Time limit of a call that changes something.
const CHANGE_LIMIT: Duration = Duration::from_secs(10);
/// How long a removal begun by another process may take.
const REMOVAL_LIMIT: Duration = Duration::from_secs(10);

/// Longest time to stop a container beyond its grace, including the inspection and the log read
/// that follow.
pub(crate) const STOP_LIMIT: Duration = Duration::from_secs(
    CHANGE_LIMIT.as_secs() + LOOK_LIMIT.as_secs() + container_log::END_LIMIT.as_secs(),
);
/// Longest time to remove a container.
pub(crate) const REMOVE_LIMIT: Duration =
    Duration::from_secs(CHANGE_LIMIT.as_secs() + REMOVAL_LIMIT.as_secs());
/// Longest time to list all containers.
pub(crate) const LIST_LIMIT: Duration = CHANGE_LIMIT;

/// The Docker engine.
#[derive(Debug)]
pub struct Host {
    client: Client,
    presence: Presence,
    deployment: Deployment,
    publish: Publish,
    choice: NetworkChoice,
    /// The runtime of containers whose image type names none; none for the engine's default.
    runtime: Option<Runtime>,
    /// The engine allows two networks with the same name, so only one of our calls at a time may
    /// look for the network and create it.
    network: Mutex<()>,
    /// Known after the first request for it.
    facts: OnceCell<EngineFacts>,
    quota_refused: QuotaRefused,
    /// The last measured sizes of volumes, with their time. Locked during a measurement, since only
    /// one may be requested at a time.
    volumes: Mutex<Option<(Instant, disk::Sizes)>>,
    /// How many containers their network has room for, known once it exists.
    addresses: OnceLock<u32>,
}

/// What a lease's container is made of, besides the lease itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe<'r> {
    pub image: &'r Image,
    pub command: Option<&'r [String]>,
    pub env: &'r BTreeMap<String, String>,
    /// The published ports, each on a free port of the host.
    pub ports: &'r [Port],
}

/// A container that was created, with its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The engine's own id.
    pub container: ContainerName,
    pub image: String,
    pub stand_in: bool,
}

/// The engine's data that readiness shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineVersion {
    pub version: String,
    pub api_version: String,
}

impl Host {
    /// A host on the engine at `address`. Sends nothing yet; only reads certificates from a folder.
    /// A secret with certificates is read later with the AWS settings `aws`.
    pub fn new(
        address: &EngineAddress,
        aws: &aws_config::SdkConfig,
        deployment: Deployment,
        publish: Publish,
        choice: NetworkChoice,
    ) -> Result<Self, HostError> {
        Ok(Self {
            client: Client::new(address, aws)?,
            presence: Presence::new(),
            deployment,
            publish,
            choice,
            runtime: None,
            network: Mutex::new(()),
            facts: OnceCell::new(),
            quota_refused: QuotaRefused::default(),
            volumes: Mutex::new(None),
            addresses: OnceLock::new(),
        })
    }

    /// The engine's version. The answer proves that the engine is up and accepts our certificate.
    pub async fn version(&self) -> Result<EngineVersion, HostError> {
        let version = |docker: Docker| async move { docker.version().await };
        let attempted = "asking the engine for its version";
        let answer = self.client.call(attempted, LOOK_LIMIT, version).await?;
        Ok(EngineVersion {
            version: answer.version.unwrap_or_default(),
            api_version: answer.api_version.unwrap_or_default(),
        })
    }

    /// When the first of the certificates needed to reach the engine expires, as far as known. None
    /// over a socket.
    pub async fn certificate_expiry(&self) -> Option<Time> {
        self.client.first_expiry().await
    }

    /// Starts the lease's container. Already running is success.
    pub async fn start(&self, name: &ContainerName) -> Result<(), HostError> {
        let start =
            |docker: Docker| async move { docker.start_container(name.as_str(), None).await };
        self.client
            .call("starting a container", 2 * CHANGE_LIMIT, start)
            .await
    }

    /// Where the ports of a started container can be reached. If its command is not in its image,
    /// it has ended by now, which is an error.
    pub async fn started(
        &self,
        name: &ContainerName,
        ports: &[Port],
    ) -> Result<Vec<PublishedPort>, HostError> {
        let details = self.inspect(name).await?;
        let state = details.state.unwrap_or_default();
        // The init process starts whatever the command is, and exits with a shell's codes for
        // "cannot be executed" and "not found".
        if state.running == Some(false) && matches!(state.exit_code, Some(126 | 127)) {
            return Err(HostError::CannotRun {
                attempted: "starting a container",
                message: "its command cannot be executed".to_owned(),
            });
        }
        let bindings = details
            .network_settings
            .and_then(|settings| settings.ports)
            .unwrap_or_default();
        let published = ports.iter().filter_map(|port| {
            let binding = bindings.get(&port_key(port))?.as_ref()?.first()?;
            Some(PublishedPort {
                port: port.clone(),
                host: self.publish.advertised_host.clone(),
                host_port: binding.host_port.as_ref()?.parse().ok()?,
            })
        });
        Ok(published.collect())
    }

    async fn inspect(&self, name: &ContainerName) -> Result<ContainerInspectResponse, HostError> {
        let inspect = |docker: Docker| async move {
            let options = None::<InspectContainerOptions>;
            docker.inspect_container(name.as_str(), options).await
        };
        self.client
            .call("looking at a container", LOOK_LIMIT, inspect)
            .await
    }
}
