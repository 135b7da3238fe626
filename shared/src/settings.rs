//! The settings: every environment variable that the programs read, in this one file.
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
//! | `CONTAINERLEASE_WEBHOOK_PRIVATE` | `false` | `true`: webhooks may go to loopback and private addresses, and over plain HTTP; for development |
//! | `DOCKER_HOST` | `unix:///var/run/docker.sock` | the engine: `unix://PATH`, or `tcp://HOST:PORT` with mutual TLS |
//! | `CONTAINERLEASE_DOCKER_SECRET` | none | on Lambda: in place of that folder, the name or ARN of a secret in Secrets Manager, JSON with the PEM texts `ca`, `cert` and `key` |
//! | `DOCKER_CERT_PATH` | none | the folder with `ca.pem`, `cert.pem` and `key.pem`, for `tcp://` |
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

use std::{net::SocketAddr, ops::RangeInclusive, path::PathBuf, time::Duration};

use thiserror::Error;

use crate::{capacity::MOST_CONTAINERS, egress::Egress, names::Deployment, runtime::Runtime};

mod firewall;
mod network;
mod publish;
mod rows;
pub use firewall::Firewall;
pub use network::NetworkChoice;
pub use publish::Publish;
pub use rows::{Row, of_the_server};

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

/// The default maximum lifetime of a lease, in minutes.
pub const LONGEST_MINUTES: u64 = 1440;

/// The rules that an operator sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The greatest lifetime of a lease, all renewals included.
    pub longest_lease: Duration,
    /// How many leases an owner may hold at once.
    pub leases_per_owner: u32,
    /// How many thousandths of a CPU an owner's leases may have at once.
    pub owner_cpu_milli: u32,
    /// How many mebibytes an owner's leases may have at once.
    pub owner_memory_mb: u32,
    /// How many mebibytes of disk an owner's leases may have at once.
    pub owner_disk_mb: u32,
    /// How many thousandths of a CPU all leases together may have; none: as the engine's machine
    /// allows.
    pub host_cpu_milli: Option<u32>,
    /// How many mebibytes all leases together may have; none: as that machine allows.
    pub host_memory_mb: Option<u32>,
    /// How many mebibytes of disk all leases together may have; none: no limit.
    pub host_disk_mb: Option<u32>,
    /// How many leases there may be on the host; none: as many as its network allows.
    pub host_containers: Option<u32>,
    /// How long the record of an ended lease is kept.
    pub history: Duration,
    /// Whether webhooks may go to loopback and private addresses, and over plain HTTP.
    pub private_webhooks: bool,
    /// The egress values that leases may ask for. The first is the default; there is at least one.
    pub egress: Vec<Egress>,
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

/// The settings that only the one-machine server reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalSettings {
    pub listen: SocketAddr,
    pub data: PathBuf,
    /// The port at which other processes reach the table, if any do.
    pub table_port: Option<u16>,
    /// The secret path that they need.
    pub table_key: Option<String>,
    pub tick: Duration,
    pub dashboard: PathBuf,
    pub firewall: Firewall,
}

/// The shortest key, in characters.
const SHORTEST_KEY: usize = 16;

/// The settings that only the guard on a Docker host reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardSettings {
    /// The engine's socket: the guard needs no network.
    pub socket: PathBuf,
    /// The deployments that it guards; empty: all.
    pub deployments: Vec<Deployment>,
    /// How long after its hard deadline the guard leaves a container to the reaper.
    pub grace: Duration,
    /// How often it looks for new containers, at the least.
    pub look_every: Duration,
    /// The age at which the guard ends a container whose deadline it cannot read; none: never.
    pub longest_lease: Option<Duration>,
}

/// The settings that only the command line reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLineSettings {
    /// The server's address, as written.
    pub url: String,
    /// The token that it signs in with, if given.
    pub token: Option<Token>,
    /// The data folder of a server on this machine, which holds the token otherwise.
    pub data: PathBuf,
    /// Whether to show colours on a terminal; see <https://no-color.org>.
    pub colours: bool,
}

