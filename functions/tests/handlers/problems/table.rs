//! A table that is out of reach, or a record that others keep changing.

use containerlease_domain::names::Owner;
use containerlease_testkit::{
    Fault, TestApp,
    events::{Event, saved_for},
};
use http::StatusCode;
use serde_json::json;

use super::{connect, renew_at_each_read};
use crate::{alpine, assert_refused, get, lease};

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
async fn a_lease_that_others_keep_changing() {
    let test = TestApp::proxied().await;
    let id = lease(&test).await;
    renew_at_each_read(&test, &id);
    let renewed = Event::about("renew", &id).renew(&test.app).await;
    assert_refused(&renewed, "lease-contended");
    let deleted = Event::about("delete", &id).delete(&test.app).await;
    assert_refused(&deleted, "lease-contended");
}
