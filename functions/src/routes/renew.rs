//! `POST /api/containers/{id}/renew`: moves a lease's end.

use containerlease_domain::{identity::Scope, request};
use containerlease_service::leasing::renew;
use http::StatusCode;
use lambda_http::{Body, Request, Response};

use crate::{
    app::App,
    enqueue,
    http::{
        answer::{answer, body, lease_id},
        caller::caller,
        problem::Problem,
        view::Renewed,
    },
};

/// Answers 200 with the lease and what was granted.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let result = renewed(app, &request).await;
    answer(&request, StatusCode::OK, result)
}

async fn renewed(app: &App, request: &Request) -> Result<Renewed, Problem> {
    let (owner, id) = (
        caller(app, request, Scope::Lease).await?.owner,
        lease_id(request)?,
    );
    let asked = request::Renew::parse(body(request)?, app.policy.longest_lease)?;
    let renewed = renew::renew(&app.store, &owner, &id, asked.duration).await?;
    let lease = &renewed.lease;
    tracing::info!(lease = %lease.id, expires_at = %lease.expires_at, "renewed a lease");
    enqueue::lease_runs(app, lease).await;
    Ok(Renewed::from(&renewed))
}
