//! An in-memory engine, for more races than a real one can run.
//!
//! It serves the part of Docker's API that the product uses on a unix socket, so that the
//! product's own client talks to it. Its containers run nothing: they have a state, and a
//! [`Container`] records the calls and their times. Each call pauses for a random time before
//! and after it takes effect, so that calls overlap.
//!
//! It answers like a real engine; a test compares the two.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use containerlease_shared::{
    host::{DEPLOYMENT_LABEL, HARD_DEADLINE_LABEL, LEASE_LABEL, OWNER_LABEL},
    lease::Lease,
    names::{ContainerName, Deployment, LeaseId},
    settings::EngineAddress,
    time::Time,
};
use fastrand::Rng;
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::{
    Request, Response, StatusCode, body::Incoming, server::conn::http1 as server,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::{net::UnixListener, task::JoinHandle};

use crate::proxy::new_folder;

/// An engine that stops on drop.
pub struct Engine {
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
    folder: PathBuf,
}

/// A container and its history. Its record stays after its removal.
#[derive(Clone, Debug)]
pub struct Container {
    pub id: String,
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub created_at: Time,
    pub status: Status,
    /// The lines that its program wrote.
    pub log: Vec<String>,
    /// When a stop or a removal was first requested.
    pub touched_at: Option<Time>,
    /// When it stopped running.
    pub stopped_at: Option<Time>,
    /// When its removal finished.
    pub removed_at: Option<Time>,
    pub stops_asked: usize,
    pub removals_asked: usize,
}

/// A container's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Created,
    Running,
    /// Its program has ended with this code.
    Exited(i64),
    /// A removal is in progress.
    Removing,
    Gone,
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

impl Container {
    /// Whether the engine still knows it.
    pub fn is_there(&self) -> bool {
        self.status != Status::Gone
    }

    fn stop(&mut self, code: i64) {
        if self.status == Status::Running {
            self.status = Status::Exited(code);
            self.stopped_at = Some(Time::now());
        }
    }

    fn touch(&mut self) {
        self.touched_at.get_or_insert_with(Time::now);
    }

    /// The engine's name for it.
    fn status_text(&self) -> &'static str {
        match self.status {
            Status::Created => "created",
            Status::Running => "running",
            Status::Exited(_) => "exited",
            Status::Removing => "removing",
            Status::Gone => unreachable!("nobody is told of one that is gone"),
        }
    }

    fn has(&self, label: &str) -> bool {
        has_label(&self.labels, label)
    }

    fn inspected(&self) -> Value {
        let exit_code = match self.status {
            Status::Exited(code) => code,
            _ => 0,
        };
        json!({
            "Id": self.id,
            "Name": format!("/{}", self.name),
            "Created": self.created_at.to_string(),
            "Config": {"Labels": self.labels},
            "State": {
                "Status": self.status_text(),
                "Running": self.status == Status::Running,
                "ExitCode": exit_code,
            },
            "NetworkSettings": {"Ports": {}},
        })
    }

    fn listed(&self) -> Value {
        json!({
            "Id": self.id,
            "Names": [format!("/{}", self.name)],
            "Created": self.created_at.as_millis().div_euclid(1000),
            "State": self.status_text(),
            "Status": match self.status {
                Status::Exited(code) => format!("Exited ({code}) 1 second ago"),
                _ => "Up 1 second".to_owned(),
            },
            "Labels": self.labels,
        })
    }

    /// Its log in the engine's framing: the stream, three zeros, the length, the line. If
    /// `stamped`, the line starts with the time at which it was written.
    fn framed_log(&self, stamped: bool) -> Vec<u8> {
        let mut frames = Vec::new();
        for line in &self.log {
            let stamp = if stamped {
                format!("{} ", self.created_at)
            } else {
                String::new()
            };
            let line = format!("{stamp}{line}\n");
            let length = u32::try_from(line.len()).expect("a line is short");
            frames.extend([1, 0, 0, 0]);
            frames.extend(length.to_be_bytes());
            frames.extend(line.as_bytes());
        }
        frames
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

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Ignore poisoning: every change leaves the state consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Most pauses are short, and some are long.
    async fn pause(&self) {
        let share = {
            let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
            random.f64().powi(3)
        };
        let pause = self.longest_pause.mul_f64(share);
        if pause >= Duration::from_micros(500) {
            tokio::time::sleep(pause).await;
        }
    }

    fn start(&self, name: &str) -> Answer {
        let mut state = self.state();
        let container = state.get(name).ok_or_else(|| no_such(name))?;
        if container.status == Status::Running {
            return Ok((StatusCode::NOT_MODIFIED, Value::Null));
        }
        container.status = Status::Running;
        Ok((StatusCode::NO_CONTENT, Value::Null))
    }

    async fn stop(&self, name: &str) -> Answer {
        {
            let mut state = self.state();
            let container = state.get(name).ok_or_else(|| no_such(name))?;
            container.stops_asked += 1;
            container.touch();
        }
        self.pause().await;
        let mut state = self.state();
        let container = state.get(name).ok_or_else(|| no_such(name))?;
        if container.status != Status::Running {
            return Ok((StatusCode::NOT_MODIFIED, Value::Null));
        }
        container.stop(143);
        Ok((StatusCode::NO_CONTENT, Value::Null))
    }

    async fn remove(&self, name: &str, force: bool) -> Answer {
        let id = {
            let mut state = self.state();
            let refused = state.removals_refused;
            let container = state.get(name).ok_or_else(|| no_such(name))?;
            container.removals_asked += 1;
            let id = container.id.clone();
            match container.status {
                Status::Removing => {
                    let text = format!("removal of container {name} is already in progress");
                    return Err((StatusCode::CONFLICT, text));
                }
                Status::Running if !force => {
                    let text = format!(
                        "You cannot remove a running container {id}. Stop the container before \
                         attempting removal or force remove"
                    );
                    return Err((StatusCode::CONFLICT, text));
                }
                _ => {}
            }
            container.touch();
            container.stop(137);
            if refused {
                let text = format!("container {id}: driver failed to remove root filesystem");
                return Err((StatusCode::INTERNAL_SERVER_ERROR, text));
            }
            container.status = Status::Removing;
            id
        };
        self.pause().await;
        self.state().remove(&id);
        Ok((StatusCode::NO_CONTENT, Value::Null))
    }

    fn create(&self, name: &str, body: &[u8]) -> Answer {
        let mut state = self.state();
        if let Some(taken) = state.get(name) {
            let text = format!(
                "Conflict. The container name \"/{name}\" is already in use by container \
                 \"{}\". You have to remove (or rename) that container to be able to reuse that \
                 name.",
                taken.id
            );
            return Err((StatusCode::CONFLICT, text));
        }
        let index = state.add(name, labels_of(body), Time::now());
        let id = &state.containers[index].id;
        Ok((StatusCode::CREATED, json!({"Id": id, "Warnings": []})))
    }

    fn create_network(&self, body: &[u8]) -> Answer {
        let asked: Value = serde_json::from_slice(body).unwrap_or_default();
        let name = asked["Name"].as_str().unwrap_or_default().to_owned();
        let mut state = self.state();
        if state.networks.iter().any(|(taken, ..)| *taken == name) {
            let text = format!("network with name {name} already exists");
            return Err((StatusCode::CONFLICT, text));
        }
        let id = format!("{:064x}", state.networks.len());
        let made = json!({"Id": id, "Warning": ""});
        state.networks.push((name, id, labels_of(body)));
        Ok((StatusCode::CREATED, made))
    }
}

/// A status with JSON, or with an error message.
type Answer = Result<(StatusCode, Value), (StatusCode, String)>;

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(Collected::to_bytes);
    let body = body.unwrap_or_default();
    let path = parts.uri.path().trim_matches('/');
    let mut segments: Vec<&str> = path.split('/').collect();
    if segments[0].starts_with("v1.") {
        segments.remove(0);
    }
    let query = |name: &str| {
        let pairs = parts.uri.query().unwrap_or_default().split('&');
        let mut pairs = pairs.filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(key, _)| *key == name)?;
        Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
    };
    let labels = || {
        let filters: Value = serde_json::from_str(&query("filters")?).ok()?;
        let labels = filters["label"].as_array()?.iter();
        let labels = labels.filter_map(|label| Some(label.as_str()?.to_owned()));
        Some(labels.collect::<Vec<_>>())
    };
    shared.pause().await;
    let answer = match (parts.method.as_str(), segments.as_slice()) {
        ("GET", ["version"]) => Ok((
            StatusCode::OK,
            json!({"Version": "in memory", "ApiVersion": "1.41"}),
        )),
        // Too large for any race to fill.
        ("GET", ["info"]) => Ok((
            StatusCode::OK,
            json!({"NCPU": 1_000, "MemTotal": 1_u64 << 42}),
        )),
        ("GET", ["networks"]) => {
            let labels = labels().unwrap_or_default();
            let state = shared.state();
            let networks = state.networks.iter();
            let listed = networks
                .filter(|(.., its)| labels.iter().all(|label| has_label(its, label)))
                .map(|(name, id, labels)| json!({"Name": name, "Id": id, "Labels": labels}));
            Ok((StatusCode::OK, listed.collect()))
        }
        ("POST", ["networks", "create"]) => shared.create_network(&body),
        ("GET", ["containers", "json"]) => {
            let labels = labels().unwrap_or_default();
            let all = query("all").is_some_and(|all| all == "true");
            let state = shared.state();
            let listed = (state.containers.iter())
                .filter(|container| container.is_there())
                .filter(|container| all || container.status == Status::Running)
                .filter(|container| labels.iter().all(|label| container.has(label)))
                .map(Container::listed);
            Ok((StatusCode::OK, listed.collect()))
        }
        ("POST", ["containers", "create"]) => {
            shared.create(&query("name").unwrap_or_default(), &body)
        }
        ("POST", ["containers", name, "start"]) => shared.start(name),
        ("POST", ["containers", name, "stop"]) => shared.stop(name).await,
        ("GET", ["containers", name, "json"]) => match shared.state().get(name) {
            Some(container) => Ok((StatusCode::OK, container.inspected())),
            None => Err(no_such(name)),
        },
        ("GET", ["containers", name, "logs"]) => {
            let stamped = query("timestamps").is_some_and(|stamped| stamped == "true");
            let log = shared.state().get(name).map(|it| it.framed_log(stamped));
            match log {
                Some(log) => return Ok(Response::new(Full::from(log))),
                None => Err(no_such(name)),
            }
        }
        ("DELETE", ["containers", name]) => {
            let force = query("force").is_some_and(|force| force == "true");
            shared.remove(name, force).await
        }
        _ => Err((StatusCode::NOT_FOUND, "page not found".to_owned())),
    };
    shared.pause().await;
    let (status, body) = answer.unwrap_or_else(|(status, text)| (status, json!({"message": text})));
    let body = match body {
        Value::Null => Bytes::new(),
        body => Bytes::from(body.to_string()),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    Ok(response)
}

