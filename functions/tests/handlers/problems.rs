//! Produces every problem that a caller can see, and checks what all problems share.

use std::{sync::Arc, time::Duration};

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use containerlease_domain::{catalogue::Catalogue, lease::StateName, names::Owner};
use containerlease_functions::{
    http::{
        answer::problem_response,
        problem::{Kind, Problem},
    },
    websocket::{
        connections,
        relay::{RelayStart, Relays, StartFailed},
    },
};
use containerlease_service::log_relay::{Closing, PostError};
use containerlease_testkit::{
    Fault, TestApp, TestAppOptions,
    events::{Answer, Event, SAVED_ID, saved, saved_for},
};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{alpine, alpine_with, assert_refused, get, lease};

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
async fn a_body_that_cannot_be_read() {
    let test = TestAppOptions::default().without_engine().build().await;
    for body in [
        "",
        "{",
        "not json",
        "[]",
        "7",
        "null",
        "\"text\"",
        "{\"a\":1}}",
    ] {
        let answer = Event::saved("provision-ubuntu").raw_body(body);
        assert_refused(&answer.provision(&test.app).await, "invalid-body");
        let answer = Event::saved("renew").raw_body(body);
        assert_refused(&answer.renew(&test.app).await, "invalid-body");
        let answer = Event::saved("exec").raw_body(body);
        assert_refused(&answer.exec(&test.app).await, "invalid-body");
    }
    for bytes in [2 * 1024 * 1024, 64 * 1024 + 1] {
        let body = format!("\"{}\"", "x".repeat(bytes - 2));
        let answer = Event::saved("provision-ubuntu").raw_body(&body);
        assert_refused(&answer.provision(&test.app).await, "body-too-large");
        let answer = Event::saved("renew").raw_body(&body);
        assert_refused(&answer.renew(&test.app).await, "body-too-large");
        let answer = Event::saved("exec").raw_body(&body);
        assert_refused(&answer.exec(&test.app).await, "body-too-large");
    }
    test.assert_nothing_leaked(&Owner::local(), "refused bodies")
        .await;
}

#[tokio::test]
async fn a_body_with_wrong_fields_names_each_of_them() {
    let test = TestAppOptions::default().without_engine().build().await;
    let wrong = [
        (json!({"durationMinutes": 5}), vec!["imageType"]),
        (
            json!({"imageType": "windows", "durationMinutes": 5}),
            vec!["imageType"],
        ),
        (
            json!({"imageType": "../redis", "durationMinutes": 5}),
            vec!["imageType"],
        ),
        (
            json!({"imageType": 7, "durationMinutes": 5}),
            vec!["imageType"],
        ),
        (json!({"imageType": "redis"}), vec!["durationMinutes"]),
        (json!({}), vec!["durationMinutes", "imageType"]),
        (
            json!({"imageType": "redis", "durationMinutes": 5, "privileged": true}),
            vec!["privileged"],
        ),
        (
            json!({"imageType": "redis", "durationMinutes": 5, "memoryMB": 1, "cpuMilli": 0}),
            vec!["cpuMilli", "memoryMB"],
        ),
        (
            json!({"imageType": "redis", "durationMinutes": 5, "command": "sh"}),
            vec!["command"],
        ),
        (
            json!({"imageType": "redis", "durationMinutes": 5, "env": {"A=B": "c"}}),
            vec!["env"],
        ),
        (
            json!({"imageType": "redis", "durationMinutes": 5, "preset": "huge",
                   "labels": {"A": ""}, "ports": [0]}),
            vec!["labels", "ports", "preset"],
        ),
    ];
    for (body, fields) in wrong {
        let answer = Event::saved("provision-ubuntu").body(&body);
        let answer = answer.provision(&test.app).await;
        assert_refused(&answer, "invalid-request");
        let named: Vec<_> = answer.body["errors"]
            .as_array()
            .expect("the fields are named")
            .iter()
            .map(|error| error["field"].as_str().unwrap_or_default())
            .collect();
        assert_eq!(named, fields, "{body}");
    }
    for duration in [
        json!(0),
        json!(-5),
        json!(1.5),
        json!("ten"),
        json!(1441),
        json!(null),
    ] {
        let body = json!({"imageType": "redis", "durationMinutes": duration});
        let answer = Event::saved("provision-ubuntu").body(&body);
        let answer = answer.provision(&test.app).await;
        assert_refused(&answer, "invalid-request");
        assert_eq!(answer.body["errors"][0]["field"], "durationMinutes");
        let answer = Event::saved("renew").body(&json!({"durationMinutes": duration}));
        assert_refused(&answer.renew(&test.app).await, "invalid-request");
    }
    test.assert_nothing_leaked(&Owner::local(), "refused fields")
        .await;
}

