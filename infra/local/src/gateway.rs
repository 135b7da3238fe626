//! API Gateway's HTTP API: the routes, and requests turned into the functions' events.
//!
//! A request runs to its end, even if its client leaves: each is a task of the server, and the
//! connection only waits for its answer. A panic is answered like any other internal error.

use std::{any::Any, net::SocketAddr, path::Path, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{FromRequestParts, Path as PathParameter, Request, State, WebSocketUpgrade},
    middleware::{self, Next},
    response::Response,
    routing::{any, get},
};
use containerlease_domain::identity::{Identity, Scope};
use containerlease_functions::{
    app::App,
    http::{
        answer::problem_response,
        caller::{demand, identify_again},
        problem::Problem,
        router::route,
    },
    routes,
};
use http::{HeaderValue, Method, StatusCode, header, request::Parts};
use lambda_http::Body as LambdaBody;
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer};
use tracing::Instrument as _;

use crate::{
    body,
    callers::{Callers, Peer},
    dashboard,
    event::{http_event, query_pairs},
    metrics::{self, Metrics},
    sockets::Sockets,
    tasks::Tasks,
};

/// The longest request target, in bytes: longer than any valid one.
const TARGET_LIMIT: usize = 8 * 1024;

/// What the routes share.
pub(crate) struct Gateway {
    callers: Arc<Callers>,
    app: App,
    sockets: Sockets,
    tasks: Tasks,
    /// The names under which clients may call this server, each as `HOST:PORT`.
    names: Vec<String>,
}

impl Gateway {
    pub(crate) fn new(
        callers: Arc<Callers>,
        app: App,
        sockets: Sockets,
        tasks: Tasks,
        address: SocketAddr,
    ) -> Self {
        let port = address.port();
        let names = vec![
            address.to_string(),
            format!("localhost:{port}"),
            format!("127.0.0.1:{port}"),
            format!("[::1]:{port}"),
        ];
        Self {
            callers,
            app,
            sockets,
            tasks,
            names,
        }
    }

    /// Whether a header names this server. Under another name, a foreign page could speak to it
    /// through the visitor's browser.
    fn is_named_by(&self, host: &str) -> bool {
        let with_port = |name: &String| {
            let without_port = name.strip_suffix(":80");
            name.eq_ignore_ascii_case(host)
                || without_port.is_some_and(|name| name.eq_ignore_ascii_case(host))
        };
        self.names.iter().any(with_port)
    }

    /// Whether a request names this server and, if it comes from a page, comes from this server's
    /// page.
    fn is_addressed_by(&self, request: &Request) -> bool {
        // Only CONNECT has a target that is a bare name.
        if request.uri().scheme().is_none() && request.uri().authority().is_some() {
            return false;
        }
        let hosts = request.headers().get_all(header::HOST).iter();
        let mut hosts: Vec<_> = hosts.map(HeaderValue::to_str).collect();
        // With two Host headers, it is unclear which one counts.
        if hosts.len() > 1 {
            return false;
        }
        // A name in the target must be this server's, too.
        hosts.extend(request.uri().authority().map(|name| Ok(name.as_str())));
        let is_ours = |host: &Result<&str, _>| host.as_ref().is_ok_and(|it| self.is_named_by(it));
        let mut origins = request.headers().get_all(header::ORIGIN).iter();
        let origins_are_ours = origins.all(|origin| {
            let host = origin
                .to_str()
                .ok()
                .and_then(|it| it.strip_prefix("http://"));
            host.is_some_and(|host| self.is_named_by(host))
        });
        !hosts.is_empty() && hosts.iter().all(is_ours) && origins_are_ours
    }
}

/// All routes of the server.
pub(crate) fn router(gateway: Arc<Gateway>, metrics: Arc<Metrics>, folder: &Path) -> Router {
    let dashboard = Router::new()
        .fallback_service(dashboard::files(folder))
        .layer(CompressionLayer::new());
    // Whatever is added here requires an admitted caller.
    let guarded = Router::new()
        .route("/api/{*rest}", any(call))
        .route("/api", any(call))
        .route("/api/", any(call))
        .route("/ws/logs/{id}", any(watch))
        .with_state(Arc::clone(&gateway))
        .merge(
            Router::new()
                .route("/metrics", get(metrics::show))
                .route_layer(middleware::from_fn(refuse_all_but_admins))
                .with_state(Arc::clone(&metrics)),
        )
        .route_layer(middleware::from_fn_with_state(
            Arc::clone(&gateway),
            refuse_strangers,
        ));
    // A supervisor's checks, and the browser's way in. The page itself holds no data.
    let open = Router::new()
        .route("/healthz", any(call))
        .route("/readyz", any(call))
        .route("/sign-in/{code}", get(sign_in))
        .with_state(Arc::clone(&gateway));
    guarded
        .merge(open)
        .route_layer(middleware::from_fn_with_state(
            metrics,
            metrics::count_requests,
        ))
        .fallback_service(dashboard)
        .layer(middleware::from_fn_with_state(gateway, refuse_foreigners))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(dashboard::security_headers))
}

/// The answer of a route that panicked. The log already has the panic's message.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    refused(&new_request_id(), &Problem::internal())
}

fn new_request_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// Answers a request to the API. Every outcome passes through here.
async fn call(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let request_id = new_request_id();
    let (parts, body) = request.into_parts();
    match carry_out(&gateway, parts, body, &request_id).await {
        Ok(response) => response_of(response),
        Err(problem) => refused(&request_id, &problem),
    }
}

