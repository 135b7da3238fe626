//! `POST /api/containers/{id}/renew`.

use containerlease_domain::time::Time;
use containerlease_testkit::{Fault, TestApp, TestAppOptions, events::Event};
use serde_json::json;

use crate::{MINUTE, SECOND, alpine, assert_refused, lease, millis};

fn renew_by(id: &str, minutes: u32) -> Event {
    Event::about("renew", id).body(&json!({"durationMinutes": minutes}))
}

#[tokio::test]
async fn a_renewal_counts_from_now() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let before = Time::now().as_millis();
    let answer = Event::about("renew", &id).renew(&test.app).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.id(), id);
    let expires = millis(&answer.body, "expiryTime") - 10 * 60 * 1000;
    assert!((before..=Time::now().as_millis()).contains(&expires));
    let granted = &answer.body["granted"];
    assert_eq!(granted["durationSeconds"], 600);
    assert_eq!(granted["capped"], false);
    let added = granted["addedSeconds"].as_u64().unwrap();
    assert!((300..=330).contains(&added), "{granted}");
    assert!(millis(&answer.body, "serverTime") >= before);
}

#[tokio::test]
async fn a_renewal_never_shortens_and_never_passes_the_maximum() {
    let test = TestAppOptions::default().most_minutes(10).build().await;
    let answer = alpine().provision(&test.app).await;
    let (id, first) = (answer.id(), answer.body["expiryTime"].clone());
    let shorter = renew_by(&id, 1).renew(&test.app).await;
    assert_eq!((shorter.status, &shorter.body["expiryTime"]), (200, &first));
    let granted = &shorter.body["granted"];
    assert_eq!(granted["addedSeconds"], 0, "{granted}");
    assert_eq!(granted["capped"], false);
    assert!(granted["durationSeconds"].as_u64() > Some(200), "{granted}");
    test.table.age(2 * MINUTE).await;
    let longest = renew_by(&id, 10).renew(&test.app).await;
    assert_eq!(longest.status, 200, "{longest:?}");
    assert_eq!(
        millis(&longest.body, "expiryTime") - millis(&longest.body, "createdAt"),
        10 * 60 * 1000
    );
    assert_eq!(
        longest.body["expiryTime"],
        longest.body["maximumExpiryTime"]
    );
    let granted = &longest.body["granted"];
    assert_eq!(granted["capped"], true);
    assert_eq!(granted["addedSeconds"], 300);
    let seconds = granted["durationSeconds"].as_u64().unwrap();
    assert!((450..=480).contains(&seconds), "{granted}");
    let again = renew_by(&id, 10).renew(&test.app).await;
    assert_eq!(again.body["expiryTime"], longest.body["expiryTime"]);
}

#[tokio::test]
async fn a_lease_that_is_over_cannot_be_renewed() {
    let test = TestApp::new().await;
    let (id, deleted) = (lease(&test).await, lease(&test).await);
    // Its time is over, though no reaper has run yet.
    test.table.age(5 * MINUTE).await;
    assert_refused(&renew_by(&id, 5).renew(&test.app).await, "lease-over");
    Event::about("delete", &deleted).delete(&test.app).await;
    assert_refused(&renew_by(&deleted, 5).renew(&test.app).await, "lease-over");
    test.reap().await;
    assert_refused(&renew_by(&id, 5).renew(&test.app).await, "lease-over");
}

#[tokio::test]
async fn a_lease_that_does_not_run_yet_cannot_be_renewed() {
    let test = TestApp::proxied().await;
    test.engine_proxy().on_each(|seen| {
        if seen.is("POST", "/start") {
            Fault::Delayed(SECOND)
        } else {
            Fault::None
        }
    });
    let renewed = async {
        crate::wait_for("the lease is on record", async || {
            let listed = Event::saved("list").list(&test.app).await;
            listed.body["containers"][0]["id"].is_string()
        })
        .await;
        let listed = Event::saved("list").list(&test.app).await;
        let id = listed.body["containers"][0]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        renew_by(&id, 9).renew(&test.app).await
    };
    let (provisioned, renewed) = tokio::join!(alpine().provision(&test.app), renewed);
    assert_refused(&renewed, "lease-not-running");
    assert_eq!(provisioned.status, 201, "{provisioned:?}");
}

#[tokio::test]
async fn of_two_renewals_at_once_both_are_right() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let (long, short) = tokio::join!(
        renew_by(&id, 60).renew(&test.app),
        renew_by(&id, 30).renew(&test.app)
    );
    assert_eq!((long.status, short.status), (200, 200));
    let end = crate::get(&test, &id).await["expiryTime"].clone();
    assert_eq!(end, long.body["expiryTime"], "the longer one stays");
}

#[tokio::test]
async fn a_renewal_whose_answer_the_table_loses_is_no_error() {
    let test = TestApp::proxied().await;
    let id = lease(&test).await;
    let already = std::sync::atomic::AtomicBool::new(false);
    test.table_proxy().on_each(move |seen| {
        let first = seen.is_operation("UpdateItem")
            && !already.swap(true, std::sync::atomic::Ordering::Relaxed);
        if first {
            Fault::AnswerLost
        } else {
            Fault::None
        }
    });
    let answer = renew_by(&id, 60).renew(&test.app).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}
