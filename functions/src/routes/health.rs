//! `GET /healthz` and `GET /readyz`: whether the process answers, and whether leases can be made.

use containerlease_service::{
    docker::HostError,
    store::{Shortage, StoreError, StoreErrorKind},
};
use http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::answer::{json_response, request_id},
    warning::Warning,
};

/// The process answers.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    status: &'static str,
}

/// The answer of a process that answers.
pub(super) fn health() -> Health {
    Health { status: "ok" }
}

/// Whether leases can be made now, and what is wrong if not.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    status: Ready,
    table: PartState,
    engine: PartState,
    /// Faults for the operator to correct that do not prevent every lease.
    warnings: Vec<Warning>,
}

/// Whether leases can be made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Ready {
    Ready,
    Unready,
}

/// Whether a part can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Usable {
    Ok,
    Error,
}

/// The state of one part that leases need.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct PartState {
    state: Usable,
    /// What is wrong, in our own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<&'static str>,
}

/// Checks the table and the engine.
async fn readiness_of(app: &App) -> Readiness {
    let (table, engine, warnings) =
        tokio::join!(app.store.check(), app.host.version(), app.all_warnings());
    let table = part(table.map_err(|error| table_fault(&error)));
    let engine = part(engine.map(drop).map_err(|error| engine_fault(&error)));
    let ready = table.detail.is_none() && engine.detail.is_none();
    Readiness {
        status: if ready { Ready::Ready } else { Ready::Unready },
        table,
        engine,
        warnings,
    }
}

/// Answers 200 where leases can be made, and 503 where not.
pub(super) async fn readiness(app: &App, request: &Request) -> Response<Body> {
    let readiness = readiness_of(app).await;
    let status = if readiness.status == Ready::Ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    json_response(request_id(request), status, "application/json", &readiness)
}

fn part(checked: Result<(), &'static str>) -> PartState {
    match checked {
        Ok(()) => PartState {
            state: Usable::Ok,
            detail: None,
        },
        Err(detail) => PartState {
            state: Usable::Error,
            detail: Some(detail),
        },
    }
}

/// What the operator must know about the table. Its own message stays in the log.
fn table_fault(error: &StoreError) -> &'static str {
    tracing::warn!(%error, "the table is not ready");
    match error.kind {
        StoreErrorKind::Unreachable => "The table cannot be reached.",
        StoreErrorKind::Busy => {
            "The table is busy: it throttles, or writes conflict. This passes by itself; if it \
             does not, check the table's throttled requests."
        }
        StoreErrorKind::NoRoom(Shortage::DiskFull) => {
            "The disk of the data folder is full. Leases end on time, but no lease can be made \
             until there is room."
        }
        StoreErrorKind::NoRoom(Shortage::Vanished) => {
            "The data folder was deleted or replaced: what is written now is lost when the \
             server stops. Stop it, and put the folder back."
        }
        StoreErrorKind::Unwritable | StoreErrorKind::NoRoom(Shortage::Unwritable) => {
            "The data folder cannot be written; check its disk and its permissions. Leases end \
             on time, and their receipts follow."
        }
        StoreErrorKind::Failed => "The table fails on its own side; check DynamoDB's health.",
        StoreErrorKind::NoTable => "There is no such table; check CONTAINERLEASE_TABLE.",
        StoreErrorKind::Denied => "The table denies access; check the function's permissions.",
        StoreErrorKind::Refused => "The table rejects our requests; the log says why.",
        StoreErrorKind::Corrupt => "The table holds items that this program cannot read.",
    }
}

/// What the operator must know about an unusable engine. Its own message goes to the log.
pub fn engine_fault(error: &HostError) -> &'static str {
    use containerlease_service::docker::TlsFault;
    tracing::warn!(%error, "the engine is not ready");
    match error {
        HostError::Tls {
            fault: TlsFault::OursRefused,
            ..
        } => "The engine refuses our client certificate.",
        HostError::Tls {
            fault: TlsFault::TheirsUntrusted,
            ..
        } => "We do not trust the engine's certificate.",
        HostError::Certificates(_) => "Our certificate or key for the engine cannot be used.",
        HostError::Secret(_) => {
            "The secret with our certificate for the engine cannot be read; check \
             CONTAINERLEASE_DOCKER_SECRET and the function's permissions."
        }
        HostError::TimedOut { .. } => "The engine does not answer in time.",
        HostError::Unreachable { .. } | HostError::Away { .. } => "The engine cannot be reached.",
        _ => "The engine answers with an error.",
    }
}
