//! The one-machine server: its process, and its API.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use containerlease_domain::names::LeaseId;
use containerlease_service::store::Store;
use containerlease_table::Key;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::{Fallible, Options, engine::Engine, process::Process};

/// Time limit until a new server answers.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Time limit of an answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Settings without limits: the measurements are about how fast leases end, not how many an
/// owner may hold.
pub(crate) const UNBOUNDED: [(&str, &str); 6] = [
    ("CONTAINERLEASE_MAX_LEASES", "100000"),
    ("CONTAINERLEASE_OWNER_CPU_MILLI", "1000000000"),
    ("CONTAINERLEASE_OWNER_MEMORY_MB", "1000000000"),
    ("CONTAINERLEASE_OWNER_DISK_MB", "1000000000"),
    ("CONTAINERLEASE_HOST_CPU_MILLI", "1000000000"),
    ("CONTAINERLEASE_HOST_MEMORY_MB", "1000000000"),
];

/// How to start a server, repeatedly on the same data and the same ports.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    binary: PathBuf,
    folder: PathBuf,
    deployment: String,
    socket: PathBuf,
    tick: Duration,
    look_ahead: Duration,
    relay_time: Option<Duration>,
    address: SocketAddr,
    table: SocketAddr,
    table_key: Key,
}

/// A server's process, killed on drop.
#[derive(Debug)]
pub struct Server {
    child: Child,
    api: Api,
}

/// A server's API. It survives a restart of the server.
#[derive(Clone, Debug)]
pub struct Api {
    client: reqwest::Client,
    address: SocketAddr,
    table: SocketAddr,
    table_key: Key,
}

impl ServerOptions {
    /// A server for `engine`'s deployment with its own folder. All settings but the tick are
    /// the product's defaults.
    pub fn new(options: &Options, engine: &Engine) -> Fallible<Self> {
        let folder = std::env::temp_dir().join(engine.deployment());
        std::fs::create_dir_all(&folder)?;
        if !options.server.is_file() {
            let server = options.server.display();
            return Err(format!("{server} is not there: build containerlease-cli").into());
        }
        Ok(Self {
            binary: options.server.clone(),
            folder,
            deployment: engine.deployment().to_owned(),
            socket: engine.socket().to_owned(),
            tick: options.tick,
            look_ahead: Duration::from_secs(65),
            relay_time: None,
            address: free_address()?,
            table: free_address()?,
            table_key: Key::generate(),
        })
    }

    /// Sets how far ahead the server claims leases.
    pub fn look_ahead(self, look_ahead: Duration) -> Self {
        Self { look_ahead, ..self }
    }

    /// Sets how long each of the server's relays runs.
    pub fn relay_time(self, relay_time: Duration) -> Self {
        let relay_time = Some(relay_time);
        Self { relay_time, ..self }
    }

