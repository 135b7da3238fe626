//! The operator sees warnings where they look.

use bollard::query_parameters::InspectContainerOptions;
use http::Method;
use serde_json::json;

use crate::harness::{Place, answer};

const VARIABLE: &str = "CONTAINERLEASE_FIREWALL";

#[tokio::test]
async fn a_firewall_that_is_missing_is_said_with_what_sets_it() {
    let place = Place::new().await;
    let server = place.start_with(&[(VARIABLE, "missing")]).await;
    let ready = server.get("/readyz").await;
    assert_eq!(ready.status, 200, "leases can be made all the same");
    let warning = &ready.json()["warnings"][0];
    assert_eq!(warning["kind"], "firewall-missing");
    let command = warning["command"].as_str().unwrap();
    let greeting = server.process.stdout();
    assert!(greeting.contains(command), "{greeting}");
    let script = command.split(' ').nth(1).unwrap();
    let repository = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    assert!(std::path::Path::new(repository).join(script).is_file());
}

#[tokio::test]
async fn one_that_is_there_or_that_nobody_has_looked_at_is_not_complained_of() {
    for value in ["up", ""] {
        let place = Place::new().await;
        let server = place.start_with(&[(VARIABLE, value)]).await;
        assert_eq!(server.get("/readyz").await.json()["warnings"], json!([]));
        assert!(!server.process.stdout().contains("WARNING"));
    }
}

#[tokio::test]
async fn a_runtime_that_the_engine_does_not_have_is_said_and_never_replaced() {
    let place = Place::new().await;
    let variable = "CONTAINERLEASE_RUNTIME";
    let server = place.start_with(&[(variable, "no-such-runtime")]).await;
    let ready = server.get("/readyz").await;
    assert_eq!(
        ready.status, 200,
        "other image types may have another runtime"
    );
    let warning = &ready.json()["warnings"][0];
    assert_eq!(warning["kind"], "runtime-missing");
    let greeting = server.process.stdout();
    assert!(
        greeting.contains(warning["command"].as_str().unwrap()),
        "{greeting}"
    );
    let asked = server.request(Method::POST, "/api/provision");
    let refused = answer(asked.json(&json!({"imageType": "alpine", "durationMinutes": 5}))).await;
    assert_eq!(refused.status, 503);
    assert_eq!(
        refused.json()["type"],
        "urn:containerlease:problem:runtime-missing"
    );
    assert_eq!(place.containers().await.len(), 0);
}

#[tokio::test]
async fn a_runtime_that_the_engine_has_is_not_complained_of() {
    let place = Place::new().await;
    let server = place
        .start_with(&[("CONTAINERLEASE_RUNTIME", "runc")])
        .await;
    assert_eq!(server.get("/readyz").await.json()["warnings"], json!([]));
    let lease = server
        .provision(&json!({"imageType": "alpine", "durationMinutes": 5}))
        .await;
    assert_eq!(lease["state"], "running", "{lease}");
    let container = place.containers().await.remove(0).id.unwrap();
    let docker = place.engine.docker();
    let made = docker
        .inspect_container(&container, None::<InspectContainerOptions>)
        .await;
    let runtime = made.unwrap().host_config.unwrap().runtime;
    assert_eq!(runtime.as_deref(), Some("runc"));
}
