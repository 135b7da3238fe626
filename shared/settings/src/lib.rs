//! The settings: every environment variable that the programs read is in the tables below.
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `CONTAINERLEASE_DEPLOYMENT` | `containerlease` | the name of this installation, put as a label on every container; containers without it are never touched |
//! | `CONTAINERLEASE_TABLE` | `containerlease` | the DynamoDB table |
//! | `CONTAINERLEASE_MAX_MINUTES` | `1440` | the longest lifetime of a lease, including all renewals |
//! | `CONTAINERLEASE_MAX_LEASES` | `20` | how many leases an owner may hold at once |
//! | `CONTAINERLEASE_OWNER_CPU_MILLI` | `40000` | how many thousandths of a CPU an owner's leases may have at once |
//! | `CONTAINERLEASE_OWNER_MEMORY_MB` | `40960` | how many mebibytes of memory an owner's leases may have at once |
//! | `CONTAINERLEASE_OWNER_DISK_MB` | `204800` | how many mebibytes of disk an owner's leases may have at once |
//! | `CONTAINERLEASE_HOST_CPU_MILLI` | eight times the CPUs of the engine's machine | how many thousandths of a CPU all leases together may have |
//! | `CONTAINERLEASE_HOST_MEMORY_MB` | nine tenths of its memory | how many mebibytes of memory all leases together may have |
//! | `CONTAINERLEASE_HOST_DISK_MB` | none | how many mebibytes of disk all leases together may have; none: no limit, since an engine does not say how much it has |
//! | `CONTAINERLEASE_HOST_CONTAINERS` | as many as their Docker network has addresses, at most 1000 | how many leases the host may have. Other containers on the same bridge take places that nobody counts; a Linux bridge takes 1,023 ports |
//! | `CONTAINERLEASE_HISTORY_HOURS` | `24` | how long the record of an ended lease is kept |
//! | `CONTAINERLEASE_LOOK_AHEAD_SECONDS` | `65` | how far ahead a run of the reaper picks up leases. With 0 on one machine nothing looks ahead and leases end up to a tick late; the server says so when it starts |
//! | `CONTAINERLEASE_PUBLISH_ADDRESS` | `127.0.0.1` | the address on the Docker host at which ports are published |
//! | `CONTAINERLEASE_ADVERTISED_HOST` | the publish address | the host name or IP address in answers, by which callers reach these ports; required if the publish address is `0.0.0.0` or `::` |
//! | `CONTAINERLEASE_NETWORK` | `auto` | the network of containers. `auto`: the engine's default bridge if it keeps its containers apart (`"icc": false`), else a network of the deployment's own. `own`: always one of its own. Leases whose `egress` is not `open` are always on other networks of its own |
//! | `CONTAINERLEASE_EGRESS` | `open,none` | where leases may open connections to; the first is the default of a lease. `open`, `none`, and names of lists that the Docker host's firewall has (`setup.sh --egress-list`); `none` may always be asked for |
//! | `CONTAINERLEASE_RUNTIME` | the engine's own default | the runtime that containers run under, one that the engine knows, such as `runsc` for gVisor. A `runtime` in the catalogue overrides it for that image type. If the engine does not have it, nothing is leased, and `/readyz`, the page and the start say so |
//! | `CONTAINERLEASE_RELAY_SECONDS` | none | how long one log relay runs before a successor continues, 6 at least, since it hands over 5 s before its end; none: as long as its lease |
//! | `CONTAINERLEASE_CONNECTIONS_ENDPOINT` | none | on Lambda: the WebSocket API's `@connections` address, to which relays post |
//! | `CONTAINERLEASE_RELAY_FUNCTION` | none | on Lambda: the function that relays logs |
//! | `CONTAINERLEASE_MAX_RELAYS` | none | on Lambda: how many logs may be watched at once |
//! | `CONTAINERLEASE_END_QUEUE` | none | on Lambda: the URL of the SQS queue that delays messages until leases end |
//! | `CONTAINERLEASE_DELIVERY_QUEUE` | none | on Lambda: the URL of the queue for notifications; set both queues or neither |
//! | `CONTAINERLEASE_SIGN_IN` | `required` | on Lambda: `none` lets everybody in who reaches the API, as one owner with all rights. `required` refuses whoever has no token. The one-machine server identifies its callers itself |
//! | `CONTAINERLEASE_WEBHOOK_PRIVATE` | `false` | `true`: webhooks may go to loopback and private addresses, and over plain HTTP; for development |
//! | `DOCKER_HOST` | `unix:///var/run/docker.sock` | the engine: `unix://PATH`, or `tcp://HOST:PORT` with mutual TLS |
//! | `DOCKER_CERT_PATH` | none | the folder with `ca.pem`, `cert.pem` and `key.pem`, for `tcp://` |
//! | `CONTAINERLEASE_DOCKER_SECRET` | none | on Lambda: in place of that folder, the name or ARN of a secret in Secrets Manager, JSON with the PEM texts `ca`, `cert` and `key` |
//! | `AWS_ENDPOINT_URL`, `AWS_REGION`, … | as the AWS SDK has them | where DynamoDB is, for emulators |
//!
//! The one-machine server reads these besides:
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `CONTAINERLEASE_LISTEN` | `127.0.0.1:8080` | where the server listens; loopback only |
//! | `CONTAINERLEASE_DATA` | `.containerlease/data` | the folder of its table, and of the 16 MiB reserved for the table on a full disk |
//! | `CONTAINERLEASE_TABLE_PORT` | none | the loopback port on which other processes reach its embedded DynamoDB, 0 for any free one; none: no process does |
//! | `CONTAINERLEASE_TABLE_KEY` | a new one at each start | the path that they need for it, 16 characters at least; the whole URL is in `table-endpoint` in the data folder |
//! | `CONTAINERLEASE_TICK_SECONDS` | `60` | how often the reaper compares leases with containers; it also looks for due leases every two seconds |
//! | `CONTAINERLEASE_DASHBOARD` | `frontend/dist` | the folder of the built dashboard |
//! | `CONTAINERLEASE_FIREWALL` | none | whether the engine's machine has the rules of `infra/docker-host/firewall.sh`: `up`, or `missing`, which `/readyz`, the page and the start then say. `make run` sets it if it can look: with a local socket, as root or with a sudo that asks for no password |
//! | `RUST_LOG` | `info` | what is logged, in the syntax of `tracing-subscriber`; from libraries nothing below `info`, since their lines hold secrets |
//!
//! The guard on a Docker host reads `DOCKER_HOST`, as a socket only, `RUST_LOG`, and these:
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `CONTAINERLEASE_GUARD_DEPLOYMENTS` | none | the deployments that it guards, separated by commas; none: all |
//! | `CONTAINERLEASE_GUARD_GRACE_SECONDS` | `20` | how long past its hard deadline a container is left to the reaper, which writes the receipt; 0 to 20 |
//! | `CONTAINERLEASE_GUARD_LOOK_SECONDS` | `10` | how often it looks for new containers, at the least; 1 to 10 |
//! | `CONTAINERLEASE_MAX_MINUTES` | none | the age at which a container of ours ends if its deadline cannot be read; none: it is left alone, with a warning |
//!
//! The command line reads these:
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `CONTAINERLEASE_URL` | `http://127.0.0.1:8080` | the server to ask, unless `--server` names one |
//! | `CONTAINERLEASE_TOKEN` | what is in `token` in `CONTAINERLEASE_DATA`, for a server on this machine | the token to send; on Linux there is no default, since the server knows the user without it |
//! | `NO_COLOR` | none | anything: no colours |
//! | `TERM` | none | `dumb`: no colours |

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use thiserror::Error;

