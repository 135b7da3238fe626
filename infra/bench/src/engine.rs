//! The engine behind the product's back: the measurement's own deployment on it, its events,
//! and removals by a plain client.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bollard::{
    Docker,
    models::{ContainerSummary, EventMessage},
    query_parameters::{
        EventsOptionsBuilder, ListContainersOptionsBuilder, ListNetworksOptionsBuilder,
        ListVolumesOptions, RemoveContainerOptionsBuilder, StopContainerOptionsBuilder,
    },
};
use containerlease_domain::{
    container::{DEPLOYMENT_LABEL, LEASE_LABEL},
    time::Time,
};
use containerlease_settings::{EngineAddress, Settings};
use futures_util::{StreamExt, stream};
use tokio::task::JoinHandle;

use crate::{Fallible, Problem, say};

/// The prefix of every measurement's deployment, which identifies the remains of a killed one.
pub const PREFIX: &str = "bench-";

/// The library's own time limit until an answer's head, in seconds.
const CALL_LIMIT: u64 = 120;

/// An engine, and a deployment on it that only this measurement uses.
#[derive(Clone, Debug)]
pub struct Engine {
    docker: Docker,
    socket: PathBuf,
    deployment: String,
}

/// How a container is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Like the product: stop with a grace in seconds, then remove by force.
    StopAndRemove(i32),
    /// At once, by force.
    Force,
}

impl Engine {
    /// A new deployment on the engine that `DOCKER_HOST` names.
    pub async fn new(kind: &str) -> Fallible<Self> {
        let EngineAddress::Unix(socket) = Settings::from_env()?.engine else {
            return Err(
                "measurements need the engine's unix socket: set DOCKER_HOST to \
                        unix://… or leave it out"
                    .into(),
            );
        };
        let docker = Docker::connect_with_unix(
            &socket.to_string_lossy(),
            CALL_LIMIT,
            bollard::API_DEFAULT_VERSION,
        )?;
        docker.ping().await?;
        let random: String = std::iter::repeat_with(fastrand::lowercase)
            .take(6)
            .collect();
        Ok(Self {
            docker,
            socket,
            deployment: format!("{PREFIX}{kind}-{random}"),
        })
    }

    /// A deployment on an engine with an existing client.
    pub fn of(docker: Docker, socket: PathBuf, deployment: &str) -> Self {
        Self {
            docker,
            socket,
            deployment: deployment.to_owned(),
        }
    }

    /// A direct client of the engine.
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// The engine's socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The deployment's name.
    pub fn deployment(&self) -> &str {
        &self.deployment
    }

    /// Another deployment on the same engine, named after this one.
    pub fn beside(&self, suffix: &str) -> Self {
        Self {
            deployment: format!("{}-{suffix}", self.deployment),
            ..self.clone()
        }
    }