#[tokio::test]
async fn an_id_that_is_none_never_reaches_the_table_or_the_engine() {
    let test = TestApp::proxied().await;
    let upper = SAVED_ID.to_uppercase();
    let braced = format!("{{{SAVED_ID}}}");
    for id in [
        "../images/x",
        "",
        "x",
        "0",
        "..%2Fimages%2Fx",
        &upper,
        &braced,
        "a\nb",
        "é",
    ] {
        let about = |name| Event::about(name, id);
        assert_refused(&about("get").list(&test.app).await, "invalid-lease-id");
        assert_refused(&about("renew").renew(&test.app).await, "invalid-lease-id");
        assert_refused(&about("exec").exec(&test.app).await, "invalid-lease-id");
        assert_refused(&about("stats").list(&test.app).await, "invalid-lease-id");
        let answer = about("log-page").list(&test.app).await;
        assert_refused(&answer, "invalid-lease-id");
        let answer = about("delete").delete(&test.app).await;
        assert_refused(&answer, "invalid-lease-id");
        let answer = connect(&test, saved_for("logs-connect", id), true).await;
        assert_refused(&answer, "invalid-lease-id");
    }
    assert_eq!(test.table_proxy().seen(), []);
    assert_eq!(test.engine_proxy().seen(), []);
}

#[tokio::test]
async fn a_lease_that_is_not_there_or_another_owners_is_not_found() {
    let test = TestApp::new().await;
    let ada = Event::saved("provision-signed-in")
        .provision(&test.app)
        .await;
    assert_eq!(ada.status, 201, "{ada:?}");
    for id in [SAVED_ID.to_owned(), ada.id()] {
        for caller in [None, Some("eve")] {
            let about = |name| match caller {
                None => Event::about(name, &id),
                Some(subject) => Event::about(name, &id).from_owner(subject),
            };
            assert_refused(&about("get").list(&test.app).await, "lease-not-found");
            assert_refused(&about("renew").renew(&test.app).await, "lease-not-found");
            assert_refused(&about("exec").exec(&test.app).await, "lease-not-found");
            assert_refused(&about("stats").list(&test.app).await, "lease-not-found");
            let answer = about("log-page").list(&test.app).await;
            assert_refused(&answer, "lease-not-found");
            let answer = about("delete").delete(&test.app).await;
            assert_refused(&answer, "lease-not-found");
            let mut event = saved_for("logs-connect", &id);
            if let Some(subject) = caller {
                event["requestContext"]["authorizer"] = json!({"principalId": subject});
            }
            assert_refused(&connect(&test, event, true).await, "lease-not-found");
        }
    }
    let hers = Event::saved("list-signed-in").list(&test.app).await;
    assert_eq!(hers.body["containers"][0]["id"], ada.id());
    let hers = Event::about("get-signed-in", &ada.id())
        .list(&test.app)
        .await;
    assert_eq!(hers.body["state"], "running");
    let his = Event::saved("list").from_owner("eve").list(&test.app).await;
    assert_eq!(his.body["containers"], json!([]));
    let hers = saved_for("logs-connect-signed-in", &ada.id());
    assert_eq!(connect(&test, hers, true).await.status, 200);
}

#[tokio::test]
async fn a_caller_whom_nobody_can_name() {
    let test = TestAppOptions::default().without_engine().build().await;
    for authorizer in [
        json!({"jwt": {"claims": {}, "scopes": null}}),
        json!({"jwt": {"claims": {"sub": ""}, "scopes": null}}),
        json!({"jwt": {"claims": {"sub": "a\nb"}, "scopes": null}}),
        json!({"lambda": {"user": "ada"}}),
    ] {
        let from = |name| Event::saved(name).context("authorizer", authorizer.clone());
        assert_refused(
            &from("provision-ubuntu").provision(&test.app).await,
            "unknown-caller",
        );
        assert_refused(&from("list").list(&test.app).await, "unknown-caller");
        assert_refused(&from("get").list(&test.app).await, "unknown-caller");
        assert_refused(&from("delete").delete(&test.app).await, "unknown-caller");
        assert_refused(&from("renew").renew(&test.app).await, "unknown-caller");
        assert_refused(&from("exec").exec(&test.app).await, "unknown-caller");
        assert_refused(&from("stats").list(&test.app).await, "unknown-caller");
        assert_refused(&from("log-page").list(&test.app).await, "unknown-caller");
    }
    for authorizer in [
        json!({"principalId": ""}),
        json!({"sub": 7}),
        json!({"user": "ada"}),
    ] {
        let mut event = saved("logs-connect");
        event["requestContext"]["authorizer"] = authorizer;
        assert_refused(&connect(&test, event, true).await, "unknown-caller");
    }
}