use containerlease_domain::{
    capacity::MOST_CONTAINERS,
    names::Deployment,
    policy::{LONGEST_MINUTES, Policy},
    runtime::Runtime,
};

mod command_line;
mod firewall;
mod guard;
pub mod logging;
mod network;
mod publish;
mod reader;
mod rows;
mod server;
mod sign_in;
pub use command_line::{CommandLineSettings, Token};
pub use firewall::Firewall;
pub use guard::GuardSettings;
pub use network::NetworkChoice;
pub use publish::Publish;
pub use rows::{Row, of_the_server};
pub use server::LocalSettings;
pub use sign_in::SignIn;

use reader::Reader;

/// The default data folder of a one-machine server.
const DATA: &str = ".containerlease/data";

/// The range of an amount of CPU, memory or disk.
const AMOUNTS: RangeInclusive<u32> = 1..=1_000_000_000;

/// The settings that all programs read.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub deployment: Deployment,
    pub table: String,
    pub policy: Policy,
    /// How far ahead a run of the reaper takes on leases.
    pub look_ahead: Duration,
    pub engine: EngineAddress,
    pub publish: Publish,
    pub network: NetworkChoice,
    /// The runtime of containers whose image type names none; none for the engine's default.
    pub runtime: Option<Runtime>,
    /// How long one log relay runs; none: as long as its lease.
    pub relay_time: Option<Duration>,
    /// Whether a function refuses a caller whom nobody has identified.
    pub sign_in: SignIn,
    pub connections_endpoint: Option<String>,
    /// The Lambda function that relays logs; none on one machine.
    pub relay_function: Option<String>,
    /// How many logs may be watched at once on AWS; none: as many as the account allows.
    pub max_relays: Option<u32>,
    /// The queues for what falls due; none on one machine.
    pub queues: Option<QueueUrls>,
}

/// The URLs of the queues that delay messages until something falls due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueUrls {
    /// For the ends of leases.
    pub ends: String,
    /// For notifications to owners.
    pub deliveries: String,
}

/// Where the Docker engine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineAddress {
    Unix(PathBuf),
    /// Over TCP with mutual TLS: `HOST:PORT` and the folder of the certificates.
    Tls {
        authority: String,
        certificates: CertificateSource,
    },
}

