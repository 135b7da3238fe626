//! `GET /api/containers/{id}/stats`: what a lease's container uses.

use containerlease_domain::{identity::Scope, time::Time};
use containerlease_service::leasing::stats;
use lambda_http::Request;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{answer::lease_id, caller::caller, problem::Problem},
};

/// What a container uses. The names of the numbers have the units.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stats {
    read_at: Time,
    cpu: Cpu,
    memory: Memory,
    disk: Disk,
    network: Network,
    processes: Processes,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cpu {
    /// Since the container's start.
    used_nanoseconds: u64,
    /// Percent of one CPU, over the last `measuredMilliseconds`.
    percent: f64,
    /// Percent of the lease's CPU limit.
    percent_of_limit: f64,
    limit_milli: u32,
    measured_milliseconds: u64,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Memory {
    used_bytes: u64,
    limit_bytes: u64,
}

/// The container's writes and its volumes, together.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Disk {
    /// Null if the engine did not answer in time.
    #[schema(required)]
    used_bytes: Option<u64>,
    /// Null if no limit was set.
    #[schema(required)]
    limit_bytes: Option<u64>,
}

/// Since the container's start.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Network {
    received_bytes: u64,
    sent_bytes: u64,
}

/// Processes and threads.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct Processes {
    count: u64,
    #[schema(required)]
    limit: Option<u64>,
}

pub(crate) async fn stats(app: &App, request: &Request) -> Result<Stats, Problem> {
    let (owner, id) = (
        caller(app, request, Scope::Read).await?.owner,
        lease_id(request)?,
    );
    let stats = stats::stats(&app.store, &app.host, &owner, &id).await?;
    Ok(Stats {
        read_at: stats.read_at,
        cpu: Cpu {
            used_nanoseconds: stats.cpu_nanoseconds,
            percent: stats.cpu_percent,
            percent_of_limit: stats.cpu_percent_of_limit,
            limit_milli: stats.cpu_limit_milli,
            measured_milliseconds: u64::try_from(stats.measured.as_millis()).unwrap_or(u64::MAX),
        },
        memory: Memory {
            used_bytes: stats.memory_bytes,
            limit_bytes: stats.memory_limit_bytes,
        },
        disk: Disk {
            used_bytes: stats.disk_bytes,
            limit_bytes: stats.disk_limit_bytes,
        },
        network: Network {
            received_bytes: stats.received_bytes,
            sent_bytes: stats.sent_bytes,
        },
        processes: Processes {
            count: stats.processes,
            limit: stats.processes_limit,
        },
    })
}
