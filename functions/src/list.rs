//! The read-only routes: the owner's leases, one lease, its log and its usage, the catalogue,
//! the API's description, and health.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hasher as _},
};

use containerlease_shared::{
    host::HostError,
    lease::Lease,
    request::list::{Cursor, List},
    store::{Shortage, StoreError, StoreErrorKind},
};
use http::{HeaderValue, Method, StatusCode, header};
use lambda_http::{Body, Request, RequestExt, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    answer::{answer, json_response, lease_id, named, owner, problem_response, request_id},
    app::App,
    log_page::log_page,
    openapi,
    problem::Problem,
    routes::route,
    stats::stats,
    view::{Container, Containers, Images, One},
    warning::Warning,
};

/// Answers every route of this function. The answer to `HEAD` is that to `GET` without its
/// body.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let request = with_path_parameters(request);
    let mut response = get(app, &request).await;
    if request.method() == Method::HEAD {
        let body = std::mem::take(response.body_mut());
        if !body.is_empty() {
            let length = HeaderValue::from(body.len());
            response
                .headers_mut()
                .insert(header::CONTENT_LENGTH, length);
        }
    }
    response
}

/// On AWS no route takes `HEAD`, so such a request arrives without path parameters.
fn with_path_parameters(request: Request) -> Request {
    if request.method() == Method::HEAD
        && let Ok((_, Some(id))) = route(&Method::HEAD, request.raw_http_path())
    {
        let parameters = HashMap::from([("id".to_owned(), vec![id])]);
        return request.with_path_parameters(parameters);
    }
    request
}

async fn get(app: &App, request: &Request) -> Response<Body> {
    let path = request.raw_http_path();
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return problem_response(request_id(request), &unrouted(request.method(), path));
    }
    match path {
        "/api/containers" => answer(request, StatusCode::OK, all(app, request).await),
        "/api/images" => {
            let images = Images::new(&app.catalogue, &app.policy);
            answer(request, StatusCode::OK, Ok(images))
        }
        "/healthz" => answer(request, StatusCode::OK, Ok(Health { status: "ok" })),
        "/readyz" => readiness(app, request).await,
        "/api/openapi.json" => description(request),
        path if path.starts_with("/api/containers/") && path.ends_with("/logs") => {
            answer(request, StatusCode::OK, log_page(app, request).await)
        }
        path if path.starts_with("/api/containers/") && path.ends_with("/stats") => {
            answer(request, StatusCode::OK, stats(app, request).await)
        }
        path if path.starts_with("/api/containers/") => {
            answer(request, StatusCode::OK, one(app, request).await)
        }
        path => problem_response(request_id(request), &unrouted(&Method::GET, path)),
    }
}

/// The problem of a request that is not for this function: an unknown path, or a method that
/// the path does not take.
fn unrouted(method: &Method, path: &str) -> Problem {
    route(method, path).map_or_else(|problem| problem, |_| Problem::route_not_found())
}

async fn all(app: &App, request: &Request) -> Result<Containers, Problem> {
    let owner = owner(request)?;
    let query = request.query_string_parameters_ref();
    let asked = List::parse(query.into_iter().flat_map(|it| it.iter()), &app.catalogue);
    let asked = asked.map_err(|faults| Problem::invalid_query(&faults))?;
    let (leases, last) = match asked.page {
        // How many leases have ended does not slow this read down.
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
        containers: leases.iter().map(Container::for_owner).collect(),
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
        container: Container::for_owner(&lease),
        notifications: notifications.into_iter().map(Into::into).collect(),
    })
}

/// The API's description. It changes only with the program, so its `ETag` saves a client from
/// reading it again.
fn description(request: &Request) -> Response<Body> {
    let mut hasher = DefaultHasher::new();
    hasher.write(openapi::KEPT.as_bytes());
    let tag = format!("\"{:016x}\"", hasher.finish());
    let known = request.headers().get_all(header::IF_NONE_MATCH);
    let is_known = known
        .iter()
        .filter_map(|tags| tags.to_str().ok())
        .flat_map(|tags| tags.split(','))
        .any(|its| its.trim().trim_start_matches("W/") == tag);
    let (status, body) = if is_known {
        (StatusCode::NOT_MODIFIED, Body::Empty)
    } else {
        (StatusCode::OK, Body::from(openapi::KEPT))
    };
    let response = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CACHE_CONTROL, "public, max-age=300")
        .header(header::ETAG, tag)
        .body(body)
        .expect("all parts of the response are valid");
    named(request_id(request), response)
}

/// The process answers.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    status: &'static str,
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

async fn readiness(app: &App, request: &Request) -> Response<Body> {
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
        HostError::Unreachable { .. } | HostError::Away { .. } => "The engine cannot be reached.",
        _ => "The engine answers with an error.",
    }
}
