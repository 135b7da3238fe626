//! What depends on who asks: a lease belongs to its owner, who has a quota and a name.

use containerlease_domain::{
    identity::{Identity, Role, Subject},
    names::Owner,
};
use containerlease_functions::http::{
    answer::problem_response, caller::authorizer, problem::Problem,
};
use containerlease_testkit::{
    TestApp, TestAppOptions,
    events::{Answer, Event, SAVED_ID, saved, saved_for},
};
use serde_json::{Value, json};

use super::{assert_is, connect};
use crate::{alpine, assert_refused, lease};

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
                event["requestContext"]["authorizer"] = Value::Object(authorizer(&Identity::new(
                    Subject::Local,
                    Owner::try_from(subject.to_owned()).unwrap(),
                    Role::User,
                )));
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
        json!({"jwt": {"claims": {"sub": "ada"}, "scopes": null}}),
        json!({"lambda": {"subject": "local", "owner": "", "role": "user", "scopes": "read"}}),
        json!({"lambda": {"subject": "local", "owner": "a\nb", "role": "user", "scopes": "read"}}),
        json!({"lambda": {"subject": "local", "owner": "a", "role": "root", "scopes": "read"}}),
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

/// The gateway of the one-machine server answers with it; its own tests produce it there.
#[test]
fn a_foreign_origin_is_told_so() {
    let response = problem_response(Some("request"), &Problem::foreign_origin());
    assert_is(&Answer::of(&response), "foreign-origin");
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
