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
mod disk;
mod error;
mod events;
mod exec;
mod find;
mod logs;
mod machine;
mod network;
mod presence;
mod profile;
mod runtime;
mod stats;
mod transport;

use std::{
    collections::{BTreeMap, HashMap},
    sync::OnceLock,
    time::Duration,
};

use bollard::{
    Docker,
    models::{
        ContainerCreateBody, ContainerInspectResponse, ContainerSummary, ContainerSummaryStateEnum,
        HostConfig, HostConfigLogConfig, PortBinding, ResourcesUlimits, RestartPolicy,
        RestartPolicyNameEnum,
    },
    query_parameters::{
        CreateContainerOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder,
        RemoveContainerOptionsBuilder, StopContainerOptionsBuilder,
    },
};
use tokio::{
    sync::{Mutex, OnceCell},
    time::Instant,
};

pub(crate) use disk::DISK_LIMIT;
pub use disk::DiskUse;
pub use error::{HostError, TlsFault};
pub use events::{Happened, HostEvent};
pub use exec::{Command, Executed, OUTPUT_LIMIT, Output};
pub use logs::{LogPiece, Read};
pub(crate) use presence::SIGN_LIMIT;
pub use stats::Usage;

use client::Client;
use disk::QuotaRefused;
use machine::EngineFacts;
use network::Attachment;
use presence::Presence;

