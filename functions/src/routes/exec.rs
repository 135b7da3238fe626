//! `POST /api/containers/{id}/exec`: a command, run inside a lease's container.

use containerlease_domain::{identity::Scope, request};
use containerlease_service::leasing::exec;
use http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use tracing::Instrument as _;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{
        answer::{answer, body, lease_id},
        caller::caller,
        problem::Problem,
    },
};

/// Answers 200 with the command's outcome, whatever its exit code.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let result = executed(app, &request).await;
    answer(&request, StatusCode::OK, result)
}

/// The answer to a command.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Executed {
    /// Null if the command was killed.
    #[schema(required)]
    exit_code: Option<i64>,
    stdout: String,
    stderr: String,
    truncated: Truncated,
    /// Whether the command was killed at its timeout.
    timed_out: bool,
    /// Whether the command or one of its children could not be killed; null if unknown.
    #[schema(required)]
    still_running: Option<bool>,
}

/// Which streams the answer has cut short.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct Truncated {
    stdout: bool,
    stderr: bool,
}

async fn executed(app: &App, request: &Request) -> Result<Executed, Problem> {
    let (owner, id) = (
        caller(app, request, Scope::Exec).await?.owner,
        lease_id(request)?,
    );
    let asked = request::Exec::parse(body(request)?)?;
    // On one machine this future is dropped if the caller disconnects. The task still waits
    // for the command, and kills it at its timeout.
    let app = app.clone();
    let running = async move { exec::exec(&app.store, &app.host, &owner, &id, &asked).await };
    let running = tokio::spawn(running.in_current_span());
    let executed = running.await.map_err(|error| {
        tracing::error!(%error, "a command's task ended badly");
        Problem::internal()
    })??;
    // The command and its output may hold secrets, so neither is logged.
    tracing::info!(lease = %id, exit_code = executed.exit_code, "ran a command");
    Ok(Executed {
        exit_code: executed.exit_code,
        truncated: Truncated {
            stdout: executed.stdout.truncated,
            stderr: executed.stderr.truncated,
        },
        stdout: executed.stdout.text,
        stderr: executed.stderr.text,
        timed_out: executed.exit_code.is_none(),
        still_running: executed.still_running,
    })
}