fn no_such(name: &str) -> (StatusCode, String) {
    (StatusCode::NOT_FOUND, format!("No such container: {name}"))
}

fn labels_of(body: &[u8]) -> BTreeMap<String, String> {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    serde_json::from_value(asked["Labels"].clone()).unwrap_or_default()
}

/// Whether this `name=value` is among the labels.
fn has_label(labels: &BTreeMap<String, String>, label: &str) -> bool {
    let (name, value) = label.split_once('=').unwrap_or((label, ""));
    labels.get(name).is_some_and(|its| its == value)
}

#[cfg(test)]
mod tests {
    use bollard::{
        Docker,
        errors::Error,
        models::ContainerCreateBody,
        query_parameters::{
            CreateContainerOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder,
            RemoveContainerOptionsBuilder, StopContainerOptionsBuilder,
        },
    };
    use futures_util::future::join_all;

    use super::*;
    use crate::{Place, place};

    /// An engine's answer: its status, and the part of its message that the product reads.
    fn said<T>(answer: &Result<T, Error>) -> String {
        let Err(Error::DockerResponseServerError {
            status_code,
            message,
        }) = answer
        else {
            return if answer.is_ok() { "ok" } else { "no answer" }.to_owned();
        };
        let known = [
            "already in use",
            "is already in progress",
            "No such container",
        ];
        let known = known.iter().find(|known| message.contains(*known));
        format!("{status_code} {}", known.unwrap_or(&"otherwise"))
    }

