//! The fields that this client reads from the API's answers. It ignores other fields, and shows
//! unknown values, such as a state of a later version, as they are.

use containerlease_domain::{names::LeaseId, time::Time};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Answer;
use crate::failure::Failure;

/// A lease.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    pub id: LeaseId,
    pub image_type: String,
    pub name: Option<String>,
    #[serde(default)]
    pub stand_in: bool,
    pub state: String,
    pub expiry_time: Time,
    pub maximum_expiry_time: Option<Time>,
    #[serde(default)]
    pub ports: Vec<Port>,
    pub reason: Option<String>,
    pub receipt: Option<Receipt>,
}

/// A port of a container, and its address on the host.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    pub container_port: u16,
    pub host: String,
    pub host_port: u16,
    pub url: Option<String>,
}

/// Why and when a lease has ended.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    pub reason: String,
    pub removed_at: Option<Time>,
    pub exit_code: Option<i64>,
    /// Why it failed, in more detail: for example, it ran out of memory.
    pub detail: Option<String>,
}

/// A lease, parsed and as received.
#[derive(Clone, Debug)]
pub struct Listed {
    pub lease: Lease,
    /// The whole object, with the fields that this client does not read.
    pub json: String,
}

/// Leases, and the server's time from which the time left is counted.
#[derive(Clone, Debug)]
pub struct Leases {
    pub leases: Vec<Listed>,
    pub server_time: Time,
}

/// A page of a list of leases.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    pub(super) containers: Vec<Box<RawValue>>,
    pub(super) cursor: Option<String>,
    pub(super) server_time: Time,
}

/// The outcome of ending a lease.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Deleted {
    #[serde(default)]
    pub(super) state: String,
}

/// A new or renewed lease, and the server's time from which the time left is counted.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timed<T> {
    #[serde(flatten)]
    pub body: T,
    pub server_time: Time,
}

/// A lease that was renewed.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Renewed {
    pub expiry_time: Time,
    pub granted: Granted,
}

/// What a renewal granted.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Granted {
    pub duration_seconds: u64,
    pub added_seconds: u64,
    pub capped: bool,
}

/// The outcome of a command.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Executed {
    pub exit_code: Option<i64>,
    pub stdout: String,
    pub stderr: String,
    pub truncated: Truncated,
    pub still_running: Option<bool>,
}

/// Which streams were truncated.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Truncated {
    pub stdout: bool,
    pub stderr: bool,
}

/// What a container uses.
#[derive(Clone, Debug, Deserialize)]
pub struct Stats {
    pub cpu: Cpu,
    pub memory: Memory,
    /// Earlier servers do not send it.
    pub disk: Option<Disk>,
    pub network: Network,
    pub processes: Processes,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cpu {
    pub percent: f64,
    pub limit_milli: u32,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    pub used_bytes: u64,
    pub limit_bytes: u64,
}

/// Either may be unknown.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Disk {
    pub used_bytes: Option<u64>,
    pub limit_bytes: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    pub received_bytes: u64,
    pub sent_bytes: u64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Processes {
    pub count: u64,
    pub limit: Option<u64>,
}

/// The catalogue.
#[derive(Clone, Debug, Deserialize)]
pub struct Images {
    pub images: Vec<Image>,
}

/// An image type of the catalogue.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    pub image_type: String,
    pub description: String,
    pub ports: Vec<ImagePort>,
    pub cpu_milli: Amount,
    #[serde(rename = "memoryMB")]
    pub memory_mb: Amount,
    /// Earlier servers do not send it.
    #[serde(rename = "diskMB")]
    pub disk_mb: Option<Amount>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImagePort {
    pub container_port: u16,
    pub scheme: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Amount {
    pub default: u32,
    pub maximum: u32,
}

/// A page of a log.
#[derive(Debug, Deserialize)]
pub struct LogPage {
    pub entries: Vec<Box<RawValue>>,
    pub cursor: containerlease_domain::logs::Cursor,
    pub more: bool,
    pub gap: bool,
}

impl Listed {
    pub(super) fn of(answer: &Answer) -> Result<Self, Failure> {
        Ok(Self {
            lease: answer.read()?,
            json: answer.json(),
        })
    }
}

impl Lease {
    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.state == "ended"
    }
}

impl Port {
    /// Its address: the URL, or host and port.
    pub fn reached_at(&self) -> String {
        let Self {
            host, host_port, ..
        } = self;
        match &self.url {
            Some(url) => url.clone(),
            None if host.contains(':') => format!("[{host}]:{host_port}"),
            None => format!("{host}:{host_port}"),
        }
    }
}
