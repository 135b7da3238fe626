//! An engine that is away, that fails, or that cannot run what is asked of it: nothing is left of
//! the lease, and the engine's own words are not shown.

use std::sync::Arc;

use containerlease_domain::{lease::StateName, names::Owner};
use containerlease_testkit::{Fault, TestApp, TestAppOptions};
use http::StatusCode;
use serde_json::json;

use super::catalogue_without_alpine;
use crate::{alpine, alpine_with, assert_refused};

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
