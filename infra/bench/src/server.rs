//! The one-machine server: its process, and its API.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    time::Duration,
};

use containerlease_domain::names::LeaseId;
use containerlease_service::store::Store;
use containerlease_table::Key;
use containerlease_testkit::{Launcher, ServerProcess};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{Fallible, Options, engine::Engine, process::Process};

/// Time limit until a new server is up.
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
    launcher: Launcher,
    address: SocketAddr,
    table: SocketAddr,
    table_key: Key,
}

/// A server's process, killed on drop.
#[derive(Debug)]
pub struct Server {
    process: ServerProcess,
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
        let (address, table) = (free_address()?, free_address()?);
        let table_key = Key::generate();
        let binary = &options.server;
        let launcher = Launcher::new(binary, &folder, engine.deployment(), engine.socket())
            .with("CONTAINERLEASE_LISTEN", address.to_string())
            .with("CONTAINERLEASE_TABLE_PORT", table.port().to_string())
            .with("CONTAINERLEASE_TABLE_KEY", table_key.as_str())
            .with_all(&UNBOUNDED)
            .with("CONTAINERLEASE_TICK_SECONDS", seconds(options.tick));
        let options = Self {
            launcher,
            address,
            table,
            table_key,
        };
        Ok(options.look_ahead(Duration::from_secs(65)))
    }

    /// Sets how far ahead the server claims leases.
    pub fn look_ahead(self, look_ahead: Duration) -> Self {
        self.with("CONTAINERLEASE_LOOK_AHEAD_SECONDS", &seconds(look_ahead))
    }

    /// Sets how long each of the server's relays runs.
    pub fn relay_time(self, relay_time: Duration) -> Self {
        self.with("CONTAINERLEASE_RELAY_SECONDS", &seconds(relay_time))
    }

    /// Sets the socket of the server's engine.
    pub fn through(self, socket: &Path) -> Self {
        let launcher = self.launcher.through(socket);
        Self { launcher, ..self }
    }

    fn with(self, variable: &str, value: &str) -> Self {
        let launcher = self.launcher.with(variable, value);
        Self { launcher, ..self }
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

    /// Its folder, with its data and its output. The caller removes it.
    pub fn folder(&self) -> &Path {
        self.launcher.folder()
    }

    /// What all its servers have logged, one after the other.
    pub fn log(&self) -> Fallible<String> {
        Ok(self.launcher.log()?)
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

    /// Starts a server and waits until it is up.
    pub async fn start(&self) -> Fallible<Server> {
        Ok(Server {
            process: self.launcher.start(START_LIMIT).await?,
            api: self.api(),
        })
    }
}

impl Server {
    /// Its API.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Its process.
    pub fn process(&self) -> Process {
        Process::of(self.process.pid())
    }

    /// Kills it as the kernel does when memory is short, and waits until it is gone.
    pub async fn kill(self) -> Fallible<()> {
        let kill = tokio::task::spawn_blocking(move || drop(self.process));
        Ok(kill.await?)
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

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Fallible<(StatusCode, Value)> {
    let response = request.timeout(ANSWER_LIMIT).send().await?;
    let status = response.status();
    Ok((status, response.json().await.unwrap_or_default()))
}

/// A duration as the server's settings take it.
fn seconds(duration: Duration) -> String {
    duration.as_secs().to_string()
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
