//! The test's own deployment on the engine, inspected behind the product's back.

use std::{collections::HashMap, path::Path, time::Duration};

use bollard::{
    Docker,
    models::{ContainerCreateBody, ContainerInspectResponse, ContainerSummary, Network},
    query_parameters::{
        CreateContainerOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder,
        ListNetworksOptionsBuilder, RemoveContainerOptionsBuilder,
    },
};
use containerlease_domain::{container::DEPLOYMENT_LABEL, names::Deployment};
use containerlease_settings::{EngineAddress, Settings};
use tokio::sync::{Semaphore, SemaphorePermit};

/// The label of the containers that [`Place::stray`] makes.
const STRAY_LABEL: &str = "containerlease.testkit";

/// Maximum number of places at once. Each has its own network, and an engine has addresses
/// for about thirty networks, some of which others may use.
static PLACES: Semaphore = Semaphore::const_new(20);

/// A deployment that only this test uses. On drop, even when the test fails, its containers
/// and its network are removed.
#[derive(Debug)]
pub struct Place {
    deployment: Deployment,
    engine: EngineAddress,
    docker: Docker,
    _room: SemaphorePermit<'static>,
}

impl Place {
    /// A new, empty deployment on the engine that `DOCKER_HOST` names. Waits until there is
    /// room for one.
    ///
    /// # Panics
    ///
    /// If no engine answers: a test that needs one must not pass without it.
    pub async fn new() -> Self {
        let settings = Settings::from_env().expect("the environment's settings can be read");
        let random = uuid::Uuid::new_v4().simple().to_string();
        let deployment = format!("test-{}", &random[..10]);
        let place = Self {
            deployment: deployment.parse().expect("the name keeps to its bounds"),
            docker: connect(&settings.engine),
            engine: settings.engine,
            _room: PLACES.acquire().await.expect("it is never closed"),
        };
        if let Err(error) = place.docker.ping().await {
            panic!(
                "these tests need a Docker engine, and none answers at {:?} ({error}): start one, \
                 or set DOCKER_HOST",
                place.engine
            );
        }
        place
    }

    /// The deployment's name.
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// The engine's address.
    pub fn engine(&self) -> &EngineAddress {
        &self.engine
    }

    /// The engine's socket.
    pub fn socket(&self) -> &Path {
        match &self.engine {
            EngineAddress::Unix(socket) => socket,
            EngineAddress::Tls { .. } => unreachable!("a place refuses it"),
        }
    }

    /// A direct client of the engine, without the product's proxy.
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// The deployment's containers, in any state.
    pub async fn containers(&self) -> Vec<ContainerSummary> {
        containers(&self.docker, DEPLOYMENT_LABEL, &self.deployment)
            .await
            .expect("the engine lists its containers")
    }

    /// The deployment's networks.
    pub async fn networks(&self) -> Vec<Network> {
        networks(&self.docker, &self.deployment)
            .await
            .expect("the engine lists its networks")
    }

    /// The engine's record of the container of the lease `id`, if there is one.
    pub async fn container_of(&self, id: &str) -> Option<ContainerInspectResponse> {
        let name = format!("containerlease-{id}");
        let options = None::<InspectContainerOptions>;
        self.docker.inspect_container(&name, options).await.ok()
    }

    /// Whether the engine knows a container of this id or name.
    pub async fn is_there(&self, name: &str) -> bool {
        let options = None::<InspectContainerOptions>;
        self.docker.inspect_container(name, options).await.is_ok()
    }

    /// Removes the container of the lease `id` behind the product's back.
    pub async fn remove_behind_its_back(&self, id: &str) {
        remove(&self.docker, &format!("containerlease-{id}")).await;
    }

    /// Makes a container with these labels but without a lease, and returns its id. It is not
    /// started. Whatever its labels, it is removed with the place.
    pub async fn stray(&self, labels: &[(&str, &str)]) -> String {
        let name = format!("stray-{}", uuid::Uuid::new_v4().simple());
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        let ours = [(STRAY_LABEL, self.deployment.as_str())];
        let labels = ours.iter().chain(labels);
        let labels = labels.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let body = ContainerCreateBody {
            image: Some("containerlease/stand-in-alpine:1".to_owned()),
            cmd: Some(vec!["sleep".to_owned(), "60".to_owned()]),
            labels: Some(labels.collect()),
            ..ContainerCreateBody::default()
        };
        let made = self.docker.create_container(Some(options), body).await;
        made.expect("a stray container can be made").id
    }

    /// Removes the deployment's containers and networks.
    pub async fn clean(&self) {
        clean(&self.docker, &self.deployment).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Use a separate runtime, because the test's own may be gone or busy failing.
        let (engine, deployment) = (self.engine.clone(), self.deployment.clone());
        let cleaning = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            if let Ok(runtime) = runtime {
                runtime.block_on(async {
                    let docker = connect(&engine);
                    let cleaned = clean(&docker, &deployment);
                    let limit = Duration::from_secs(60);
                    // Nothing more can be done about what is left.
                    drop(tokio::time::timeout(limit, cleaned).await);
                });
            }
        });
        drop(cleaning.join());
    }
}

/// A direct client of the engine.
pub(crate) fn connect(engine: &EngineAddress) -> Docker {
    const SECONDS: u64 = 60;
    match engine {
        EngineAddress::Unix(path) => Docker::connect_with_unix(
            &path.to_string_lossy(),
            SECONDS,
            bollard::API_DEFAULT_VERSION,
        )
        .expect("a client for a unix socket can be made"),
        EngineAddress::Tls { .. } => panic!(
            "these tests put faults between the product and the engine's unix socket: set \
             DOCKER_HOST to unix://… or leave it out"
        ),
    }
}

fn labelled(label: &str, deployment: &Deployment) -> HashMap<String, Vec<String>> {
    let label = format!("{label}={}", deployment.as_str());
    HashMap::from([("label".to_owned(), vec![label])])
}

async fn containers(
    docker: &Docker,
    label: &str,
    deployment: &Deployment,
) -> Result<Vec<ContainerSummary>, bollard::errors::Error> {
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&labelled(label, deployment))
        .build();
    docker.list_containers(Some(options)).await
}

async fn networks(
    docker: &Docker,
    deployment: &Deployment,
) -> Result<Vec<Network>, bollard::errors::Error> {
    let options = ListNetworksOptionsBuilder::new()
        .filters(&labelled(DEPLOYMENT_LABEL, deployment))
        .build();
    docker.list_networks(Some(options)).await
}

async fn clean(docker: &Docker, deployment: &Deployment) {
    // A handler that was cut off may still have a call in progress, and a busy engine may keep
    // a network for seconds: retry.
    for _ in 0..25 {
        for label in [DEPLOYMENT_LABEL, STRAY_LABEL] {
            let left = containers(docker, label, deployment).await;
            for container in left.unwrap_or_default() {
                remove(docker, container.id.as_deref().unwrap_or_default()).await;
            }
        }
        let left = networks(docker, deployment).await.unwrap_or_default();
        let mut all_gone = true;
        for id in left.iter().filter_map(|network| network.id.as_deref()) {
            all_gone &= docker.remove_network(id).await.is_ok();
        }
        if all_gone {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn remove(docker: &Docker, name: &str) {
    let options = RemoveContainerOptionsBuilder::new()
        .force(true)
        .v(true)
        .build();
    // Already gone is success.
    drop(docker.remove_container(name, Some(options)).await);
}
