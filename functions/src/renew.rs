//! `POST /api/containers/{id}/renew`: a later end.

use containerlease_shared::{renew, request};
use http::StatusCode;
use lambda_http::{Body, Request, Response};

use crate::{
    answer::{answer, body, lease_id, owner},
    app::App,
    problem::Problem,
    view::Container,
};

/// Answers 200 with the lease and the end that was granted.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let result = renewed(app, &request).await;
    answer(&request, StatusCode::OK, result)
}

async fn renewed(app: &App, request: &Request) -> Result<Container, Problem> {
    let (owner, id) = (owner(request)?, lease_id(request)?);
    let asked = request::Renew::parse(body(request)?, app.policy.longest_lease)?;
    let lease = renew::renew(&app.store, &owner, &id, asked.duration).await?;
    tracing::info!(lease = %lease.id, expires_at = %lease.expires_at, "renewed a lease");
    Ok(Container::from(&lease))
}
