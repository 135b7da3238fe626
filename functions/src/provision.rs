//! `POST /api/provision`: a new lease.

use containerlease_shared::{provision, request, time::Time};
use http::StatusCode;
use lambda_http::{Body, Request, Response};

use crate::{
    answer::{answer, body, owner},
    app::App,
    problem::Problem,
    view::Container,
};

/// Answers 201 with the lease, once its container runs.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let result = provisioned(app, &request).await;
    answer(&request, StatusCode::CREATED, result)
}

async fn provisioned(app: &App, request: &Request) -> Result<Container, Problem> {
    let owner = owner(request)?;
    let policy = &app.policy;
    let asked = request::Provision::parse(body(request)?, &app.catalogue, policy.longest_lease)?;
    let lease = provision::provision(app.tools(), policy, owner, &asked, Time::now()).await?;
    tracing::info!(lease = %lease.id, image_type = %lease.image_type, "provisioned a lease");
    Ok(Container::from(&lease))
}