    /// Sets the socket of the server's engine.
    pub fn through(self, socket: &Path) -> Self {
        let socket = socket.to_owned();
        Self { socket, ..self }
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of its table.
    pub fn table(&self) -> SocketAddr {
        self.table
    }

    /// The key of its table.
    pub fn table_key(&self) -> &Key {
        &self.table_key
    }

    /// Its folder, with its data and its log. The caller removes it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its API, even while it does not run.
    pub fn api(&self) -> Api {
        Api {
            client: reqwest::Client::new(),
            address: self.address,
            table: self.table,
            table_key: self.table_key.clone(),
        }
    }

    /// Starts a server and waits until it answers.
    pub async fn start(&self) -> Fallible<Server> {
        let log = self.folder.join("log");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(log)?;
        let child = Command::new(&self.binary)
            .arg("serve")
            .env_clear()
            .env("CONTAINERLEASE_LISTEN", self.address.to_string())
            .env("CONTAINERLEASE_DATA", self.folder.join("data"))
            .env("CONTAINERLEASE_TABLE_PORT", self.table.port().to_string())
            .env("CONTAINERLEASE_TABLE_KEY", self.table_key.as_str())
            .env("CONTAINERLEASE_DASHBOARD", self.folder.join("no dashboard"))
            .env("CONTAINERLEASE_DEPLOYMENT", &self.deployment)
            .envs(UNBOUNDED)
            .env(
                "CONTAINERLEASE_TICK_SECONDS",
                self.tick.as_secs().to_string(),
            )
            .env(
                "CONTAINERLEASE_LOOK_AHEAD_SECONDS",
                self.look_ahead.as_secs().to_string(),
            )
            .envs(self.relay_time.map(|time| {
                let seconds = time.as_secs().to_string();
                ("CONTAINERLEASE_RELAY_SECONDS", seconds)
            }))
            .env("DOCKER_HOST", format!("unix://{}", self.socket.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let mut server = Server {
            child,
            api: self.api(),
        };
        let begun = Instant::now();
        while !server.api.answers().await {
            if let Some(status) = server.child.try_wait()? {
                return Err(
                    format!("the server ended with {status}: {}", self.last_words()).into(),
                );
            }
            if begun.elapsed() > START_LIMIT {
                return Err(format!("the server does not answer: {}", self.last_words()).into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(server)
    }

    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        log.lines().last().unwrap_or("it said nothing").to_owned()
    }
}

impl Server {
    /// Its API.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Its process.
    pub fn process(&self) -> Fallible<Process> {
        let pid = self.child.id().ok_or("the server has ended")?;
        Ok(Process::of(pid))
    }

    /// Kills it as the kernel does when memory is short.
    pub async fn kill(mut self) -> Fallible<()> {
        Ok(self.child.kill().await?)
    }
}

impl Api {
    /// A direct store on the server's table.
    pub async fn store(&self) -> Store {
        let aws = containerlease_testkit::table::aws_at(self.table, &self.table_key).await;
        Store::new(&aws, containerlease_testkit::table::NAME)
    }

    /// Leases a container.
    pub async fn provision(&self, image: &str, minutes: u64) -> Fallible<LeaseId> {
        let body = json!({"imageType": image, "durationMinutes": minutes});
        self.provision_as(&body).await
    }

    /// Leases a container with this request body.
    pub async fn provision_as(&self, body: &Value) -> Fallible<LeaseId> {
        let request = self.client.post(self.url("/api/provision")).json(body);
        let (status, answer) = answer(request).await?;
        match answer["id"].as_str() {
            Some(id) if status == StatusCode::CREATED => Ok(id.parse()?),
            _ => Err(format!("provision answered {status}: {answer}").into()),
        }
    }

    /// The lease as its owner sees it.
    pub async fn lease(&self, id: &LeaseId) -> Fallible<Value> {
        let request = self.client.get(self.url(&format!("/api/containers/{id}")));
        match answer(request).await? {
            (StatusCode::OK, lease) => Ok(lease),
            (status, answer) => Err(format!("the lease's answer is {status}: {answer}").into()),
        }
    }

    /// Deletes a lease. Returns whether the server accepted it.
    pub async fn delete(&self, id: &LeaseId) -> Fallible<bool> {
        let request = self
            .client
            .delete(self.url(&format!("/api/containers/{id}")));
        Ok(answer(request).await?.0.is_success())
    }

    /// Renews a lease by a minute. Returns whether the server granted it.
    pub async fn renew(&self, id: &LeaseId) -> Fallible<bool> {
        let url = self.url(&format!("/api/containers/{id}/renew"));
        let request = self.client.post(url).json(&json!({"durationMinutes": 1}));
        Ok(answer(request).await?.0.is_success())
    }

    /// The URL of a lease's log, with a viewer's query.
    pub fn logs(&self, id: &LeaseId, query: &str) -> String {
        format!("ws://{}/ws/logs/{id}?{query}", self.address)
    }

    /// The value of the server's metric of this name.
    pub async fn metric(&self, name: &str) -> Fallible<f64> {
        let request = self.client.get(self.url("/metrics")).timeout(ANSWER_LIMIT);
        let text = request.send().await?.error_for_status()?.text().await?;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let value = value.ok_or_else(|| format!("the server does not count {name}"))?;
        Ok(value.parse()?)
    }

    async fn answers(&self) -> bool {
        let request = self.client.get(self.url("/healthz"));
        matches!(answer(request).await, Ok((StatusCode::OK, _)))
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Fallible<(StatusCode, Value)> {
    let response = request.timeout(ANSWER_LIMIT).send().await?;
    let status = response.status();
    Ok((status, response.json().await.unwrap_or_default()))
}

/// A free loopback address. The kernel assigns free ports from 32768 on, so a port below stays
/// free while its server is killed and restarts.
fn free_address() -> Fallible<SocketAddr> {
    for _ in 0..1_000 {
        let port = fastrand::u16(20_000..32_000);
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return Ok(listener.local_addr()?);
        }
    }
    Err("no loopback port from 20000 to 32000 is free".into())
}
