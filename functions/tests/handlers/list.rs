//! The read-only routes.

use std::time::Duration;

use containerlease_functions::routes::read;
use containerlease_testkit::{
    Fault, TestApp, TestAppOptions,
    events::{Event, SAVED_ID},
};
use serde_json::{Value, json};

use crate::{get, lease, millis};

#[tokio::test]
async fn a_list_holds_the_leases_that_have_not_ended_oldest_first() {
    let test = TestApp::new().await;
    let empty = Event::saved("list").list(&test.app).await;
    assert_eq!(empty.status, 200);
    assert_eq!(empty.body["containers"], json!([]));
    let (first, second, third) = (lease(&test).await, lease(&test).await, lease(&test).await);
    let deleted = Event::about("delete", &second).delete(&test.app).await;
    assert_eq!(deleted.status, 200, "{deleted:?}");
    let listed = Event::saved("list").list(&test.app).await;
    let ids: Vec<_> = listed.body["containers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|container| container["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, [&first, &third]);
    assert!(millis(&listed.body, "serverTime") > 0);
    // An ended lease is found by its id, with its receipt.
    let ended = get(&test, &second).await;
    assert_eq!(ended["state"], "ended");
    assert_eq!(ended["receipt"]["reason"], "deleted");
    assert_eq!(get(&test, &first).await["receipt"], Value::Null);
}

#[tokio::test]
async fn the_catalogue_is_shown_with_its_limits() {
    let test = TestAppOptions::default()
        .without_engine()
        .most_minutes(90)
        .build()
        .await;
    let answer = Event::saved("images").list(&test.app).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.body["durationMinutes"],
        json!({"default": 15, "minimum": 1, "maximum": 90})
    );
    let redis = answer.body["images"]
        .as_array()
        .unwrap()
        .iter()
        .find(|image| image["imageType"] == "redis")
        .unwrap();
    assert_eq!(redis["cpuMilli"], json!({"default": 500, "maximum": 2000}));
    assert_eq!(redis["memoryMB"], json!({"default": 256, "maximum": 2048}));
    assert_eq!(redis["ports"][0]["containerPort"], 6379);
    let names = redis["presets"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|preset| &preset["name"]).collect();
    assert_eq!(names, ["small", "medium", "large"]);
    let small = json!({"name": "small", "cpuMilli": 250, "memoryMB": 128});
    assert_eq!(redis["presets"][0], small);
}

/// On AWS API Gateway passes requests that match no route to this function.
#[tokio::test]
async fn what_no_route_takes_is_refused_and_told_what_does() {
    let test = TestAppOptions::default().without_engine().build().await;
    let answer = Event::saved("unrouted").list(&test.app).await;
    assert_eq!(
        (answer.status, answer.problem()),
        (405, "method-not-allowed")
    );
    assert_eq!(answer.headers["allow"], "POST");
    let put = Event::saved("unrouted").method("PUT").path("/api/images");
    let answer = put.list(&test.app).await;
    assert_eq!(
        (answer.status, answer.problem()),
        (405, "method-not-allowed")
    );
    assert_eq!(answer.headers["allow"], "GET, HEAD");
    let nowhere = Event::saved("unrouted").path("/no/such/path");
    let answer = nowhere.list(&test.app).await;
    assert_eq!((answer.status, answer.problem()), (404, "route-not-found"));
    // Paths that begin as those of this function.
    let unrouted = Event::saved("unrouted").method("GET");
    let below = unrouted.clone().path("/api/containers/a/b");
    let answer = below.list(&test.app).await;
    assert_eq!((answer.status, answer.problem()), (404, "route-not-found"));
    for verb in ["renew", "exec"] {
        let path = format!("/api/containers/{SAVED_ID}/{verb}");
        let answer = unrouted.clone().path(&path).list(&test.app).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (405, "method-not-allowed")
        );
        assert_eq!(answer.headers["allow"], "POST");
    }
}

