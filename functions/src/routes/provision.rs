//! `POST /api/provision`: a new lease, or the existing lease of the same `Idempotency-Key`.

use containerlease_domain::{
    catalogue::ImageType, idempotency::IdempotencyKey, identity::Scope, request, time::Time,
};
use containerlease_service::leasing::provision;
use http::{HeaderValue, StatusCode, header};
use lambda_http::{Body, Request, Response};

use crate::{
    app::App,
    enqueue,
    http::{
        answer::{answer, body},
        caller::caller,
        problem::Problem,
        view::Provisioned,
    },
};

/// Answers 201 with the lease and its path, once its container runs.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let mut image_type = None;
    let result = provisioned(app, &request, &mut image_type).await;
    let id = result
        .as_ref()
        .ok()
        .map(|provisioned| provisioned.container.id);
    let mut response = answer(&request, StatusCode::CREATED, result);
    // The one-machine server's metrics read this; it is not sent.
    if let Some(image_type) = image_type {
        response.extensions_mut().insert::<ImageType>(image_type);
    }
    if let Some(id) = id
        && let Ok(path) = HeaderValue::try_from(format!("/api/containers/{id}"))
    {
        response.headers_mut().insert(header::LOCATION, path);
    }
    response
}

/// Sets `image_type` as soon as the request is parsed, so that failures have it, too.
async fn provisioned(
    app: &App,
    request: &Request,
    image_type: &mut Option<ImageType>,
) -> Result<Provisioned, Problem> {
    let now = Time::now();
    let owner = caller(app, request, Scope::Lease).await?.owner;
    let key = idempotency_key(request)?;
    let policy = &app.policy;
    let asked = request::Provision::parse(body(request)?, &app.catalogue, policy)?;
    *image_type = Some(asked.image.image_type.clone());
    let lease = provision::provision(app.deps(), policy, &owner, &asked, key.as_ref(), now);
    // Boxed: the future is large, and a thread's stack is small.
    let lease = Box::pin(lease).await?;
    tracing::info!(lease = %lease.id, image_type = %lease.image_type, "provisioned a lease");
    enqueue::lease_runs(app, &lease).await;
    Ok(Provisioned::from(&lease))
}

/// The request's `Idempotency-Key`, if it has one.
fn idempotency_key(request: &Request) -> Result<Option<IdempotencyKey>, Problem> {
    let mut values = request.headers().get_all("idempotency-key").iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => {
            let key = one.to_str().ok().and_then(|text| text.parse().ok());
            key.map(Some).ok_or_else(Problem::invalid_idempotency_key)
        }
        (Some(_), Some(_)) => Err(Problem::invalid_idempotency_key()),
    }
}