#[tokio::test]
async fn a_cursor_that_is_none() {
    let test = TestAppOptions::default().without_engine().build().await;
    for cursor in ["x", "0", "-1.0_0", "../x"] {
        let mut event = saved("logs-connect");
        event["queryStringParameters"]["cursor"] = json!(cursor);
        assert_refused(&connect(&test, event, true).await, "invalid-cursor");
    }
}

#[tokio::test]
async fn a_view_of_a_log_that_cannot_be() {
    let test = TestAppOptions::default().without_engine().build().await;
    for (parameter, value) in [("tail", "-1"), ("tail", "10001"), ("since", "yesterday")] {
        let mut event = saved("logs-connect");
        event["queryStringParameters"][parameter] = json!(value);
        assert_refused(&connect(&test, event, true).await, "invalid-log-view");
    }
    let mut event = saved("logs-connect");
    event["queryStringParameters"]["cursor"] = json!("5.0_0");
    event["queryStringParameters"]["tail"] = json!("10");
    assert_refused(&connect(&test, event, true).await, "invalid-log-view");
}

#[tokio::test]
async fn a_path_or_a_method_that_is_none() {
    let test = TestAppOptions::default().without_engine().build().await;
    for path in ["/", "/api", "/api/containersx", "/favicon.ico", "/metrics"] {
        let answer = Event::saved("list").path(path).list(&test.app).await;
        assert_refused(&answer, "route-not-found");
    }
    let answer = Event::saved("list").method("PATCH").list(&test.app).await;
    assert_refused(&answer, "method-not-allowed");
}

/// The gateway of the one-machine server answers with it; its own tests produce it there.
#[test]
fn a_foreign_origin_is_told_so() {
    let response = problem_response(Some("request"), &Problem::foreign_origin());
    assert_is(&Answer::of(&response), "foreign-origin");
}

#[tokio::test]
async fn what_nobody_has_thought_of_says_nothing() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let answer = connect(&test, saved_for("logs-connect", &id), false).await;
    assert_refused(&answer, "internal");
}

#[tokio::test]
async fn without_an_engine_nothing_is_leased() {
    let test = TestAppOptions::default().without_engine().build().await;
    let answer = alpine().provision(&test.app).await;
    assert_refused(&answer, "engine-unavailable");
    // Nobody could say how much room there is.
    let leases = test.table.store().active_of(&Owner::local()).await.unwrap();
    assert_eq!(leases, []);
    assert_eq!(test.place.containers().await.len(), 0);

    let test = TestAppOptions::default()
        .without_engine()
        .with("CONTAINERLEASE_HOST_CPU_MILLI", 1_000)
        .with("CONTAINERLEASE_HOST_MEMORY_MB", 1_000)
        .with("CONTAINERLEASE_HOST_CONTAINERS", 100)
        .build()
        .await;
    let answer = alpine().provision(&test.app).await;
    assert_refused(&answer, "engine-unavailable");
    // The lease and its end are on record; the next run of a reaper with an engine completes
    // the end.
    let leases = test.table.store().active_of(&Owner::local()).await.unwrap();
    assert_eq!(leases.len(), 1);
    assert_eq!(leases[0].state_name(), StateName::Ending);
}

#[tokio::test]
async fn an_engine_that_goes_away_in_the_middle_leaves_nothing_for_good() {
    let test = TestApp::proxied().await;
    test.engine_proxy().on_each(|seen| {
        let made = seen.is("POST", "/create") || seen.is("GET", "/networks");
        if made || seen.is("GET", "/info") {
            Fault::None
        } else {
            Fault::Cut
        }
    });
    let answer = alpine().provision(&test.app).await;
    assert_refused(&answer, "engine-unavailable");
    assert_eq!(
        test.place.containers().await.len(),
        1,
        "made and not started"
    );
    test.engine_proxy().heal();
    test.two_ticks().await;
    assert_eq!(test.place.containers().await.len(), 0);
    test.assert_nothing_leaked(&Owner::local(), "the engine went away")
        .await;
}

