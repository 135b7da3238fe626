//! The WebSocket API's routes.
//!
//! `$connect` checks that the lease is the caller's, stores the viewer, and starts a
//! [relay](crate::websocket::relay). The relay outlives the request: on Lambda it is an asynchronous
//! invocation of another function, on the one-machine server a task.
//! `$disconnect` and the viewer's messages change the stored viewer, which the relay reads.

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use containerlease_domain::{
    identity::Scope,
    logs::{NotAStart, Start},
    names::LeaseId,
    time::Time,
};
use containerlease_service::{
    log_relay::{Connections, PostError, ViewerEvent},
    store::{Viewer, Wish},
};
use http::StatusCode;
use lambda_http::{Body, Response};
use serde::Deserialize;
use serde_json::json;

use crate::{
    app::App,
    http::{
        answer::{json_response, problem_response},
        caller::caller_of_socket,
        parameters::check_names,
        problem::Problem,
    },
    websocket::relay::{RelayStart, Relays, StartFailed},
};

/// The parameters of a viewer. CloudFront or the one-machine server copies the lease's id
/// from the path into `containerId`.
const PARAMETERS: [&str; 4] = ["containerId", "cursor", "since", "tail"];

/// Answers a route of the WebSocket API.
pub async fn handle<C: Connections, R: Relays>(
    app: &App,
    connections: &C,
    relays: &R,
    event: &ApiGatewayWebsocketProxyRequest,
) -> Response<Body> {
    let context = &event.request_context;
    let request_id = context.request_id.as_deref();
    let result = match context.route_key.as_deref() {
        Some("$connect") => connect(app, relays, event).await,
        Some("$disconnect") => disconnect(app, relays, event).await,
        _ => message(app, connections, relays, event).await,
    };
    match result {
        Ok(()) => json_response(request_id, StatusCode::OK, "application/json", &json!({})),
        Err(problem) => problem_response(request_id, &problem),
    }
}

async fn connect<R: Relays>(
    app: &App,
    relays: &R,
    event: &ApiGatewayWebsocketProxyRequest,
) -> Result<(), Problem> {
    let owner = caller_of_socket(app, event, Scope::Read).await?.owner;
    let query = &event.query_string_parameters;
    check_names(query, &PARAMETERS)?;
    // Only this map has all values of a repeated parameter.
    check_names(&event.multi_value_query_string_parameters, &PARAMETERS)?;
    let lease_id: LeaseId = query
        .first("containerId")
        .and_then(|id| id.parse().ok())
        .ok_or_else(Problem::invalid_id)?;
    let (cursor, tail, since) = (
        query.first("cursor"),
        query.first("tail"),
        query.first("since"),
    );
    let start = Start::parse(cursor, tail, since, Time::now()).map_err(|error| match error {
        NotAStart::Cursor(_) => Problem::invalid_cursor(),
        other => Problem::invalid_log_view(&other),
    })?;
    let lease = app.store.get(&owner, &lease_id).await;
    let lease = lease?;
    let lease = lease.ok_or_else(Problem::lease_not_found)?;
    let viewer = Viewer {
        connection: connection_id(event)?.to_owned(),
        start,
        paused: false,
        skips: 0,
        served_by: None,
    };
    app.store
        .add_viewer(&owner, &lease_id, lease.hard_deadline, &viewer)
        .await?;
    let started = relays.start(RelayStart { owner, lease_id }).await;
    let Err(error) = started else { return Ok(()) };
    // No relay must serve a refused viewer.
    let removed = app.store.remove_viewer(&lease_id, &viewer.connection).await;
    if let Err(error) = removed {
        tracing::warn!(lease = %lease_id, %error, "could not forget a viewer");
    }
    Err(not_started(lease_id, &error))
}

fn not_started(lease: LeaseId, error: &StartFailed) -> Problem {
    match error {
        StartFailed::Full => {
            tracing::warn!(%lease, "the limit of watched logs is reached");
            Problem::too_many_logs()
        }
        StartFailed::Failed(_) => {
            tracing::error!(%lease, %error, "could not start a relay");
            Problem::internal()
        }
    }
}

/// On AWS this event may never come; the relay then notices at its next post.
async fn disconnect<R: Relays>(
    app: &App,
    relays: &R,
    event: &ApiGatewayWebsocketProxyRequest,
) -> Result<(), Problem> {
    let connection = connection_id(event)?;
    let viewed = app.store.viewed_by(connection).await;
    if let Some((_, lease)) = viewed? {
        let removed = app.store.remove_viewer(&lease, connection).await;
        removed?;
        relays.nudge(&lease);
    }
    Ok(())
}

/// A client may send a word, or `{"action": "WORD"}`.
async fn message<C: Connections, R: Relays>(
    app: &App,
    connections: &C,
    relays: &R,
    event: &ApiGatewayWebsocketProxyRequest,
) -> Result<(), Problem> {
    #[derive(Deserialize)]
    struct Message {
        action: String,
    }
    let text = event.body.as_deref().unwrap_or_default();
    let action = serde_json::from_str::<Message>(text).map(|message| message.action);
    let action = action.as_deref().unwrap_or_else(|_| text.trim());
    let connection = connection_id(event)?;
    let wish = match action {
        "ping" => {
            see_to_the_relay(app, relays, connection).await?;
            return reply(connections, connection, &ViewerEvent::Pong).await;
        }
        "pause" => Wish::Pause,
        "resume" => Wish::Resume,
        "skip" => Wish::Skip,
        _ => return reply(connections, connection, &ViewerEvent::UnknownMessage).await,
    };
    let viewed = app.store.viewed_by(connection).await;
    if let Some((_, lease)) = viewed? {
        let wished = app.store.wish(&lease, connection, wish).await;
        wished?;
        // The relay answers once it has applied the change.
        relays.nudge(&lease);
    }
    Ok(())
}

/// Starts a new relay if the one that served this viewer has died.
async fn see_to_the_relay<R: Relays>(
    app: &App,
    relays: &R,
    connection: &str,
) -> Result<(), Problem> {
    let viewed = app.store.viewed_by(connection).await;
    let Some((owner, lease_id)) = viewed? else {
        return Ok(());
    };
    let viewers = app.store.viewers(&lease_id).await;
    let (_, hold) = viewers?;
    if hold.is_some_and(|hold| hold.until > Time::now()) {
        return Ok(());
    }
    tracing::warn!(lease = %lease_id, "a relay was lost");
    let started = relays.start(RelayStart { owner, lease_id }).await;
    started.map_err(|error| not_started(lease_id, &error))
}

async fn reply<C: Connections>(
    connections: &C,
    connection: &str,
    said: &ViewerEvent<'_>,
) -> Result<(), Problem> {
    match connections.post(connection, said.to_frame()).await {
        // A client without an answer to its ping sends another, or connects again.
        Ok(()) | Err(PostError::Gone | PostError::Busy) => Ok(()),
        Err(error) => {
            tracing::warn!(%error, "could not reply to a viewer");
            Err(Problem::internal())
        }
    }
}

fn connection_id(event: &ApiGatewayWebsocketProxyRequest) -> Result<&str, Problem> {
    let id = event.request_context.connection_id.as_deref();
    id.ok_or_else(Problem::internal)
}