/// The source of the client's certificate, its key and the engine's CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// A folder with `ca.pem`, `cert.pem` and `key.pem`.
    Folder(PathBuf),
    /// A secret in Secrets Manager, JSON with the PEM texts `ca`, `cert` and `key`.
    Secret(String),
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{variable} is {value:?}: {problem}")]
pub struct SettingsError {
    pub variable: &'static str,
    pub value: String,
    pub problem: String,
}

impl Settings {
    /// Reads the process's environment.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::parse(environment)
    }

    /// Reads the settings from `lookup`, which gives a variable's value.
    pub fn parse(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let read = Reader(lookup);
        let minutes = |count: u64| Duration::from_secs(count * 60);
        let default = Policy::default();
        Ok(Self {
            deployment: read.parsed("CONTAINERLEASE_DEPLOYMENT", "containerlease")?,
            table: read.text("CONTAINERLEASE_TABLE", "containerlease"),
            policy: Policy {
                longest_lease: minutes(read.number(
                    "CONTAINERLEASE_MAX_MINUTES",
                    LONGEST_MINUTES,
                    1..=525_600,
                )?),
                leases_per_owner: read.number(
                    "CONTAINERLEASE_MAX_LEASES",
                    default.leases_per_owner,
                    1..=100_000,
                )?,
                owner_cpu_milli: read.number(
                    "CONTAINERLEASE_OWNER_CPU_MILLI",
                    default.owner_cpu_milli,
                    AMOUNTS,
                )?,
                owner_memory_mb: read.number(
                    "CONTAINERLEASE_OWNER_MEMORY_MB",
                    default.owner_memory_mb,
                    AMOUNTS,
                )?,
                owner_disk_mb: read.number(
                    "CONTAINERLEASE_OWNER_DISK_MB",
                    default.owner_disk_mb,
                    AMOUNTS,
                )?,
                host_cpu_milli: read.optional_number("CONTAINERLEASE_HOST_CPU_MILLI", AMOUNTS)?,
                host_memory_mb: read.optional_number("CONTAINERLEASE_HOST_MEMORY_MB", AMOUNTS)?,
                host_disk_mb: read.optional_number("CONTAINERLEASE_HOST_DISK_MB", AMOUNTS)?,
                host_containers: read
                    .optional_number("CONTAINERLEASE_HOST_CONTAINERS", 1..=MOST_CONTAINERS)?,
                history: minutes(
                    60 * read.number::<u64>("CONTAINERLEASE_HISTORY_HOURS", 24, 1..=87_600)?,
                ),
                private_webhooks: read.parsed("CONTAINERLEASE_WEBHOOK_PRIVATE", "false")?,
                egress: network::egress(&read)?,
            },
            look_ahead: read.seconds("CONTAINERLEASE_LOOK_AHEAD_SECONDS", 65, 0..=600)?,
            engine: read.engine()?,
            publish: Publish::read(&read)?,
            network: NetworkChoice::read(&read)?,
            runtime: match read.optional("CONTAINERLEASE_RUNTIME") {
                None => None,
                Some(_) => Some(read.parsed("CONTAINERLEASE_RUNTIME", "")?),
            },
            relay_time: match read.optional("CONTAINERLEASE_RELAY_SECONDS") {
                None => None,
                Some(_) => Some(read.seconds("CONTAINERLEASE_RELAY_SECONDS", 0, 6..=86_400)?),
            },
            sign_in: SignIn::read(&read)?,
            connections_endpoint: read.optional("CONTAINERLEASE_CONNECTIONS_ENDPOINT"),
            relay_function: read.optional("CONTAINERLEASE_RELAY_FUNCTION"),
            max_relays: read.optional_number("CONTAINERLEASE_MAX_RELAYS", 1..=1_000)?,
            queues: read.queues()?,
        })
    }
}

impl Settings {
    /// The WebSocket API's `@connections` address. Functions that post to viewers need it.
    pub fn connections_endpoint(&self) -> Result<&str, SettingsError> {
        let endpoint = self.connections_endpoint.as_deref();
        endpoint.ok_or_else(|| SettingsError {
            variable: "CONTAINERLEASE_CONNECTIONS_ENDPOINT",
            value: String::new(),
            problem: "it must be the WebSocket API's address".to_owned(),
        })
    }
}

/// Environment variables that look like a misspelt setting, each with the setting that it
/// resembles.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the environment"
)]
pub fn mistaken() -> Vec<(String, &'static str)> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    rows::mistaken_among(names)
}

/// The log filter: `RUST_LOG`, or `info`.
pub fn log_filter() -> String {
    environment("RUST_LOG").unwrap_or_else(|| "info".to_owned())
}

/// The one place that reads the environment.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the environment"
)]
fn environment(variable: &str) -> Option<String> {
    // A value that is not text is wrong, and not missing.
    let value = std::env::var_os(variable)?;
    Some(value.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests;
