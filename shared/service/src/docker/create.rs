//! Making a container: what the engine is asked for.

use std::collections::HashMap;

use bollard::{
    Docker,
    models::{
        ContainerCreateBody, HostConfig, HostConfigLogConfig, PortBinding, ResourcesUlimits,
        RestartPolicy, RestartPolicyNameEnum,
    },
    query_parameters::CreateContainerOptionsBuilder,
};
use containerlease_domain::{
    capacity::MEBIBYTE,
    catalogue::Port,
    container::{
        DEPLOYMENT_LABEL, DISK_LABEL, HARD_DEADLINE_LABEL, IMAGE_TYPE_LABEL, LEASE_LABEL,
        OWNER_LABEL,
    },
    lease::Lease,
    names::ContainerName,
};

use super::{CHANGE_LIMIT, Host, HostError, Made, Recipe, network::Attachment, profile};

/// Limits per process, under the engine's names: descriptors, whose memory counts as the
/// container's, and bytes of a core dump, which would use the host's disk. An engine cannot grant
/// more than it has itself.
const LIMITS: [(&str, i64); 2] = [("nofile", 16_384), ("core", 0)];
/// How much of a container's log the engine keeps, in bytes and files.
const LOG_SIZE: &str = "10m";
const LOG_FILES: &str = "2";

impl Host {
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
}

fn ulimit((name, most): (&str, i64)) -> ResourcesUlimits {
    ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: Some(most),
        hard: Some(most),
    }
}

pub(super) fn port_key(port: &Port) -> String {
    format!("{}/{}", port.container_port, port.protocol)
}