    /// The deployment's containers, in any state.
    pub async fn containers(&self) -> Fallible<Vec<ContainerSummary>> {
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&self.labelled())
            .build();
        Ok(self.docker.list_containers(Some(options)).await?)
    }

    /// The ids of the deployment's networks.
    pub async fn networks(&self) -> Fallible<Vec<String>> {
        let options = ListNetworksOptionsBuilder::new()
            .filters(&self.labelled())
            .build();
        let listed = self.docker.list_networks(Some(options)).await?;
        Ok(listed.into_iter().filter_map(|n| n.id).collect())
    }

    /// Those of these volumes that the engine still has.
    pub async fn volumes_among(&self, ours: &HashSet<String>) -> Fallible<Vec<String>> {
        let listed = self.docker.list_volumes(None::<ListVolumesOptions>).await?;
        let names = listed
            .volumes
            .unwrap_or_default()
            .into_iter()
            .map(|v| v.name);
        Ok(names.filter(|name| ours.contains(name)).collect())
    }

    /// Removes the containers `names`, `parallel` at a time, with only the necessary calls.
    pub async fn remove(&self, names: Vec<String>, how: Removal, parallel: usize) -> Fallible<()> {
        let removals = stream::iter(names).map(|name| async move {
            if let Removal::StopAndRemove(grace) = how {
                let options = StopContainerOptionsBuilder::new().t(grace).build();
                self.docker.stop_container(&name, Some(options)).await?;
            }
            let options = RemoveContainerOptionsBuilder::new()
                .force(true)
                .v(true)
                .build();
            self.docker.remove_container(&name, Some(options)).await
        });
        let mut removals = removals.buffer_unordered(parallel);
        while let Some(removed) = removals.next().await {
            removed?;
        }
        Ok(())
    }

    /// Removes the deployment's containers and networks, even if others do so too.
    pub async fn clean(&self) -> Fallible<()> {
        // A killed server may still have a call in progress: retry.
        for _ in 0..5 {
            let left = self.containers().await?;
            let networks = self.networks().await?;
            if left.is_empty() && networks.is_empty() {
                return Ok(());
            }
            let removals = left.into_iter().filter_map(|container| container.id);
            let removals = removals.map(|id| async move {
                // Already gone is success.
                drop(self.remove(vec![id], Removal::Force, 1).await);
            });
            stream::iter(removals)
                .for_each_concurrent(8, |removal| removal)
                .await;
            for network in networks {
                drop(self.docker.remove_network(&network).await);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let name = &self.deployment;
        if !self.containers().await?.is_empty() {
            return Err(format!("containers of {name} could not be removed").into());
        }
        // Old engines sometimes miscount a network's endpoints when many containers are removed
        // at once, and release the network only at their next start.
        say(format_args!("  the engine keeps the network of {name}"));
        Ok(())
    }

    /// All deployments of measurements on this engine.
    pub async fn left_over(&self) -> Fallible<Vec<Self>> {
        let any_of_ours = HashMap::from([("label", vec![DEPLOYMENT_LABEL.to_owned()])]);
        let containers = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&any_of_ours)
            .build();
        let containers = self.docker.list_containers(Some(containers)).await?;
        let networks = ListNetworksOptionsBuilder::new()
            .filters(&any_of_ours)
            .build();
        let networks = self.docker.list_networks(Some(networks)).await?;
        let labels = containers.into_iter().map(|c| c.labels);
        let labels = labels.chain(networks.into_iter().map(|n| n.labels));
        let names: HashSet<String> = labels
            .filter_map(|labels| labels?.remove(DEPLOYMENT_LABEL))
            .filter(|name| name.starts_with(PREFIX))
            .collect();
        let named = |deployment| Self {
            deployment,
            ..self.clone()
        };
        Ok(names.into_iter().map(named).collect())
    }

    /// Begins to watch the deployment's containers.
    pub async fn watch(&self) -> Fallible<Watch> {
        let seen = Arc::<Mutex<Seen>>::default();
        let noted = Arc::clone(&seen);
        let deployment = self.deployment.clone();
        let options = EventsOptionsBuilder::new()
            .filters(&HashMap::from([
                ("type", vec!["container", "volume"]),
                ("event", vec!["create", "destroy", "die", "mount"]),
            ]))
            .build();
        let mut events = Box::pin(self.docker.events(Some(options)));
        let reading = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                match event {
                    Ok(event) => lock(&noted).note(event, &deployment),
                    Err(error) => lock(&noted).broken = Some(error.to_string()),
                }
            }
        });
        // The engine does not confirm the subscription.
        tokio::time::sleep(Duration::from_millis(500)).await;
        Ok(Watch { seen, reading })
    }

    fn labelled(&self) -> HashMap<String, Vec<String>> {
        let label = format!("{DEPLOYMENT_LABEL}={}", self.deployment);
        HashMap::from([("label".to_owned(), vec![label])])
    }
}