/// A caller's sign-in token. `Debug` does not print it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
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
        Ok(Self {
            deployment: read.parsed("CONTAINERLEASE_DEPLOYMENT", "containerlease")?,
            table: read.text("CONTAINERLEASE_TABLE", "containerlease"),
            policy: Policy {
                longest_lease: minutes(read.number(
                    "CONTAINERLEASE_MAX_MINUTES",
                    LONGEST_MINUTES,
                    1..=525_600,
                )?),
                leases_per_owner: read.number("CONTAINERLEASE_MAX_LEASES", 20, 1..=100_000)?,
                // Enough for 20 of the largest leases.
                owner_cpu_milli: read.number("CONTAINERLEASE_OWNER_CPU_MILLI", 40_000, AMOUNTS)?,
                owner_memory_mb: read.number("CONTAINERLEASE_OWNER_MEMORY_MB", 40_960, AMOUNTS)?,
                owner_disk_mb: read.number("CONTAINERLEASE_OWNER_DISK_MB", 204_800, AMOUNTS)?,
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

impl LocalSettings {
    /// Reads the process's environment.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::parse(environment)
    }

    /// Reads the settings from `lookup`, which gives a variable's value.
    pub fn parse(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        const TABLE_PORT: &str = "CONTAINERLEASE_TABLE_PORT";
        let read = Reader(lookup);
        let listen: SocketAddr = read.parsed("CONTAINERLEASE_LISTEN", "127.0.0.1:8080")?;
        if !listen.ip().is_loopback() {
            return Err(SettingsError {
                variable: "CONTAINERLEASE_LISTEN",
                value: listen.to_string(),
                problem: "nobody signs in here, so it listens on a loopback address only, \
                          such as 127.0.0.1:8080"
                    .to_owned(),
            });
        }
        Ok(Self {
            listen,
            data: PathBuf::from(read.text("CONTAINERLEASE_DATA", DATA)),
            table_port: match read.optional(TABLE_PORT) {
                None => None,
                Some(_) => Some(read.number(TABLE_PORT, 0, 0..=65_535)?),
            },
            table_key: read.key("CONTAINERLEASE_TABLE_KEY")?,
            tick: read.seconds("CONTAINERLEASE_TICK_SECONDS", 60, 1..=3_600)?,
            dashboard: PathBuf::from(read.text("CONTAINERLEASE_DASHBOARD", "frontend/dist")),
            firewall: Firewall::read(&read)?,
        })
    }
}

impl GuardSettings {
    /// Reads the process's environment.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::parse(environment)
    }

    /// Reads the settings from `lookup`, which gives a variable's value.
    pub fn parse(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        const DEPLOYMENTS: &str = "CONTAINERLEASE_GUARD_DEPLOYMENTS";
        let read = Reader(lookup);
        let EngineAddress::Unix(socket) = read.engine()? else {
            return Err(SettingsError {
                variable: "DOCKER_HOST",
                value: read.text("DOCKER_HOST", ""),
                problem: "the guard runs on the Docker host itself and uses the engine's socket \
                          only, such as unix:///var/run/docker.sock"
                    .to_owned(),
            });
        };
        let names = read.text(DEPLOYMENTS, "");
        let names = names.split(',').map(str::trim).filter(|n| !n.is_empty());
        let deployments = names.map(str::parse).collect::<Result<_, _>>();
        Ok(Self {
            socket,
            deployments: deployments.map_err(|error: crate::names::NotADeployment| {
                SettingsError {
                    variable: DEPLOYMENTS,
                    value: read.text(DEPLOYMENTS, ""),
                    problem: error.to_string(),
                }
            })?,
            // Together, both limits leave the engine half of the 60 s after a deadline.
            grace: read.seconds("CONTAINERLEASE_GUARD_GRACE_SECONDS", 20, 0..=20)?,
            look_every: read.seconds("CONTAINERLEASE_GUARD_LOOK_SECONDS", 10, 1..=10)?,
            longest_lease: match read.optional("CONTAINERLEASE_MAX_MINUTES") {
                None => None,
                Some(_) => Some(Duration::from_secs(
                    60 * read.number::<u64>("CONTAINERLEASE_MAX_MINUTES", 0, 1..=525_600)?,
                )),
            },
        })
    }
}

impl CommandLineSettings {
    /// Reads the process's environment.
    pub fn from_env() -> Self {
        Self::parse(environment)
    }

    /// Reads the settings from `lookup`, which gives a variable's value.
    pub fn parse(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let read = Reader(lookup);
        let unwanted = read.optional("NO_COLOR").is_some();
        let unknown = read.optional("TERM").is_some_and(|term| term == "dumb");
        Self {
            url: read.text("CONTAINERLEASE_URL", "http://127.0.0.1:8080"),
            token: read.optional("CONTAINERLEASE_TOKEN").map(Token),
            data: PathBuf::from(read.text("CONTAINERLEASE_DATA", DATA)),
            colours: !unwanted && !unknown,
        }
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
    std::env::var(variable).ok()
}

struct Reader<L>(L);

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    /// An empty variable counts as not set: a template or a compose file leaves a variable out
    /// in this way.
    fn optional(&self, variable: &'static str) -> Option<String> {
        (self.0)(variable).filter(|value| !value.is_empty())
    }

    /// A secret key. A short one is refused, because it could be guessed.
    fn key(&self, variable: &'static str) -> Result<Option<String>, SettingsError> {
        match self.optional(variable) {
            Some(key) if key.trim().len() < SHORTEST_KEY => Err(SettingsError {
                variable,
                value: "…".to_owned(),
                problem: format!("it must have at least {SHORTEST_KEY} characters"),
            }),
            key => Ok(key),
        }
    }

    fn text(&self, variable: &'static str, default: &str) -> String {
        self.optional(variable)
            .unwrap_or_else(|| default.to_owned())
    }

    fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        variable: &'static str,
        default: &str,
    ) -> Result<T, SettingsError> {
        let value = self.text(variable, default);
        value.parse().map_err(|error: T::Err| SettingsError {
            variable,
            problem: error.to_string(),
            value,
        })
    }

    fn number<T>(
        &self,
        variable: &'static str,
        default: T,
        range: RangeInclusive<T>,
    ) -> Result<T, SettingsError>
    where
        T: std::str::FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(value) = self.optional(variable) else {
            return Ok(default);
        };
        match value.parse() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(SettingsError {
                variable,
                value,
                problem: format!(
                    "it must be a whole number from {} to {}",
                    range.start(),
                    range.end()
                ),
            }),
        }
    }

    fn optional_number(
        &self,
        variable: &'static str,
        range: RangeInclusive<u32>,
    ) -> Result<Option<u32>, SettingsError> {
        match self.optional(variable) {
            None => Ok(None),
            Some(_) => self.number(variable, 0, range).map(Some),
        }
    }

    fn seconds(
        &self,
        variable: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Result<Duration, SettingsError> {
        self.number(variable, default, range)
            .map(Duration::from_secs)
    }

    fn queues(&self) -> Result<Option<QueueUrls>, SettingsError> {
        const ENDS: &str = "CONTAINERLEASE_END_QUEUE";
        const DELIVERIES: &str = "CONTAINERLEASE_DELIVERY_QUEUE";
        let missing = |variable| SettingsError {
            variable,
            value: String::new(),
            problem: "only one of the two queues is set; set the other too".to_owned(),
        };
        match (self.optional(ENDS), self.optional(DELIVERIES)) {
            (Some(ends), Some(deliveries)) => Ok(Some(QueueUrls { ends, deliveries })),
            (None, None) => Ok(None),
            (Some(_), None) => Err(missing(DELIVERIES)),
            (None, Some(_)) => Err(missing(ENDS)),
        }
    }

    fn engine(&self) -> Result<EngineAddress, SettingsError> {
        const HOST: &str = "DOCKER_HOST";
        const CERTIFICATES: &str = "DOCKER_CERT_PATH";
        const SECRET: &str = "CONTAINERLEASE_DOCKER_SECRET";
        let value = self.text(HOST, "unix:///var/run/docker.sock");
        let refused = |problem: &str| SettingsError {
            variable: HOST,
            value: value.clone(),
            problem: problem.to_owned(),
        };
        if let Some(path) = value.strip_prefix("unix://") {
            return if path.starts_with('/') {
                Ok(EngineAddress::Unix(PathBuf::from(path)))
            } else {
                Err(refused("the socket's path must be absolute"))
            };
        }
        let Some(authority) = value
            .strip_prefix("tcp://")
            .or_else(|| value.strip_prefix("https://"))
        else {
            return Err(refused("it must begin with unix:// or tcp://"));
        };
        let authority = authority.trim_end_matches('/');
        let parsed: Result<http::uri::Authority, _> = authority.parse();
        if !parsed.is_ok_and(|a| a.port_u16().is_some() && !a.as_str().contains('@')) {
            return Err(refused(
                "it must name a host and a port, such as tcp://192.0.2.7:2376",
            ));
        }
        let folder = self.optional(CERTIFICATES).map(PathBuf::from);
        let secret = self.optional(SECRET);
        let certificates = match (folder, secret) {
            (Some(folder), _) => CertificateSource::Folder(folder),
            (None, Some(secret)) => CertificateSource::Secret(secret),
            (None, None) => {
                return Err(refused(
                    "an engine over TCP is reached by mutual TLS only: set DOCKER_CERT_PATH to \
                     the folder with ca.pem, cert.pem and key.pem, or \
                     CONTAINERLEASE_DOCKER_SECRET to a secret that holds them",
                ));
            }
        };
        Ok(EngineAddress::Tls {
            authority: authority.to_owned(),
            certificates,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::parse(lookup(pairs))
    }

    fn lookup(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        move |variable| {
            pairs
                .iter()
                .find(|(name, _)| *name == variable)
                .map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_table_above() {
        let defaults = settings(&[]).unwrap();
        assert_eq!(defaults.deployment.as_str(), "containerlease");
        assert_eq!(defaults.table, "containerlease");
        assert_eq!(defaults.policy.longest_lease, Duration::from_secs(86_400));
        assert_eq!(defaults.policy.leases_per_owner, 20);
        assert_eq!(defaults.policy.owner_cpu_milli, 40_000);
        assert_eq!(defaults.policy.owner_memory_mb, 40_960);
        assert_eq!(defaults.policy.host_cpu_milli, None);
        assert_eq!(defaults.policy.host_memory_mb, None);
        assert_eq!(defaults.policy.owner_disk_mb, 204_800);
        assert_eq!(defaults.policy.host_disk_mb, None);
        assert_eq!(defaults.network, NetworkChoice::Auto);
        assert_eq!(defaults.runtime, None);
        assert_eq!(defaults.policy.history, Duration::from_secs(86_400));
        assert!(!defaults.policy.private_webhooks);
        assert_eq!(defaults.look_ahead, Duration::from_secs(65));
        assert_eq!(defaults.publish.advertised_host, "127.0.0.1");
        assert_eq!(defaults.relay_time, None);
        assert_eq!(
            defaults.engine,
            EngineAddress::Unix("/var/run/docker.sock".into())
        );
        let local = LocalSettings::parse(lookup(&[])).unwrap();
        assert_eq!(local.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(local.tick, Duration::from_secs(60));
        let url = CommandLineSettings::parse(lookup(&[])).url;
        assert_eq!(url, format!("http://{}", local.listen));
    }

    #[test]
    fn a_terminal_is_shown_colours_unless_they_are_unwanted() {
        for (variables, colours) in [
            (&[][..], true),
            (&[("NO_COLOR", "")], true),
            (&[("NO_COLOR", "1")], false),
            (&[("TERM", "dumb")], false),
            (&[("TERM", "xterm")], true),
        ] {
            let settings = CommandLineSettings::parse(lookup(variables));
            assert_eq!(settings.colours, colours, "{variables:?}");
        }
    }

    #[test]
    fn an_empty_variable_counts_as_not_set() {
        assert_eq!(settings(&[("CONTAINERLEASE_TABLE", "")]), settings(&[]));
        assert_eq!(
            settings(&[("CONTAINERLEASE_RELAY_SECONDS", "")]),
            settings(&[])
        );
    }

    #[test]
    fn a_wrong_value_is_named_with_what_would_be_right() {
        for (variable, value, said) in [
            (
                "CONTAINERLEASE_DEPLOYMENT",
                "My App",
                "1 to 32 of the characters",
            ),
            (
                "CONTAINERLEASE_MAX_MINUTES",
                "0",
                "whole number from 1 to 525600",
            ),
            (
                "CONTAINERLEASE_MAX_MINUTES",
                "ten",
                "whole number from 1 to 525600",
            ),
            (
                "CONTAINERLEASE_MAX_LEASES",
                "-1",
                "whole number from 1 to 100000",
            ),
            (
                "CONTAINERLEASE_OWNER_CPU_MILLI",
                "0",
                "whole number from 1 to 1000000000",
            ),
            (
                "CONTAINERLEASE_OWNER_MEMORY_MB",
                "1.5",
                "whole number from 1 to 1000000000",
            ),
            (
                "CONTAINERLEASE_HOST_CPU_MILLI",
                "two",
                "whole number from 1 to 1000000000",
            ),
            (
                "CONTAINERLEASE_HOST_MEMORY_MB",
                "0",
                "whole number from 1 to 1000000000",
            ),
            (
                "CONTAINERLEASE_HOST_CONTAINERS",
                "1001",
                "whole number from 1 to 1000",
            ),
            (
                "CONTAINERLEASE_HISTORY_HOURS",
                "0",
                "whole number from 1 to 87600",
            ),
            (
                "CONTAINERLEASE_LOOK_AHEAD_SECONDS",
                "601",
                "whole number from 0 to 600",
            ),
            (
                "CONTAINERLEASE_PUBLISH_ADDRESS",
                "localhost",
                "invalid IP address",
            ),
            (
                "CONTAINERLEASE_RELAY_SECONDS",
                "0",
                "whole number from 6 to 86400",
            ),
            ("CONTAINERLEASE_RUNTIME", "/bin/runsc", "1 to 64 letters"),
            ("CONTAINERLEASE_WEBHOOK_PRIVATE", "yes", "`true` or `false`"),
            ("DOCKER_HOST", "ssh://host", "begin with unix:// or tcp://"),
            ("DOCKER_HOST", "unix://docker.sock", "must be absolute"),
            ("DOCKER_HOST", "tcp://host", "a host and a port"),
            ("DOCKER_HOST", "tcp://a b:1", "a host and a port"),
            ("DOCKER_HOST", "tcp://u@host:1", "a host and a port"),
            ("DOCKER_HOST", "tcp://host:2375", "mutual TLS only"),
        ] {
            let error = settings(&[(variable, value)]).expect_err(value);
            assert_eq!(error.variable, variable);
            assert!(error.problem.contains(said), "{error}");
        }
    }

    #[test]
    fn an_engine_over_tcp_comes_with_its_certificates() {
        let tls = settings(&[
            ("DOCKER_HOST", "tcp://127.0.0.1:2376"),
            ("DOCKER_CERT_PATH", "/certs"),
        ]);
        assert_eq!(
            tls.unwrap().engine,
            EngineAddress::Tls {
                authority: "127.0.0.1:2376".to_owned(),
                certificates: CertificateSource::Folder("/certs".into())
            }
        );
    }

    #[test]
    fn the_server_listens_on_loopback_only() {
        for wrong in ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:80"] {
            let error = LocalSettings::parse(lookup(&[("CONTAINERLEASE_LISTEN", wrong)]));
            assert!(error.unwrap_err().problem.contains("loopback"), "{wrong}");
        }
        assert!(LocalSettings::parse(lookup(&[("CONTAINERLEASE_LISTEN", "[::1]:9")])).is_ok());
        assert!(LocalSettings::parse(lookup(&[("CONTAINERLEASE_LISTEN", "8080")])).is_err());
    }

    #[test]
    fn the_guard_uses_a_socket_only_and_has_its_bounds() {
        let guard = |pairs: &[_]| GuardSettings::parse(lookup(pairs));
        let defaults = guard(&[]).unwrap();
        assert_eq!(
            defaults,
            GuardSettings {
                socket: "/var/run/docker.sock".into(),
                deployments: Vec::new(),
                grace: Duration::from_secs(20),
                look_every: Duration::from_secs(10),
                longest_lease: None,
            }
        );
        let set = guard(&[
            ("CONTAINERLEASE_GUARD_DEPLOYMENTS", "prod, dev,"),
            ("CONTAINERLEASE_MAX_MINUTES", "30"),
        ]);
        let set = set.unwrap();
        assert_eq!(set.deployments, ["prod", "dev"].map(|n| n.parse().unwrap()));
        assert_eq!(set.longest_lease, Some(Duration::from_secs(1_800)));
        let over_tls = [
            ("DOCKER_HOST", "tcp://127.0.0.1:2376"),
            ("DOCKER_CERT_PATH", "/certs"),
        ];
        assert!(
            guard(&over_tls)
                .unwrap_err()
                .problem
                .contains("socket only")
        );
        for (variable, value) in [
            ("CONTAINERLEASE_GUARD_DEPLOYMENTS", "prod,My App"),
            ("CONTAINERLEASE_GUARD_GRACE_SECONDS", "21"),
            ("CONTAINERLEASE_GUARD_LOOK_SECONDS", "0"),
            ("CONTAINERLEASE_GUARD_LOOK_SECONDS", "11"),
            ("CONTAINERLEASE_MAX_MINUTES", "0"),
        ] {
            let error = guard(&[(variable, value)]).unwrap_err();
            assert_eq!(error.variable, variable);
        }
    }
}