    /// Makes every call that the product makes, and records the answers.
    async fn interview(docker: &Docker, deployment: &Deployment) -> Vec<(&'static str, String)> {
        let name = &format!("containerlease-{}", LeaseId::generate());
        let labels = [(DEPLOYMENT_LABEL, deployment.as_str())]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let body = ContainerCreateBody {
            image: Some("containerlease/stand-in-alpine:1".to_owned()),
            cmd: Some(vec!["sleep".to_owned(), "60".to_owned()]),
            labels: Some(labels.into()),
            ..ContainerCreateBody::default()
        };
        let create = async || {
            let options = CreateContainerOptionsBuilder::new().name(name).build();
            docker.create_container(Some(options), body.clone()).await
        };
        let start = async || docker.start_container(name, None).await;
        let stop = async || {
            let at_once = StopContainerOptionsBuilder::new().t(0).build();
            docker.stop_container(name, Some(at_once)).await
        };
        let remove = async |force| {
            let options = RemoveContainerOptionsBuilder::new().force(force).v(true);
            docker.remove_container(name, Some(options.build())).await
        };
        let inspect = async || {
            let options = None::<InspectContainerOptions>;
            docker.inspect_container(name, options).await
        };
        let listed = async |label: &str| {
            let filters = HashMap::from([("label", vec![label.to_owned()])]);
            let options = ListContainersOptionsBuilder::new()
                .all(true)
                .filters(&filters);
            let listed = docker.list_containers(Some(options.build())).await;
            let listed = listed.expect("containers can be listed").into_iter();
            let states = listed.map(|it| format!("{:?} {:?}", it.names, it.state));
            states.collect::<String>().replace(name.as_str(), "it")
        };
        let ours = format!("{DEPLOYMENT_LABEL}={}", deployment.as_str());
        let mut answers = vec![
            ("inspect none", said(&inspect().await)),
            ("start none", said(&start().await)),
            ("stop none", said(&stop().await)),
            ("remove none", said(&remove(true).await)),
            ("create", said(&create().await)),
            ("create again", said(&create().await)),
            ("stop what never ran", said(&stop().await)),
            ("list what never ran", listed(&ours).await),
            ("start", said(&start().await)),
            ("start again", said(&start().await)),
            ("list", listed(&ours).await),
            (
                "list others",
                listed("containerlease.deployment=other").await,
            ),
            ("remove without force", said(&remove(false).await)),
            ("stop", said(&stop().await)),
            ("stop again", said(&stop().await)),
            ("list what has stopped", listed(&ours).await),
            ("start what has stopped", said(&start().await)),
        ];
        let state = inspect().await.expect("it is there").state;
        let state = state.expect("it has a state");
        answers.push(("inspect", format!("{:?} {:?}", state.running, state.status)));
        let removals = join_all((0..4).map(|_| remove(true))).await;
        let done = removals.iter().filter(|removal| removal.is_ok()).count();
        answers.push(("removals at once that were done", done.to_string()));
        let others = removals.iter().filter(|removal| removal.is_err());
        let others = others
            .map(said)
            .all(|other| other == "409 is already in progress" || other == "404 No such container");
        answers.push(("the others know", others.to_string()));
        answers.push(("inspect what is gone", said(&inspect().await)));
        answers.push(("list what is gone", listed(&ours).await));
        answers
    }

    #[tokio::test]
    async fn it_answers_as_a_real_engine_does() {
        let place = Place::new().await;
        let real = interview(place.docker(), place.deployment()).await;
        let engine = Engine::new(1, Duration::from_millis(20));
        let docker = place::connect(&engine.address());
        let played = interview(&docker, place.deployment()).await;
        assert_eq!(played, real);
    }

    #[tokio::test]
    async fn it_remembers_what_was_asked_of_a_container() {
        let engine = Engine::new(1, Duration::ZERO);
        let docker = place::connect(&engine.address());
        let id = engine.stray("stray", &[], Time::now());
        assert_eq!(engine.containers()[0].status, Status::Created);
        docker
            .stop_container(&id, None)
            .await
            .expect("304 is success");
        engine.refuse_removals(true);
        assert!(docker.remove_container(&id, None).await.is_err());
        engine.refuse_removals(false);
        let removed = docker.remove_container("stray", None).await;
        removed.expect("it can be removed");
        let container = &engine.containers()[0];
        assert!(!container.is_there());
        assert_eq!((container.stops_asked, container.removals_asked), (1, 2));
        assert!(
            container.touched_at <= container.removed_at,
            "{container:?}"
        );
    }
}
