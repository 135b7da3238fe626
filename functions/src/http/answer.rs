//! HTTP requests and answers: reads a request's lease id and body, and turns a verb's result into
//! a response.

use std::time::Instant;

use containerlease_domain::{names::LeaseId, request::BODY_LIMIT, time::Time};
use http::{HeaderValue, StatusCode, header};
use lambda_http::{Body, Request, RequestExt, Response, request::RequestContext};
use serde::Serialize;
use serde_json::json;
use tracing::Instrument as _;

use crate::http::{
    problem::{Kind, Problem},
    view::Timed,
};

/// Answers a request with `handler`, and logs it under its id. Only for Lambda: the
/// one-machine server logs requests itself.
pub async fn logged<F: Future<Output = Response<Body>>>(
    request: Request,
    handler: impl FnOnce(Request) -> F,
) -> Result<Response<Body>, lambda_http::Error> {
    let id = request_id(&request).unwrap_or_default().to_owned();
    let asked = format!("{} {}", request.method(), request.raw_http_path());
    let began = Instant::now();
    let span = tracing::info_span!("request", id);
    async {
        let response = handler(request).await;
        let status = response.status().as_u16();
        let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(asked, status, ms = took, "answered");
        Ok(response)
    }
    .instrument(span)
    .await
}

/// The lease that the path names.
pub fn lease_id(request: &Request) -> Result<LeaseId, Problem> {
    request
        .path_parameters_ref()
        .and_then(|parameters| parameters.first("id"))
        .and_then(|id| id.parse().ok())
        .ok_or_else(Problem::invalid_id)
}

/// The request's body, if it is not too large.
pub fn body(request: &Request) -> Result<&[u8], Problem> {
    let body: &[u8] = request.body();
    if body.len() <= BODY_LIMIT {
        Ok(body)
    } else {
        Err(Problem::body_too_large())
    }
}

/// The answer of a handler: JSON with the server's time, or a problem.
pub fn answer<T: Serialize>(
    request: &Request,
    status: StatusCode,
    result: Result<T, Problem>,
) -> Response<Body> {
    match result {
        Ok(body) => json_response(
            request_id(request),
            status,
            "application/json",
            &Timed {
                body,
                server_time: Time::now(),
            },
        ),
        Err(problem) => problem_response(request_id(request), &problem),
    }
}

/// A problem as a response.
pub fn problem_response(request_id: Option<&str>, problem: &Problem) -> Response<Body> {
    log_cause(problem);
    let mut body = json!({
        "type": problem.kind.urn(),
        "title": problem.title,
        "status": problem.kind.status().as_u16(),
        "detail": problem.detail,
        "requestId": request_id,
    });
    for (member, value) in &problem.members {
        body[*member] = value.clone();
    }
    let status = problem.kind.status();
    let mut response = json_response(request_id, status, "application/problem+json", &body);
    // The one-machine server's metrics read this; it is not sent.
    response.extensions_mut().insert(problem.kind);
    let allowed = problem.allowed_methods.as_deref();
    if let Some(Ok(allowed)) = allowed.map(HeaderValue::from_str) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    if let Some(challenge) = challenge(problem.kind) {
        response.headers_mut().insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static(challenge),
        );
    }
    if let Some(wait) = problem.retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
    }
    response
}

/// How the caller can sign in, in the words of RFC 6750.
fn challenge(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::SignInNeeded => Some("Bearer"),
        Kind::InvalidToken => Some("Bearer error=\"invalid_token\""),
        Kind::NotAllowed => Some("Bearer error=\"insufficient_scope\""),
        _ => None,
    }
}

/// Logs what an adapter said, under the request's span. It is the operator's matter unless the
/// caller's own command was at fault.
fn log_cause(problem: &Problem) {
    let Some(cause) = &problem.cause else {
        return;
    };
    let kind = problem.kind;
    if kind == Kind::CannotRun {
        tracing::info!(%cause, problem = kind.name(), "a request was refused");
    } else {
        tracing::error!(%cause, problem = kind.name(), "a request failed");
    }
}

/// A JSON response with the request's id, which no cache stores.
pub fn json_response(
    request_id: Option<&str>,
    status: StatusCode,
    content_type: &'static str,
    body: &impl Serialize,
) -> Response<Body> {
    let text = serde_json::to_string(body).expect("a view is made of texts and numbers");
    let response = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, content_type)
        .header(header::CACHE_CONTROL, "no-store")
        .body(Body::Text(text))
        .expect("all parts of the response are valid");
    named(request_id, response)
}

/// Adds the request's id, with which the operator finds the request in the log.
pub fn named(request_id: Option<&str>, mut response: Response<Body>) -> Response<Body> {
    if let Some(Ok(id)) = request_id.map(HeaderValue::from_str) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}

/// The request's id in the log.
pub fn request_id(request: &Request) -> Option<&str> {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.request_id.as_deref(),
        _ => None,
    }
}
