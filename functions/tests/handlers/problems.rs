//! Produces every problem that a caller can see, and checks what all problems share.
//!
//! - [`requests`]: a request that is wrong in itself.
//! - [`callers`]: what depends on who asks.
//! - [`engine`]: an engine that is away or refuses.
//! - [`table`]: a table that is away, or that others change.

mod callers;
mod engine;
mod requests;
mod table;

use std::time::Duration;

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use containerlease_domain::{catalogue::Catalogue, names::Owner};
use containerlease_functions::{
    http::problem::Kind,
    websocket::{
        connections,
        relay::{RelayStart, Relays, StartFailed},
    },
};
use containerlease_service::log_relay::{Closing, PostError};
use containerlease_testkit::{
    Fault, TestApp,
    events::{Answer, saved_for},
};
use serde_json::Value;

use crate::{assert_refused, lease};

/// Words of the parts behind the handlers. They help no caller, but may help an attacker.
const INTERNALS: &[&str] = &[
    "containerlease-",
    "dynamo",
    "aws",
    "sdk",
    "oci runtime",
    "hyper",
    "bollard",
    ".sock",
    "/var/",
    "127.0.0.1",
    "no such container",
    "error trying",
    "connection",
    "a text of the engine",
    "panicked",
];

/// Asserts that the answer is the named problem, complete, and reveals no internals.
pub(crate) fn assert_is(answer: &Answer, name: &str) {
    assert_eq!(answer.problem(), name, "{answer:?}");
    let kind = Kind::ALL.iter().find(|kind| kind.name() == name);
    let kind = kind.unwrap_or_else(|| panic!("there is no problem {name}"));
    let status = kind.status().as_u16();
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.body["status"], status, "{answer:?}");
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers.contains_key("retry-after"), kind.may_pass());
    let request_id = answer.body["requestId"].as_str();
    assert!(request_id.is_some(), "no request id: {answer:?}");
    let in_header = answer.headers.get("x-request-id");
    assert_eq!(in_header.and_then(|id| id.to_str().ok()), request_id);
    let detail = answer.body["detail"].as_str().expect("there is a detail");
    assert!(detail.ends_with('.'), "no sentence: {detail}");
    assert!(answer.body["title"].is_string(), "{answer:?}");
    let everything = answer
        .body
        .to_string()
        .replace("urn:containerlease:problem:", "");
    let everything = everything.to_lowercase();
    for internal in INTERNALS {
        assert!(
            !everything.contains(internal),
            "it says {internal}: {everything}"
        );
    }
}

#[tokio::test]
async fn what_nobody_has_thought_of_says_nothing() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let answer = connect(&test, saved_for("logs-connect", &id), false).await;
    assert_refused(&answer, "internal");
}

/// Renews the lease, as another process, after each read of it.
pub(crate) fn renew_at_each_read(test: &TestApp, id: &str) {
    let (store, id) = (test.table.store(), id.parse().expect("it is a lease's id"));
    test.table_proxy().on_each(move |seen| {
        if !seen.is_operation("GetItem") {
            return Fault::None;
        }
        let store = store.clone();
        Fault::AnsweredAfter(Box::pin(async move {
            let lease = store.get(&Owner::local(), &id).await;
            let lease = lease.expect("the table answers").expect("it is there");
            let later = lease.expires_at.plus(Duration::from_millis(1));
            let renewed = store.renew(&lease, later, lease.created_at).await;
            renewed.expect("nobody else changes it");
        }))
    });
}

/// The catalogue with an alpine that no engine has.
pub(crate) fn catalogue_without_alpine() -> Catalogue {
    catalogue_with_alpine_tagged("no-such-tag")
}

pub(crate) fn catalogue_with_alpine_tagged(tag: &str) -> Catalogue {
    let catalogue = include_str!("../../../infra/images/catalogue.json")
        .replace("alpine:3", &format!("alpine:{tag}"))
        .replace("stand-in-alpine:1", &format!("stand-in-alpine:{tag}"));
    serde_json::from_str(&catalogue).expect("only names are other ones")
}

/// Opens a viewer's connection; `relays_start` says whether relays can be started.
pub(crate) async fn connect(test: &TestApp, event: Value, relays_start: bool) -> Answer {
    let denied = StartFailed::Failed("AccessDenied by AWS".to_owned());
    let started = if relays_start { Ok(()) } else { Err(denied) };
    connect_where(test, event, started).await
}

/// Opens a viewer's connection, with this result of starting a relay.
pub(crate) async fn connect_where(
    test: &TestApp,
    event: Value,
    started: Result<(), StartFailed>,
) -> Answer {
    struct Starts(Result<(), StartFailed>);
    impl Relays for Starts {
        async fn start(&self, _: RelayStart) -> Result<(), StartFailed> {
            self.0.clone()
        }
    }
    struct Nobody;
    impl containerlease_service::log_relay::Connections for Nobody {
        async fn post(&self, _: &str, _: String) -> Result<(), PostError> {
            Err(PostError::Gone)
        }
        async fn close(&self, _: &str, _: Option<Closing>) -> Result<(), PostError> {
            Ok(())
        }
    }
    let event: ApiGatewayWebsocketProxyRequest =
        serde_json::from_value(event).expect("it is an event of the WebSocket API");
    Answer::of(&connections::handle(&test.app, &Nobody, &Starts(started), &event).await)
}