#[tokio::test]
async fn an_engine_that_answers_with_an_error_is_not_quoted() {
    let test = TestApp::proxied().await;
    for part in ["/containers/create", "/start"] {
        test.engine_proxy().on_each(move |seen| {
            if seen.is("POST", part) {
                let body = json!({"message": "a text of the engine: /var/lib/x"});
                Fault::Answered(StatusCode::INTERNAL_SERVER_ERROR, body.to_string())
            } else {
                Fault::None
            }
        });
        assert_refused(&alpine().provision(&test.app).await, "engine-unavailable");
        test.assert_nothing_leaked(&Owner::local(), part).await;
    }
    test.engine_proxy().on_each(|seen| {
        if seen.is("POST", "/containers/create") {
            let body = json!({"message": "a text of the engine: too many CPUs"});
            Fault::Answered(StatusCode::BAD_REQUEST, body.to_string())
        } else {
            Fault::None
        }
    });
    assert_refused(&alpine().provision(&test.app).await, "cannot-run");
    test.assert_nothing_leaked(&Owner::local(), "refused by the engine")
        .await;
}

#[tokio::test]
async fn an_image_that_is_not_on_the_engine() {
    let mut test = TestApp::new().await;
    test.app.catalogue = Arc::new(catalogue_without_alpine());
    let answer = alpine().provision(&test.app).await;
    assert_refused(&answer, "image-missing");
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains("alpine:no-such-tag"), "{detail}");
    test.assert_nothing_leaked(&Owner::local(), "no image")
        .await;
}

#[tokio::test]
async fn a_command_that_does_not_exist_cannot_run() {
    let test = TestApp::new().await;
    let answer = alpine_with(json!({"command": ["/no/such/program", "--secret=hunter2"]}));
    let answer = answer.provision(&test.app).await;
    assert_refused(&answer, "cannot-run");
    assert!(!answer.body.to_string().contains("hunter2"));
    test.assert_nothing_leaked(&Owner::local(), "no such program")
        .await;
}

#[tokio::test]
async fn a_table_out_of_reach() {
    let test = TestApp::proxied().await;
    let id = lease(&test).await;
    test.table_proxy().on_each(|_| Fault::Cut);
    let app = &test.app;
    let (provisioned, listed, got, deleted, renewed, connected) = tokio::join!(
        alpine().provision(app),
        Event::saved("list").list(app),
        Event::about("get", &id).list(app),
        Event::about("delete", &id).delete(app),
        Event::about("renew", &id).renew(app),
        connect(&test, saved_for("logs-connect", &id), true),
    );
    for answer in [provisioned, listed, got, deleted, renewed, connected] {
        assert_refused(&answer, "store-unavailable");
    }
    test.table_proxy().on_each(|_| {
        let body = json!({"__type": "AccessDeniedException", "message": "arn:aws:iam::1:role/x"});
        Fault::Answered(StatusCode::BAD_REQUEST, body.to_string())
    });
    let answer = Event::saved("list").list(app).await;
    assert_refused(&answer, "store-unavailable");
    test.table_proxy().heal();
    assert_eq!(get(&test, &id).await["state"], "running");
    test.assert_nothing_leaked(&Owner::local(), "no table")
        .await;
}

#[tokio::test]
async fn a_quota_that_is_reached() {
    let test = TestAppOptions::default().most_leases(1).build().await;
    let first = lease(&test).await;
    let answer = alpine().provision(&test.app).await;
    assert_refused(&answer, "quota-reached");
    assert!(
        answer.body["detail"]
            .as_str()
            .unwrap()
            .contains("At most 1")
    );
    test.assert_nothing_leaked(&Owner::local(), "one too many")
        .await;
    // Each owner has their own quota.
    let other = alpine().from_owner("ada").provision(&test.app).await;
    assert_eq!(other.status, 201, "{other:?}");
    let deleted = Event::about("delete", &first).delete(&test.app).await;
    assert_eq!(deleted.status, 200, "{deleted:?}");
    lease(&test).await;
}

#[tokio::test]
async fn a_lease_that_others_keep_changing() {
    let test = TestApp::proxied().await;
    let id = lease(&test).await;
    renew_at_each_read(&test, &id);
    let renewed = Event::about("renew", &id).renew(&test.app).await;
    assert_refused(&renewed, "lease-contended");
    let deleted = Event::about("delete", &id).delete(&test.app).await;
    assert_refused(&deleted, "lease-contended");
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