use crate::{
    capacity::MEBIBYTE,
    catalogue::{Image, Port},
    lease::{Lease, PublishedPort},
    names::{ContainerName, Deployment, LeaseId, Owner},
    runtime::Runtime,
    settings::{EngineAddress, NetworkChoice, Publish},
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

/// Time limit of a call that only reads.
const LOOK_LIMIT: Duration = Duration::from_secs(5);
/// Time limit of a call that changes something.
const CHANGE_LIMIT: Duration = Duration::from_secs(10);
/// How long a removal begun by another process may take.
const REMOVAL_LIMIT: Duration = Duration::from_secs(10);

/// Longest time to stop a container beyond its grace, including the inspection and the log read
/// that follow.
pub(crate) const STOP_LIMIT: Duration =
    Duration::from_secs(CHANGE_LIMIT.as_secs() + LOOK_LIMIT.as_secs() + logs::END_LIMIT.as_secs());
/// Longest time to remove a container.
pub(crate) const REMOVE_LIMIT: Duration =
    Duration::from_secs(CHANGE_LIMIT.as_secs() + REMOVAL_LIMIT.as_secs());
/// Longest time to list all containers.
pub(crate) const LIST_LIMIT: Duration = CHANGE_LIMIT;

/// Limits per process, under the engine's names: descriptors, whose memory counts as the
/// container's, and bytes of a core dump, which would use the host's disk. An engine cannot grant
/// more than it has itself.
const LIMITS: [(&str, i64); 2] = [("nofile", 16_384), ("core", 0)];

/// How much of a container's log the engine keeps, in bytes and files.
const LOG_SIZE: &str = "10m";
const LOG_FILES: &str = "2";

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

    /// Creates the lease's container without starting it. If a container already has the lease's
    /// name, it is adopted: a retry never creates a second one.
    pub async fn create(&self, lease: &Lease, recipe: &Recipe<'_>) -> Result<Made, HostError> {
        let network = self.attachment(&lease.egress).await?;
        let image = &recipe.image.image;
        let made = |container, image: &str, stand_in| Made {
            container,
            image: image.to_owned(),
            stand_in,
        };
        match self.create_from(lease, recipe, image, &network).await {
            Err(HostError::ImageMissing { .. }) => {}
            other => return other.map(|container| made(container, image, false)),
        }
        let stand_in = &recipe.image.stand_in;
        match self.create_from(lease, recipe, stand_in, &network).await {
            Ok(container) => Ok(made(container, stand_in, true)),
            Err(HostError::ImageMissing { .. }) => Err(HostError::ImageMissing {
                image: image.clone(),
            }),
            Err(error) => Err(error),
        }
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
                Ok(Some(Stopped::of(&state)))
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

    /// All containers of our deployment, whatever their state.
    pub async fn list(&self) -> Result<Vec<ManagedContainer>, HostError> {
        let attempted = "listing our containers";
        let listed = self.listed(attempted, CHANGE_LIMIT, false).await?;
        let managed = listed.into_iter().filter_map(|container| {
            let labels = container.labels.unwrap_or_default();
            let lease = labels.get(LEASE_LABEL).and_then(|id| id.parse().ok());
            let owner = labels
                .get(OWNER_LABEL)
                .and_then(|owner| Owner::try_from(owner.clone()).ok());
            let hard_deadline = labels.get(HARD_DEADLINE_LABEL);
            Some(ManagedContainer {
                name: ContainerName::listed_by_engine(container.id.as_deref()?)?,
                lease: owner.zip(lease),
                created_at: Time::from_millis(container.created.unwrap_or(0).saturating_mul(1000)),
                hard_deadline: hard_deadline.and_then(|label| label.parse().ok()),
                stopped: matches!(
                    container.state,
                    Some(ContainerSummaryStateEnum::EXITED | ContainerSummaryStateEnum::DEAD)
                )
                .then(|| Stopped {
                    exit_code: container.status.as_deref().and_then(exit_code),
                    out_of_memory: false,
                    at: None,
                }),
                bindings: (container.ports.unwrap_or_default().iter())
                    .filter_map(Binding::of)
                    .collect(),
            })
        });
        Ok(managed.collect())
    }

    /// The engine's list of our containers, with or without their sizes.
    async fn listed(
        &self,
        attempted: &'static str,
        limit: Duration,
        size: bool,
    ) -> Result<Vec<ContainerSummary>, HostError> {
        let options = &ListContainersOptionsBuilder::new()
            .all(true)
            .size(size)
            .filters(&self.only_ours())
            .build();
        let list = |docker: Docker| async move {
            let options = Some(options.clone());
            docker.list_containers(options).await
        };
        self.client.call(attempted, limit, list).await
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

    async fn create_from(
        &self,
        lease: &Lease,
        recipe: &Recipe<'_>,
        image: &str,
        network: &Attachment,
    ) -> Result<ContainerName, HostError> {
        let name = ContainerName::of_lease(&lease.id);
        let options = &CreateContainerOptionsBuilder::new()
            .name(name.as_str())
            .build();
        let storage = self.storage_options(image, lease.disk_mb).await?;
        let bounded = storage.is_some();
        let body = self.body(lease, recipe, image, network, storage);
        let attempted = "making a container";
        let create = async |body: &ContainerCreateBody| {
            let create = |docker: Docker| async move {
                let (options, body) = (Some(options.clone()), body.clone());
                docker.create_container(options, body).await
            };
            self.client.call(attempted, CHANGE_LIMIT, create).await
        };
        let mut made = create(&body).await;
        // With XFS the engine only reports now whether quotas are enabled, and other storage has
        // limits of its own.
        if bounded && made.as_ref().is_err_and(HostError::may_be_of_storage) {
            let unbounded = self.body(lease, recipe, image, network, None);
            let again = create(&unbounded).await;
            if let (Ok(_), Err(error)) = (&again, &made) {
                tracing::warn!(%error, "made a container without a quota, which the engine refused");
                if error.is_of_storage() {
                    self.quota_refused.note();
                }
                made = again;
            }
        }
        match made {
            Ok(made) => {
                let id = ContainerName::listed_by_engine(&made.id);
                id.ok_or_else(|| HostError::Client {
                    attempted,
                    message: format!("the engine gave a container the id {:?}", made.id),
                })
            }
            // A container that somebody else gave this name is not the lease's.
            Err(HostError::NameTaken) => self.named(lease).await?.ok_or(HostError::NameTaken),
            Err(HostError::NotFound { .. }) => Err(HostError::ImageMissing {
                image: image.to_owned(),
            }),
            Err(error) => Err(error),
        }
    }

    /// The request to the engine. Everything that could hurt the host or the neighbours is off
    /// unless the catalogue grants it.
    fn body(
        &self,
        lease: &Lease,
        recipe: &Recipe<'_>,
        image: &str,
        network: &Attachment,
        storage: Option<HashMap<String, String>>,
    ) -> ContainerCreateBody {
        let disk = lease.disk_mb.map(|limit| (DISK_LABEL, limit.to_string()));
        let labels = [
            (DEPLOYMENT_LABEL, self.deployment.as_str().to_owned()),
            (LEASE_LABEL, lease.id.to_string()),
            (OWNER_LABEL, lease.owner.as_str().to_owned()),
            (IMAGE_TYPE_LABEL, lease.image_type.to_string()),
            (HARD_DEADLINE_LABEL, lease.hard_deadline.to_string()),
        ];
        let memory = i64::from(lease.memory_mb) * MEBIBYTE.cast_signed();
        // A single file is limited to the whole disk limit. This also covers deleted files that are
        // still open, which no measurement sees.
        let largest_file =
            (lease.disk_mb).map(|limit| ("fsize", i64::from(limit) * MEBIBYTE.cast_signed()));
        let ports = recipe.ports;
        let any_free_port = PortBinding {
            host_ip: Some(self.publish.address.to_string()),
            host_port: Some(String::new()),
        };
        let log_options = [("max-size", LOG_SIZE), ("max-file", LOG_FILES)];
        let host_config = HostConfig {
            memory: Some(memory),
            // Equal to the memory limit: no swap.
            memory_swap: Some(memory),
            nano_cpus: Some(i64::from(lease.cpu_milli) * 1_000_000),
            pids_limit: Some(recipe.image.processes),
            cap_drop: Some(vec!["ALL".to_owned()]),
            cap_add: Some(recipe.image.capabilities.clone()),
            security_opt: Some(vec![
                "no-new-privileges".to_owned(),
                profile::system_calls(),
            ]),
            ulimits: Some(LIMITS.into_iter().chain(largest_file).map(ulimit).collect()),
            // An init process that forwards signals and reaps orphans, so that a stop does not take
            // its whole grace.
            init: Some(true),
            // The lease decides when a container ends; a dead one is not restarted.
            restart_policy: Some(RestartPolicy {
                name: Some(RestartPolicyNameEnum::NO),
                maximum_retry_count: None,
            }),
            network_mode: Some(network.mode()),
            dns: network.name_servers(),
            port_bindings: Some(
                ports
                    .iter()
                    .map(|port| (port_key(port), Some(vec![any_free_port.clone()])))
                    .collect(),
            ),
            storage_opt: storage,
            runtime: (self.runtime_of(recipe.image)).map(|runtime| runtime.as_str().to_owned()),
            readonly_rootfs: Some(recipe.image.read_only),
            tmpfs: Some(recipe.image.tmpfs.clone().into_iter().collect()),
            log_config: Some(HostConfigLogConfig {
                typ: Some("json-file".to_owned()),
                config: Some(
                    log_options
                        .map(|(name, value)| (name.to_owned(), value.to_owned()))
                        .into(),
                ),
            }),
            ..HostConfig::default()
        };
        ContainerCreateBody {
            image: Some(image.to_owned()),
            cmd: recipe.command.map(<[String]>::to_vec),
            env: Some(
                recipe
                    .env
                    .iter()
                    .map(|(key, value)| format!("{key}={value}"))
                    .collect(),
            ),
            labels: Some(
                labels
                    .into_iter()
                    .chain(disk)
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect(),
            ),
            exposed_ports: Some(ports.iter().map(port_key).collect()),
            networking_config: network.endpoints(),
            user: recipe.image.user.clone(),
            host_config: Some(host_config),
            ..ContainerCreateBody::default()
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

    /// A listing filter for our deployment's containers.
    fn only_ours(&self) -> HashMap<&'static str, Vec<String>> {
        let label = format!("{DEPLOYMENT_LABEL}={}", self.deployment.as_str());
        HashMap::from([("label", vec![label])])
    }
}

/// The exit code in a listing's status, as in `Exited (137) 2 minutes ago`: the listing has it
/// nowhere else.
fn exit_code(status: &str) -> Option<i64> {
    let (code, _) = status.strip_prefix("Exited (")?.split_once(')')?;
    code.parse().ok()
}

fn ulimit((name, most): (&str, i64)) -> ResourcesUlimits {
    ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: Some(most),
        hard: Some(most),
    }
}

fn port_key(port: &Port) -> String {
    format!("{}/{}", port.container_port, port.protocol)
}
