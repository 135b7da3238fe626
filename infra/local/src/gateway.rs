//! API Gateway's HTTP API: routes, and requests as the events that the functions take.

use std::{net::SocketAddr, path::Path, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{FromRequestParts, Path as PathParameter, Request, State, WebSocketUpgrade},
    middleware::{self, Next},
    response::Response,
    routing::{any, get},
};
use containerlease_functions::{
    answer::problem_response, app::App, problem::Problem, routes::route,
};
use futures_util::StreamExt as _;
use http::{HeaderValue, Method, header};
use lambda_http::Body as LambdaBody;
use serde_json::Value;
use tower_http::compression::CompressionLayer;
use tracing::Instrument as _;

use crate::{
    dashboard,
    event::{http_event, query},
    metrics::{self, Metrics},
    sockets::Sockets,
};

/// API Gateway's own bound of a body, in bytes. The functions have a lower one.
const BODY_LIMIT: usize = 10 * 1024 * 1024;

/// How much of a body that is too large is still read, in bytes.
const READ_LIMIT: usize = 64 * 1024 * 1024;

/// What the routes work with.
pub(crate) struct Gateway {
    app: App,
    sockets: Sockets,
    /// The names under which this server may be called, each as `HOST:PORT`.
    names: Vec<String>,
}

impl Gateway {
    pub(crate) fn new(app: App, sockets: Sockets, address: SocketAddr) -> Self {
        let port = address.port();
        let names = vec![
            address.to_string(),
            format!("localhost:{port}"),
            format!("127.0.0.1:{port}"),
            format!("[::1]:{port}"),
        ];
        Self {
            app,
            sockets,
            names,
        }
    }

    /// Whether a header names this server. Behind another name a page of somebody else's
    /// could speak to it through the visitor's browser.
    fn is_named_by(&self, host: &str) -> bool {
        let with_port = |name: &String| {
            name == host || (name.ends_with(":80") && name.strip_suffix(":80") == Some(host))
        };
        self.names.iter().any(with_port)
    }

    /// Whether a request names this server, and comes from a page of this server if it
    /// comes from a page at all.
    fn is_addressed_by(&self, request: &Request) -> bool {
        let text = |name| match request.headers().get(name) {
            None => Ok(None),
            Some(value) => HeaderValue::to_str(value).map(Some),
        };
        let host_is_ours = match (text(header::HOST), request.uri().authority()) {
            (Ok(Some(host)), _) => self.is_named_by(host),
            (Ok(None), Some(authority)) => self.is_named_by(authority.as_str()),
            _ => false,
        };
        let origin_is_ours = match text(header::ORIGIN) {
            Ok(None) => true,
            Ok(Some(origin)) => origin
                .strip_prefix("http://")
                .is_some_and(|host| self.is_named_by(host)),
            Err(_) => false,
        };
        host_is_ours && origin_is_ours
    }
}

/// All that the server answers.
pub(crate) fn router(gateway: Arc<Gateway>, metrics: Arc<Metrics>, folder: &Path) -> Router {
    let dashboard = Router::new()
        .fallback_service(dashboard::files(folder))
        .layer(CompressionLayer::new());
    Router::new()
        .route("/api/{*rest}", any(call))
        .route("/healthz", any(call))
        .route("/readyz", any(call))
        .route("/api", any(call))
        .route("/api/", any(call))
        .route("/ws/logs/{id}", any(watch))
        .with_state(Arc::clone(&gateway))
        .merge(
            Router::new()
                .route("/metrics", get(metrics::show))
                .with_state(metrics),
        )
        .fallback_service(dashboard)
        .layer(middleware::from_fn_with_state(gateway, refuse_foreigners))
        .layer(middleware::from_fn(dashboard::security_headers))
}

/// Answers a request to the API.
async fn call(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let request_id = uuid::Uuid::now_v7().to_string();
    let refused = |problem: &Problem| refused(&request_id, problem);
    let (parts, body) = request.into_parts();
    let (function, id) = match route(&parts.method, parts.uri.path()) {
        Ok(routed) => routed,
        Err(problem) => return refused(&problem),
    };
    let Some(body) = read(body).await else {
        return refused(&Problem::body_too_large());
    };
    let event = http_event(&parts, id.as_deref(), &body, &request_id);
    let request = match lambda_http::request::from_str(&event.to_string()) {
        Ok(request) => request,
        Err(error) => {
            tracing::error!(%error, "a request could not be turned into an event");
            return refused(&Problem::internal());
        }
    };
    // A problem names the request, and under this name what went wrong is in the log.
    let span = tracing::info_span!("request", id = request_id);
    response_of(function.call(&gateway.app, request).instrument(span).await)
}

/// Reads a body; none where it is larger than is taken. It is read to its end all the same,
/// up to a bound: a client whose connection is closed while it still sends may never see
/// the answer.
async fn read(body: Body) -> Option<Bytes> {
    let mut chunks = body.into_data_stream();
    let mut taken = Vec::new();
    let mut received = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.ok()?;
        received += chunk.len();
        if received <= BODY_LIMIT {
            taken.extend_from_slice(&chunk);
        } else if received > READ_LIMIT {
            return None;
        }
    }
    (received <= BODY_LIMIT).then(|| taken.into())
}

/// The server's own refusal of a request that no function is given.
fn refused(request_id: &str, problem: &Problem) -> Response {
    response_of(problem_response(Some(request_id), problem))
}

fn response_of(response: lambda_http::Response<LambdaBody>) -> Response {
    response.map(|body| match body {
        LambdaBody::Text(text) => Body::from(text),
        LambdaBody::Binary(bytes) => Body::from(bytes),
        _ => Body::empty(),
    })
}

/// Opens a viewer's connection, if the `$connect` route lets it.
async fn watch(
    State(gateway): State<Arc<Gateway>>,
    PathParameter(id): PathParameter<String>,
    request: Request,
) -> Response {
    let (mut parts, _) = request.into_parts();
    let mut parameters = query(parts.uri.query());
    // What CloudFront's function does on AWS, where a WebSocket API has no paths.
    parameters.insert("containerId".to_owned(), Value::from(id));
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
    let Ok(upgrade) = upgrade else {
        let problem = if parts.method == Method::GET {
            Problem::websocket_expected()
        } else {
            Problem::method_not_allowed("GET")
        };
        return refused(&uuid::Uuid::now_v7().to_string(), &problem);
    };
    match gateway.sockets.connect(parameters, &parts.headers).await {
        Ok(connection) => upgrade
            .max_message_size(128 * 1024)
            .on_upgrade(move |socket| connection.run(socket)),
        Err(response) => response_of(response),
    }
}

/// Refuses a request that names another server, or comes from another server's page.
async fn refuse_foreigners(
    State(gateway): State<Arc<Gateway>>,
    request: Request,
    next: Next,
) -> Response {
    if gateway.is_addressed_by(&request) {
        next.run(request).await
    } else {
        refused(
            &uuid::Uuid::now_v7().to_string(),
            &Problem::foreign_origin(),
        )
    }
}
