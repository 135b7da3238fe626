//! The WebSocket API's routes, and the relay that they start.
//!
//! `$connect` checks that the lease is the caller's and starts a relay, which outlives it:
//! on Lambda as an asynchronous invocation of this same function, on the one-machine server
//! as a task. A relay whose time is over starts its successor in the same way.

use std::{future::Future, time::Duration};

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use containerlease_shared::{
    logs::Cursor,
    names::{LeaseId, Owner},
    relay::{self, Connections, Outcome, PostError, RelayError},
    time::Time,
};
use http::StatusCode;
use lambda_http::{Body, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use thiserror::Error;

use crate::{
    answer::{json_response, problem_response},
    app::App,
    problem::Problem,
};

/// How long before its end a relay hands over to its successor.
const HAND_OVER: Duration = Duration::from_secs(5);

/// What a relay is started with; on Lambda the payload of its invocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RelayStart {
    pub connection_id: String,
    pub owner: Owner,
    pub lease_id: LeaseId,
    pub cursor: Cursor,
}

/// An event of this function: of the WebSocket API, or the start of a relay.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Event {
    Relay(RelayStart),
    WebSocket(Box<ApiGatewayWebsocketProxyRequest>),
}

/// The two ways to start a relay: an invocation of the function, or a task.
pub trait Relays: Send + Sync + 'static {
    /// Starts a relay that goes on by itself.
    fn start(&self, start: RelayStart) -> impl Future<Output = Result<(), StartFailed>> + Send;
}

/// A relay could not be started.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a relay could not be started: {0}")]
pub struct StartFailed(pub String);

/// Answers a route of the WebSocket API.
pub async fn handle<C: Connections, R: Relays>(
    app: &App,
    connections: &C,
    relays: &R,
    event: &ApiGatewayWebsocketProxyRequest,
) -> Response<Body> {
    let context = &event.request_context;
    let result = match context.route_key.as_deref() {
        Some("$connect") => connect(app, relays, event).await,
        // A relay finds out by its next post that the viewer is gone.
        Some("$disconnect") => Ok(()),
        _ => message(connections, event).await,
    };
    match result {
        Ok(()) => json_response(StatusCode::OK, "application/json", &json!({})),
        Err(problem) => problem_response(context.request_id.as_deref(), &problem),
    }
}

/// Carries a lease's log to a viewer, and hands over when the relay's own time is over.
/// `cut_off` is when it will be stopped from outside.
pub async fn relay<C: Connections, R: Relays>(
    app: &App,
    connections: &C,
    relays: &R,
    start: RelayStart,
    cut_off: Option<Time>,
) -> Result<(), RelayError> {
    let task = relay::Task {
        connection: start.connection_id.clone(),
        owner: start.owner.clone(),
        lease: start.lease_id,
        cursor: start.cursor,
    };
    let stop_at = cut_off.map(|at| at.minus(HAND_OVER));
    let ended = relay::relay(&app.store, &app.host, connections, &task, stop_at).await;
    let id = start.lease_id;
    match ended {
        Ok(Outcome::ViewerGone) => {
            tracing::info!(lease = %id, "a viewer left");
            return Ok(());
        }
        Ok(Outcome::LeaseEnded) => tracing::info!(lease = %id, "a log came to its end"),
        Ok(Outcome::TimeOver(cursor)) => {
            let successor = RelayStart { cursor, ..start };
            let connection = successor.connection_id.clone();
            match relays.start(successor).await {
                Ok(()) => return Ok(()),
                Err(error) => {
                    tracing::error!(lease = %id, %error, "a relay has no successor");
                    close(connections, &connection).await;
                    return Ok(());
                }
            }
        }
        // The viewer's client connects again with its last cursor.
        Err(error) => {
            tracing::warn!(lease = %id, %error, "a relay could not go on");
            close(connections, &task.connection).await;
            return Err(error);
        }
    }
    close(connections, &task.connection).await;
    Ok(())
}

async fn close<C: Connections>(connections: &C, connection: &str) {
    if let Err(error) = connections.close(connection).await {
        tracing::warn!(%error, "could not close a connection");
    }
}

async fn connect<R: Relays>(
    app: &App,
    relays: &R,
    event: &ApiGatewayWebsocketProxyRequest,
) -> Result<(), Problem> {
    let query = &event.query_string_parameters;
    let lease_id: LeaseId = query
        .first("containerId")
        .and_then(|id| id.parse().ok())
        .ok_or_else(Problem::invalid_id)?;
    let cursor = match query.first("cursor").filter(|cursor| !cursor.is_empty()) {
        None => Cursor::default(),
        Some(cursor) => cursor.parse().map_err(|_| Problem::invalid_cursor())?,
    };
    let owner = owner(event)?;
    let lease = app.store.get(&owner, &lease_id).await;
    let lease = lease.map_err(|error| Problem::from(&error))?;
    if lease.is_none() {
        return Err(Problem::lease_not_found());
    }
    let connection_id = connection_id(event)?;
    let start = RelayStart {
        connection_id,
        owner,
        lease_id,
        cursor,
    };
    relays.start(start).await.map_err(|error| {
        tracing::error!(lease = %lease_id, %error, "could not start a relay");
        Problem::internal()
    })
}

/// A client may send `ping`, or `{"action": "ping"}`, to see that its connection lives.
async fn message<C: Connections>(
    connections: &C,
    event: &ApiGatewayWebsocketProxyRequest,
) -> Result<(), Problem> {
    #[derive(Deserialize)]
    struct Message {
        action: String,
    }
    let text = event.body.as_deref().unwrap_or_default();
    let action = serde_json::from_str::<Message>(text).map(|message| message.action);
    let action = action.as_deref().unwrap_or_else(|_| text.trim());
    let reply = if action == "ping" {
        json!({"event": "pong", "timestamp": Time::now(), "level": "trace", "message": ""})
    } else {
        json!({
            "event": "error", "timestamp": Time::now(), "level": "warn",
            "message": "This connection only takes the message ping.",
        })
    };
    let posted = connections
        .post(&connection_id(event)?, reply.to_string())
        .await;
    match posted {
        Ok(()) | Err(PostError::Gone) => Ok(()),
        Err(error) => {
            tracing::warn!(%error, "could not reply to a viewer");
            Err(Problem::internal())
        }
    }
}

fn owner(event: &ApiGatewayWebsocketProxyRequest) -> Result<Owner, Problem> {
    let fields = &event.request_context.authorizer.fields;
    match fields.get("sub").or_else(|| fields.get("principalId")) {
        None if fields.is_empty() => Ok(Owner::local()),
        Some(serde_json::Value::String(subject)) => {
            Owner::try_from(subject.clone()).map_err(|_| Problem::unknown_caller())
        }
        _ => Err(Problem::unknown_caller()),
    }
}

fn connection_id(event: &ApiGatewayWebsocketProxyRequest) -> Result<String, Problem> {
    let id = event.request_context.connection_id.clone();
    id.ok_or_else(Problem::internal)
}
