//! `DELETE /api/containers/{id}`: the owner ends a lease.

use containerlease_domain::{identity::Scope, lease::StateName};
use containerlease_service::leasing::delete;
use http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{
        answer::{answer, lease_id},
        caller::caller,
        problem::Problem,
    },
};

/// Answers 200 if the container is gone, and 202 if the lease is ending and the reaper will
/// finish it.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let result = deleted(app, &request).await.map(|state| Deleted {
        success: true,
        state,
    });
    let gone = result
        .as_ref()
        .is_ok_and(|deleted| deleted.state == StateName::Ended);
    let status = if gone {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    answer(&request, status, result)
}

/// The answer to a delete.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct Deleted {
    /// Always true: every state accepts a delete.
    success: bool,
    state: StateName,
}

async fn deleted(app: &App, request: &Request) -> Result<StateName, Problem> {
    let (owner, id) = (
        caller(app, request, Scope::Lease).await?.owner,
        lease_id(request)?,
    );
    let state = delete::delete(app.deps(), &owner, &id).await?;
    tracing::info!(lease = %id, state = state.as_str(), "deleted a lease");
    Ok(state)
}
