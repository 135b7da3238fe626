//! An in-memory engine, for more races than a real one can run.
//!
//! It serves the part of Docker's API that the product uses on a unix socket, so that the
//! product's own client talks to it. Its containers run nothing: they have a state, and a
//! [`Container`] records the calls and their times. Each call pauses for a random time before
//! and after it takes effect, so that calls overlap.
//!
//! It answers like a real engine; a test compares the two.

mod answers;
mod container;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use containerlease_domain::{
    container::{DEPLOYMENT_LABEL, HARD_DEADLINE_LABEL, LEASE_LABEL, OWNER_LABEL},
    lease::Lease,
    names::{ContainerName, Deployment, LeaseId},
    time::Time,
};
use containerlease_settings::EngineAddress;
use fastrand::Rng;
use hyper::{server::conn::http1 as server, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::UnixListener, task::JoinHandle};

use crate::proxy::new_folder;
use answers::answer;
pub use container::{Container, Status};

/// An engine that stops on drop.
pub struct Engine {
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
    folder: PathBuf,
}

struct Shared {
    state: Mutex<State>,
    random: Mutex<Rng>,
    longest_pause: Duration,
}

#[derive(Default)]
struct State {
    /// All containers ever made, in order of creation.
    containers: Vec<Container>,
    /// The existing containers, by id and by name.
    there: HashMap<String, usize>,
    networks: Vec<(String, String, BTreeMap<String, String>)>,
    removals_refused: bool,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Engine").field(&self.folder).finish()
    }
}

impl Engine {
    /// An engine without containers. Each call takes up to two pauses of at most
    /// `longest_pause`; `seed` makes them repeatable.
    ///
    /// # Panics
    ///
    /// If no unix socket can be made.
    pub fn new(seed: u64, longest_pause: Duration) -> Self {
        let folder = new_folder();
        let listener = UnixListener::bind(folder.join("engine.sock"));
        let listener = listener.expect("a unix socket can be made");
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            random: Mutex::new(Rng::with_seed(seed)),
            longest_pause,
        });
        let serving = Arc::clone(&shared);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                let answer = service_fn(move |request| answer(request, Arc::clone(&shared)));
                let connection =
                    server::Builder::new().serve_connection(TokioIo::new(stream), answer);
                tokio::spawn(connection);
            }
        });
        Self {
            shared,
            listening,
            folder,
        }
    }

    /// Its address.
    pub fn address(&self) -> EngineAddress {
        EngineAddress::Unix(self.folder.join("engine.sock"))
    }

    /// Adds the lease's running container, as a provision would have made it at the lease's
    /// creation time.
    pub fn run(&self, lease: &Lease, deployment: &Deployment) {
        let labels = [
            (DEPLOYMENT_LABEL, deployment.as_str().to_owned()),
            (LEASE_LABEL, lease.id.to_string()),
            (OWNER_LABEL, lease.owner.as_str().to_owned()),
            (HARD_DEADLINE_LABEL, lease.hard_deadline.to_string()),
        ];
        let labels = labels.map(|(name, value)| (name.to_owned(), value)).into();
        let name = ContainerName::of_lease(&lease.id);
        let mut state = self.shared.state();
        let index = state.add(name.as_str(), labels, lease.created_at);
        state.containers[index].status = Status::Running;
    }

    /// Adds a container without a lease, and returns its id.
    pub fn stray(&self, name: &str, labels: &[(&str, &str)], created_at: Time) -> String {
        let labels = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut state = self.shared.state();
        let index = state.add(name, labels.collect(), created_at);
        state.containers[index].id.clone()
    }

    /// Ends the program of the lease's container.
    pub fn exit(&self, id: &LeaseId, code: i64) {
        self.change(id, |container| container.stop(code));
    }

    /// Removes the lease's container behind the product's back.
    pub fn vanish(&self, id: &LeaseId) {
        self.change(id, |container| container.stop(137));
        let name = ContainerName::of_lease(id);
        self.shared.state().remove(name.as_str());
    }

    /// Makes removals fail from now on, or succeed again.
    pub fn refuse_removals(&self, refused: bool) {
        self.shared.state().removals_refused = refused;
    }

    /// All containers ever made, including removed ones.
    pub fn containers(&self) -> Vec<Container> {
        self.shared.state().containers.clone()
    }

    /// The lease's container; the last one if there were several.
    pub fn of_lease(&self, id: &LeaseId) -> Option<Container> {
        let name = ContainerName::of_lease(id);
        let state = self.shared.state();
        let mut containers = state.containers.iter().rev();
        containers
            .find(|container| container.name == name.as_str())
            .cloned()
    }

    fn change(&self, id: &LeaseId, change: impl FnOnce(&mut Container)) {
        let name = ContainerName::of_lease(id);
        if let Some(container) = self.shared.state().get(name.as_str()) {
            change(container);
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.listening.abort();
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

impl State {
    fn add(&mut self, name: &str, labels: BTreeMap<String, String>, created_at: Time) -> usize {
        let index = self.containers.len();
        let id = format!("{index:064x}");
        self.there.insert(id.clone(), index);
        self.there.insert(name.to_owned(), index);
        self.containers.push(Container {
            id,
            name: name.to_owned(),
            labels,
            created_at,
            status: Status::Created,
            log: Vec::new(),
            touched_at: None,
            stopped_at: None,
            removed_at: None,
            stops_asked: 0,
            removals_asked: 0,
        });
        index
    }

    /// The existing container of that id or name.
    fn get(&mut self, name: &str) -> Option<&mut Container> {
        let index = *self.there.get(name)?;
        self.containers.get_mut(index)
    }

    fn remove(&mut self, name: &str) {
        let Some(container) = self.get(name) else {
            return;
        };
        container.status = Status::Gone;
        container.removed_at = Some(Time::now());
        let names = [container.id.clone(), container.name.clone()];
        for name in names {
            self.there.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests;
