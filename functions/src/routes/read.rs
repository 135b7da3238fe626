//! The function of all routes that only read. Each is in a file of its own beside this one.

use std::collections::HashMap;

use http::{HeaderValue, Method, StatusCode, header};
use lambda_http::{Body, Request, RequestExt, Response};

use super::{
    container::container,
    containers::containers,
    description::description,
    health::{health, readiness},
    images::images,
    log_page::log_page,
    me::me,
    stats::stats,
};
use crate::{
    app::App,
    http::{
        answer::{answer, problem_response, request_id},
        problem::Problem,
        router::{Function, route},
    },
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
    if let Err(problem) = routed(request) {
        return problem_response(request_id(request), &problem);
    }
    match path {
        "/api/containers" => answer(request, StatusCode::OK, containers(app, request).await),
        "/api/images" => answer(request, StatusCode::OK, images(app, request).await),
        "/api/me" => answer(request, StatusCode::OK, me(app, request).await),
        "/healthz" => answer(request, StatusCode::OK, Ok(health())),
        "/readyz" => readiness(app, request).await,
        "/api/openapi.json" => description(app, request).await,
        path if path.starts_with("/api/containers/") && path.ends_with("/logs") => {
            answer(request, StatusCode::OK, log_page(app, request).await)
        }
        path if path.starts_with("/api/containers/") && path.ends_with("/stats") => {
            answer(request, StatusCode::OK, stats(app, request).await)
        }
        path if path.starts_with("/api/containers/") => {
            answer(request, StatusCode::OK, container(app, request).await)
        }
        _ => problem_response(request_id(request), &Problem::route_not_found()),
    }
}

/// Refuses what is not for this function. On AWS it also gets the requests that no route takes; those
/// have no path parameters.
fn routed(request: &Request) -> Result<(), Problem> {
    let parameters = request.path_parameters_ref();
    let is_get = [Method::GET, Method::HEAD].contains(request.method());
    if is_get && parameters.is_some_and(|it| it.first("id").is_some()) {
        return Ok(());
    }
    match route(request.method(), request.raw_http_path())? {
        (Function::List, _) => Ok(()),
        _ => Err(Problem::route_not_found()),
    }
}
