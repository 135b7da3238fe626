//! A request that is wrong in itself is refused before anything is done: its body, its id, its
//! query, its path or its method.

use containerlease_domain::names::Owner;
use containerlease_testkit::{
    TestApp, TestAppOptions,
    events::{Event, SAVED_ID, saved, saved_for},
};
use serde_json::json;

use super::connect;
use crate::assert_refused;

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
