//! What only reads: the owner's leases, one lease, its log and what it uses, the catalogue,
//! and health.

use containerlease_shared::{
    host::HostError,
    lease::Lease,
    request::list::{Cursor, List},
    store::{StoreError, StoreErrorKind},
};
use http::{Method, StatusCode};
use lambda_http::{Body, Request, RequestExt, Response};
use serde::Serialize;

use crate::{
    answer::{answer, json_response, lease_id, owner, problem_response, request_id},
    app::App,
    log_page::log_page,
    problem::Problem,
    routes::route,
    stats::stats,
    view::{Container, Containers, Images, One},
};

/// Answers every route of this function.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let path = request.raw_http_path();
    if request.method() != Method::GET {
        return problem_response(request_id(&request), &unrouted(request.method(), path));
    }
    match path {
        "/api/containers" => answer(&request, StatusCode::OK, all(app, &request).await),
        "/api/images" => {
            let images = Images::new(&app.catalogue, &app.policy);
            answer(&request, StatusCode::OK, Ok(images))
        }
        "/healthz" => answer(&request, StatusCode::OK, Ok(Health { status: "ok" })),
        "/readyz" => readiness(app).await,
        path if path.starts_with("/api/containers/") && path.ends_with("/logs") => {
            answer(&request, StatusCode::OK, log_page(app, &request).await)
        }
        path if path.starts_with("/api/containers/") && path.ends_with("/stats") => {
            answer(&request, StatusCode::OK, stats(app, &request).await)
        }
        path if path.starts_with("/api/containers/") => {
            answer(&request, StatusCode::OK, one(app, &request).await)
        }
        path => problem_response(request_id(&request), &unrouted(&Method::GET, path)),
    }
}

/// What is wrong with a request that is not for this function: that of a path or a method
/// that no route takes.
fn unrouted(method: &Method, path: &str) -> Problem {
    route(method, path).map_or_else(|problem| problem, |_| Problem::route_not_found())
}

async fn all(app: &App, request: &Request) -> Result<Containers, Problem> {
    let owner = owner(request)?;
    let query = request.query_string_parameters_ref();
    let asked = List::parse(query.into_iter().flat_map(|it| it.iter()), &app.catalogue);
    let asked = asked.map_err(|faults| Problem::invalid_query(&faults))?;
    let (leases, last) = match asked.page {
        // Those that have not ended are read as quickly however many have.
        None => {
            let active = app.store.active_of(&owner).await;
            let mut active = active.map_err(|error| Problem::from(&error))?;
            active.retain(|lease| asked.wants(lease));
            (active, None)
        }
        Some(page) => {
            let after = page.cursor.map(|Cursor(lease)| lease);
            let wanted = |lease: &Lease| asked.wants(lease);
            let page = app.store.page_of(&owner, after, page.limit, wanted).await;
            let page = page.map_err(|error| Problem::from(&error))?;
            (page.leases, page.last)
        }
    };
    Ok(Containers {
        containers: leases.iter().map(Container::from).collect(),
        cursor: last.map(Cursor),
    })
}

async fn one(app: &App, request: &Request) -> Result<One, Problem> {
    let (owner, id) = (owner(request)?, lease_id(request)?);
    let lease = app.store.get(&owner, &id).await;
    let lease = lease.map_err(|error| Problem::from(&error))?;
    let lease = lease.ok_or_else(Problem::lease_not_found)?;
    let notifications = if lease.webhook.is_some() {
        let told = app.store.notifications_of(&id).await;
        told.map_err(|error| Problem::from(&error))?
    } else {
        Vec::new()
    };
    Ok(One {
        container: Container::from(&lease),
        notifications: notifications.into_iter().map(Into::into).collect(),
    })
}

/// The process answers.
#[derive(Clone, Copy, Debug, Serialize)]
struct Health {
    status: &'static str,
}

/// Whether leases can be made now, and what stands in the way.
#[derive(Clone, Debug, Serialize)]
struct Readiness {
    status: &'static str,
    table: PartState,
    engine: PartState,
}

/// The state of one part that leases need.
#[derive(Clone, Debug, Serialize)]
struct PartState {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
}

/// Looks at the table and at the engine.
async fn readiness_of(app: &App) -> Readiness {
    let (table, engine) = tokio::join!(app.store.check(), app.host.version());
    let table = part(table.map_err(|error| table_fault(&error)));
    let engine = part(engine.map(drop).map_err(|error| engine_fault(&error)));
    let ready = table.detail.is_none() && engine.detail.is_none();
    Readiness {
        status: if ready { "ready" } else { "unready" },
        table,
        engine,
    }
}

async fn readiness(app: &App) -> Response<Body> {
    let readiness = readiness_of(app).await;
    let status = if readiness.status == "ready" {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    json_response(status, "application/json", &readiness)
}

fn part(checked: Result<(), &'static str>) -> PartState {
    match checked {
        Ok(()) => PartState {
            state: "ok",
            detail: None,
        },
        Err(detail) => PartState {
            state: "error",
            detail: Some(detail),
        },
    }
}

/// What an operator must know, in words of ours: the part's own words stay in the log.
fn table_fault(error: &StoreError) -> &'static str {
    tracing::warn!(%error, "the table is not ready");
    match error.kind {
        StoreErrorKind::Unreachable => "The table cannot be reached.",
        StoreErrorKind::Throttled => "The table is throttled.",
        StoreErrorKind::NoTable => "There is no such table; check CONTAINERLEASE_TABLE.",
        StoreErrorKind::Refused => "The table refuses; check the function's permissions.",
        StoreErrorKind::Corrupt => "The table holds what this program has not written.",
    }
}

/// What an operator must know of an engine that cannot be used; its own words go to the log.
pub fn engine_fault(error: &HostError) -> &'static str {
    use containerlease_shared::host::TlsFault;
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
        HostError::Unreachable { .. } => "The engine cannot be reached.",
        _ => "The engine answers with an error.",
    }
}