/// On AWS no route takes `HEAD`, so such a request arrives without path parameters.
#[tokio::test]
async fn a_head_is_answered_as_the_get_without_its_body() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    for (path, status) in [
        ("/api/containers".to_owned(), 200),
        (format!("/api/containers/{id}"), 200),
        (format!("/api/containers/{id}/logs"), 200),
        (format!("/api/containers/{id}/stats"), 200),
        ("/api/containers/x".to_owned(), 400),
        ("/api/images".to_owned(), 200),
        ("/api/openapi.json".to_owned(), 200),
        ("/healthz".to_owned(), 200),
        ("/no/such/path".to_owned(), 404),
        ("/api/provision".to_owned(), 405),
    ] {
        let request = Event::saved("unrouted")
            .method("HEAD")
            .path(&path)
            .request();
        let answer = read::handle(&test.app, request).await;
        assert_eq!(answer.status(), status, "{path}");
        assert!(answer.body().is_empty(), "{path}");
        let length = answer.headers()["content-length"].to_str().unwrap();
        assert!(length.parse::<usize>().unwrap() > 0, "{path}");
    }
}

#[tokio::test]
async fn health_needs_nothing_and_readiness_everything() {
    let test = TestApp::proxied().await;
    let ready = Event::saved("readyz").list(&test.app).await;
    assert_eq!(ready.status, 200, "{ready:?}");
    assert_eq!(
        ready.body,
        json!({
            "status": "ready", "table": {"state": "ok"}, "engine": {"state": "ok"},
            "warnings": [],
        })
    );

    test.engine_proxy().on_each(|_| Fault::Cut);
    let unready = Event::saved("readyz").list(&test.app).await;
    assert_eq!(unready.status, 503);
    assert_eq!(unready.body["table"]["state"], "ok");
    let detail = &unready.body["engine"]["detail"];
    assert_eq!(*detail, "The engine cannot be reached.");

    test.engine_proxy().heal();
    test.table_proxy().on_each(|_| Fault::Cut);
    let unready = Event::saved("readyz").list(&test.app).await;
    assert_eq!(unready.status, 503);
    assert_eq!(unready.body["engine"]["state"], "ok");
    assert_eq!(
        unready.body["table"]["detail"],
        "The table cannot be reached."
    );

    let health = Event::saved("healthz").list(&test.app).await;
    assert_eq!((health.status, &health.body["status"]), (200, &json!("ok")));
}

#[tokio::test]
async fn the_description_is_sent_once_to_a_caller_who_keeps_it() {
    let test = TestAppOptions::default().without_engine().build().await;
    let answer = Event::saved("openapi").list(&test.app).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["cache-control"], "public, max-age=300");
    assert_eq!(answer.body["openapi"], "3.1.0");
    let tag = answer.headers["etag"].to_str().unwrap();
    for (known, status) in [
        (tag.to_owned(), 304),
        (format!("\"other\", W/{tag}"), 304),
        ("\"other\"".to_owned(), 200),
        (String::new(), 200),
    ] {
        let event = Event::saved("openapi").header("if-none-match", &known);
        let response = read::handle(&test.app, event.request()).await;
        assert_eq!(response.status(), status, "{known}");
        assert_eq!(response.headers()["etag"], tag, "{known}");
        assert_eq!(response.body().is_empty(), status == 304, "{known}");
    }
}

#[tokio::test]
async fn a_process_that_starts_before_its_engine_says_so_and_works_later() {
    let test = TestApp::new().await;
    let app = test.process_without_engine().unwrap();
    let unready = Event::saved("readyz").list(&app).await;
    assert_eq!(unready.status, 503);
    let detail = &unready.body["engine"]["detail"];
    assert_eq!(*detail, "The engine cannot be reached.");
    assert_eq!(Event::saved("list").list(&app).await.status, 200);
}

#[tokio::test]
async fn readiness_does_not_wait_for_an_engine_that_hangs() {
    let test = TestApp::proxied().await;
    test.engine_proxy()
        .on_each(|_| Fault::NeverSent(Box::new(|| {})));
    let limit = Duration::from_secs(8);
    let readiness = Event::saved("readyz").list(&test.app);
    let unready = tokio::time::timeout(limit, readiness).await.unwrap();
    assert_eq!(unready.status, 503);
    let detail = &unready.body["engine"]["detail"];
    assert_eq!(*detail, "The engine does not answer in time.");
}

#[tokio::test]
async fn a_list_costs_one_read_however_many_have_ended() {
    let test = TestApp::proxied().await;
    let id = lease(&test).await;
    Event::about("delete", &id).delete(&test.app).await;
    let before = test.table_proxy().seen().len();
    Event::saved("list").list(&test.app).await;
    let seen = test.table_proxy().seen();
    assert_eq!(seen.len() - before, 1, "{seen:?}");
    assert!(seen[before].is_operation("Query"));
}
