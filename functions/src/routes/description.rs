//! `GET /api/openapi.json`: the API's description.

use std::hash::{DefaultHasher, Hasher as _};

use containerlease_domain::identity::Scope;
use http::{StatusCode, header};
use lambda_http::{Body, Request, Response};

use crate::{
    app::App,
    http::{
        answer::{named, problem_response, request_id},
        caller::caller,
    },
};

/// The description as it is kept in the repository; a test compares it with the code.
pub const DESCRIPTION: &str = include_str!("../../../docs/openapi.json");

/// The API's description. It changes only with the program, so its `ETag` saves a client from
/// reading it again.
pub(super) async fn description(app: &App, request: &Request) -> Response<Body> {
    if let Err(problem) = caller(app, request, Scope::Read).await {
        return problem_response(request_id(request), &problem);
    }
    let mut hasher = DefaultHasher::new();
    hasher.write(DESCRIPTION.as_bytes());
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
        (StatusCode::OK, Body::from(DESCRIPTION))
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