/// Records the engine's events about a deployment, until drop.
#[derive(Debug)]
pub struct Watch {
    seen: Arc<Mutex<Seen>>,
    reading: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Seen {
    /// When each lease's container was destroyed, in milliseconds after the epoch.
    gone: HashMap<String, f64>,
    /// When each lease's program ended, likewise.
    died: HashMap<String, f64>,
    /// The engine's ids of the deployment's containers.
    containers: HashSet<String>,
    /// Volumes that were mounted into them.
    volumes: HashSet<String>,
    broken: Option<String>,
}

impl Seen {
    fn note(&mut self, event: EventMessage, deployment: &str) {
        let Some(actor) = event.actor else { return };
        let (Some(id), Some(attributes)) = (actor.id, actor.attributes) else {
            return;
        };
        let action = event.action.unwrap_or_default();
        if action == "mount" {
            let container = attributes.get("container");
            if container.is_some_and(|container| self.containers.contains(container)) {
                self.volumes.insert(id);
            }
            return;
        }
        if attributes.get(DEPLOYMENT_LABEL).map(String::as_str) != Some(deployment) {
            return;
        }
        match action.as_str() {
            "create" => {
                self.containers.insert(id);
            }
            "destroy" | "die" => {
                let lease = attributes.get(LEASE_LABEL);
                if let (Some(lease), Some(nanos)) = (lease, event.time_nano) {
                    let times = if action == "die" {
                        &mut self.died
                    } else {
                        &mut self.gone
                    };
                    // If a container was made twice, its last removal counts.
                    times.insert(lease.clone(), millis(nanos));
                }
            }
            _ => {}
        }
    }
}

impl Watch {
    /// When each lease's container was destroyed, by lease id, in milliseconds after the
    /// epoch with the engine's own precision.
    pub fn gone(&self) -> Fallible<HashMap<String, f64>> {
        self.unbroken(|seen| seen.gone.clone())
    }

    /// When the program of each lease's container ended, likewise.
    pub fn died(&self) -> Fallible<HashMap<String, f64>> {
        self.unbroken(|seen| seen.died.clone())
    }

    fn unbroken<T>(&self, told: impl FnOnce(&Seen) -> T) -> Fallible<T> {
        let seen = lock(&self.seen);
        match &seen.broken {
            Some(broken) => Err(format!("the engine's events broke off: {broken}").into()),
            None => Ok(told(&seen)),
        }
    }

    /// The volumes that were mounted into the deployment's containers.
    pub fn volumes(&self) -> HashSet<String> {
        lock(&self.seen).volumes.clone()
    }

    /// Waits until all these leases' containers are gone, and returns when each was.
    pub async fn all_gone(&self, leases: &[String], limit: Duration) -> Fallible<Vec<f64>> {
        let waited = tokio::time::timeout(limit, async {
            loop {
                let gone = self.gone()?;
                let times: Vec<_> = leases.iter().filter_map(|l| gone.get(l)).copied().collect();
                if times.len() == leases.len() {
                    return Ok::<_, Problem>(times);
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        waited.await.unwrap_or_else(|_| {
            let gone = self.gone()?;
            let left = leases.iter().filter(|lease| !gone.contains_key(*lease));
            Err(format!("{} containers are not gone after {limit:?}", left.count()).into())
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// The lease that a listed container belongs to.
pub fn lease_of(container: &ContainerSummary) -> Option<String> {
    container.labels.as_ref()?.get(LEASE_LABEL).cloned()
}

/// Now, in milliseconds after the epoch.
pub fn now() -> f64 {
    as_millis(Time::now())
}

/// A time in milliseconds after the epoch, to compare with the engine's.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of this century are far below 2^52"
)]
pub fn as_millis(time: Time) -> f64 {
    time.as_millis() as f64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a quarter of a microsecond is lost, and milliseconds are measured"
)]
fn millis(nanos: i64) -> f64 {
    nanos as f64 / 1_000_000.0
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Ignore poisoning: every change leaves the state consistent.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