/// Lets the function carry out a request, or refuses it before that.
async fn carry_out(
    gateway: &Gateway,
    parts: Parts,
    body: Body,
    request_id: &str,
) -> Result<lambda_http::Response<LambdaBody>, Problem> {
    let (function, id) = route(&parts.method, parts.uri.path())?;
    let body = body::read(&parts.headers, body).await?;
    let caller = parts.extensions.get::<Identity>();
    if let Some(caller) = caller {
        identify_again(&gateway.app.store, caller).await?;
    }
    let event = http_event(&parts, id.as_deref(), &body, request_id, caller);
    let app = gateway.app.clone();
    let answering = async move {
        let request = lambda_http::request::from_str(&event.to_string());
        let request = request.map_err(|error| {
            tracing::error!(%error, "a request could not be turned into an event");
            Problem::internal()
        })?;
        Ok(routes::call(function, &app, request).await)
    };
    // The problem names the request, and the log lists what went wrong under that name.
    let who = caller.map(|caller| tracing::field::display(&caller.subject));
    let span = tracing::info_span!("request", id = request_id, caller = who);
    let answered = gateway.tasks.spawn(answering.instrument(span)).await;
    // It panicked; that is logged and counted.
    answered.unwrap_or_else(|_| Err(Problem::internal()))
}

/// The server's own refusal of a request, before any function.
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

/// Opens a viewer's connection, if the `$connect` route admits it.
async fn watch(
    State(gateway): State<Arc<Gateway>>,
    PathParameter(id): PathParameter<String>,
    request: Request,
) -> Response {
    let (mut parts, _) = request.into_parts();
    let mut parameters = query_pairs(parts.uri.query());
    // On AWS, CloudFront's function does this, since a WebSocket API has no paths.
    parameters.push(("containerId".to_owned(), id));
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
    let Ok(upgrade) = upgrade else {
        let problem = match parts.method {
            Method::GET | Method::HEAD => Problem::websocket_expected(),
            _ => Problem::method_not_allowed("GET, HEAD"),
        };
        return refused(&new_request_id(), &problem);
    };
    let Some(caller) = parts.extensions.get::<Identity>().cloned() else {
        return refused(&new_request_id(), &Problem::sign_in_needed());
    };
    let sockets = gateway.sockets.clone();
    let connecting = async move { sockets.connect(&parameters, &parts.headers, &caller).await };
    match gateway.tasks.spawn(connecting).await {
        Ok(Ok(connection)) => {
            let tasks = gateway.tasks.clone();
            upgrade
                .max_message_size(128 * 1024)
                .max_frame_size(128 * 1024)
                // A stop waits for it, as for every task of the server.
                .on_upgrade(async move |socket| drop(tasks.spawn(connection.run(socket)).await))
        }
        Ok(Err(response)) => response_of(response),
        Err(_) => refused(&new_request_id(), &Problem::internal()),
    }
}

/// Gives a browser that has the link a session, and redirects it to the page.
async fn sign_in(
    State(gateway): State<Arc<Gateway>>,
    PathParameter(code): PathParameter<String>,
) -> Response {
    let cookie = gateway.callers.sign_in(&code);
    let cookie = cookie.map(|cookie| HeaderValue::from_str(&cookie));
    match cookie {
        Ok(Ok(cookie)) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::SEE_OTHER;
            let headers = response.headers_mut();
            headers.insert(header::SET_COOKIE, cookie);
            headers.insert(header::LOCATION, HeaderValue::from_static("/"));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Ok(Err(_)) => refused(&new_request_id(), &Problem::internal()),
        Err(problem) => refused(&new_request_id(), &problem),
    }
}

/// Refuses a caller who is not known, and adds to the request who it is.
async fn refuse_strangers(
    State(gateway): State<Arc<Gateway>>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<Arc<Peer>>();
    let peer = peer.map(AsRef::as_ref);
    let callers = &gateway.callers;
    let admitted = callers.admit(&gateway.app.store, peer, request.headers());
    match admitted.await {
        Ok(identity) => {
            request.extensions_mut().insert(identity);
            next.run(request).await
        }
        Err(problem) => refused(&new_request_id(), &problem),
    }
}

/// Refuses a caller who is no admin.
async fn refuse_all_but_admins(request: Request, next: Next) -> Response {
    let identity = request.extensions().get::<Identity>().cloned();
    let admitted = identity.ok_or_else(Problem::sign_in_needed);
    match admitted.and_then(|identity| demand(&identity, Scope::Admin)) {
        Ok(()) => next.run(request).await,
        Err(problem) => refused(&new_request_id(), &problem),
    }
}

/// Refuses a request that names another server or comes from another server's page, and one whose
/// target is too long.
async fn refuse_foreigners(
    State(gateway): State<Arc<Gateway>>,
    request: Request,
    next: Next,
) -> Response {
    let target = request.uri().path_and_query();
    if !gateway.is_addressed_by(&request) {
        refused(&new_request_id(), &Problem::foreign_origin())
    } else if target.is_some_and(|target| target.as_str().len() > TARGET_LIMIT) {
        refused(&new_request_id(), &Problem::target_too_long())
    } else {
        next.run(request).await
    }
}

#[cfg(test)]
mod tests {
    use tower_service::Service as _;

    use super::*;

    #[tokio::test]
    async fn a_handler_that_panics_is_answered_as_any_fault_of_ours() {
        async fn panics() -> Response {
            panic!("a test")
        }
        let router = Router::new().route("/", get(panics));
        let mut router = router.layer(CatchPanicLayer::custom(panicked));
        for _ in 0..2 {
            let request = Request::new(Body::empty());
            let answer = router.call(request).await.unwrap();
            assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
            let body = axum::body::to_bytes(answer.into_body(), 4_096)
                .await
                .unwrap();
            let body = String::from_utf8_lossy(&body).into_owned();
            assert!(
                body.contains("urn:containerlease:problem:internal"),
                "{body}"
            );
            assert!(!body.contains("a test"), "{body}");
        }
    }
}
