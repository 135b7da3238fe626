//! A command that cannot be run, and a lease that runs none: it is over, paused or not there yet.

use containerlease_testkit::{Fault, TestApp, events::Event};
use serde_json::json;

use super::{command, shell};
use crate::{
    MINUTE, SECOND, alpine, alpine_with, assert_refused, lease, wait_for, wait_until_exited,
};

#[tokio::test]
async fn a_program_that_is_not_there_cannot_be_run() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    for program in ["no-such-program", "/etc/passwd", "/tmp"] {
        let body = json!({"command": [program, "--secret=hunter2"]});
        let answer = command(&id, &body).exec(&test.app).await;
        assert_refused(&answer, "cannot-run");
        assert!(!answer.body.to_string().contains("hunter2"));
    }
}

#[tokio::test]
async fn a_paused_container_runs_nothing_and_can_still_be_counted() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let name = format!("containerlease-{id}");
    let paused = test.place.docker().pause_container(&name).await;
    paused.expect("a container can be paused");
    let answer = Event::about("exec", &id).exec(&test.app).await;
    assert_refused(&answer, "container-paused");
    let stats = Event::about("stats", &id).list(&test.app).await;
    assert_eq!(stats.status, 200, "{stats:?}");
    assert_eq!(stats.body["cpu"]["percent"], 0.0);
    let resumed = test.place.docker().unpause_container(&name).await;
    resumed.expect("a container can be unpaused");
    shell(&test, &id, "true", json!({})).await;
}

#[tokio::test]
async fn a_lease_that_is_over_runs_nothing() {
    let test = TestApp::new().await;
    let refused = async |id: &str| {
        let answer = Event::about("exec", id).exec(&test.app).await;
        assert_refused(&answer, "lease-over");
        let answer = Event::about("stats", id).list(&test.app).await;
        assert_refused(&answer, "lease-over");
    };
    let deleted = lease(&test).await;
    Event::about("delete", &deleted).delete(&test.app).await;
    refused(&deleted).await;
    // Its program has ended, or its container has vanished, and no reaper has run yet.
    let event = alpine_with(json!({"command": ["sh", "-c", "sleep 0.3; exit 3"]}));
    let failed = event.provision(&test.app).await.id();
    wait_until_exited(&test, &failed).await;
    refused(&failed).await;
    let lost = lease(&test).await;
    test.place.remove_behind_its_back(&lost).await;
    refused(&lost).await;
    // Its time is over.
    let expired = lease(&test).await;
    test.table.age(5 * MINUTE).await;
    refused(&expired).await;
}

#[tokio::test]
async fn a_lease_that_does_not_run_yet_runs_nothing() {
    let test = TestApp::proxied().await;
    test.engine_proxy().on_each(|seen| {
        if seen.is("POST", "/start") {
            Fault::Delayed(2 * SECOND)
        } else {
            Fault::None
        }
    });
    let asked = async {
        let mut id = String::new();
        wait_for("the lease is on record", async || {
            let listed = Event::saved("list").list(&test.app).await;
            let first = listed.body["containers"][0]["id"].as_str();
            id = first.unwrap_or_default().to_owned();
            !id.is_empty()
        })
        .await;
        let logs = Event::about("log-page", &id).list(&test.app).await;
        assert_eq!(logs.status, 200, "{logs:?}");
        assert_eq!(logs.body["entries"], json!([]));
        assert_eq!(
            (&logs.body["more"], &logs.body["gap"]),
            (&json!(false), &json!(false))
        );
        let stats = Event::about("stats", &id).list(&test.app).await;
        assert_refused(&stats, "lease-not-running");
        Event::about("exec", &id).exec(&test.app).await
    };
    let (provisioned, answer) = tokio::join!(alpine().provision(&test.app), asked);
    assert_refused(&answer, "lease-not-running");
    assert_eq!(provisioned.status, 201, "{provisioned:?}");
}

#[tokio::test]
async fn a_command_with_wrong_fields_is_not_run() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let body = json!({"command": [], "timeoutSeconds": 26, "tty": true});
    let answer = command(&id, &body).exec(&test.app).await;
    assert_refused(&answer, "invalid-request");
    let named = answer.body["errors"].as_array().unwrap().iter();
    let named: Vec<_> = named
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    assert_eq!(named, ["command", "timeoutSeconds", "tty"]);
    let answer = Event::about("exec", &id)
        .raw_body("x")
        .exec(&test.app)
        .await;
    assert_refused(&answer, "invalid-body");
}
