//! `POST /api/containers/{id}/renew`.

use containerlease_shared::time::Time;
use containerlease_testkit::{Bench, Fault, Plan, events::Event};
use serde_json::json;

use crate::{MINUTE, SECOND, alpine, assert_refused, lease, millis};

fn renew_by(id: &str, minutes: u32) -> Event {
    Event::about("renew", id).body(&json!({"durationMinutes": minutes}))
}

#[tokio::test]
async fn a_renewal_counts_from_now() {
    let bench = Bench::new().await;
    let id = lease(&bench).await;
    let before = Time::now().as_millis();
    let answer = Event::about("renew", &id).renew(&bench.app).await;
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
    let bench = Plan::default().most_minutes(10).build().await;
    let answer = alpine().provision(&bench.app).await;
    let (id, first) = (answer.id(), answer.body["expiryTime"].clone());
    let shorter = renew_by(&id, 1).renew(&bench.app).await;
    assert_eq!((shorter.status, &shorter.body["expiryTime"]), (200, &first));
    let granted = &shorter.body["granted"];
    assert_eq!(granted["addedSeconds"], 0, "{granted}");
    assert_eq!(granted["capped"], false);
    assert!(granted["durationSeconds"].as_u64() > Some(200), "{granted}");
    bench.table.age(2 * MINUTE).await;
    let longest = renew_by(&id, 10).renew(&bench.app).await;
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
    let again = renew_by(&id, 10).renew(&bench.app).await;
    assert_eq!(again.body["expiryTime"], longest.body["expiryTime"]);
}

#[tokio::test]
async fn a_lease_that_is_over_cannot_be_renewed() {
    let bench = Bench::new().await;
    let (id, deleted) = (lease(&bench).await, lease(&bench).await);
    // Its time is over, though no reaper has run yet.
    bench.table.age(5 * MINUTE).await;
    assert_refused(&renew_by(&id, 5).renew(&bench.app).await, "lease-over");
    Event::about("delete", &deleted).delete(&bench.app).await;
    assert_refused(&renew_by(&deleted, 5).renew(&bench.app).await, "lease-over");
    bench.reap().await;
    assert_refused(&renew_by(&id, 5).renew(&bench.app).await, "lease-over");
}

#[tokio::test]
async fn a_lease_that_does_not_run_yet_cannot_be_renewed() {
    let bench = Bench::proxied().await;
    bench.engine_proxy().on_each(|seen| {
        if seen.is("POST", "/start") {
            Fault::Delayed(SECOND)
        } else {
            Fault::None
        }
    });
    let renewed = async {
        crate::wait_for("the lease is on record", async || {
            let listed = Event::saved("list").list(&bench.app).await;
            listed.body["containers"][0]["id"].is_string()
        })
        .await;
        let listed = Event::saved("list").list(&bench.app).await;
        let id = listed.body["containers"][0]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        renew_by(&id, 9).renew(&bench.app).await
    };
    let (provisioned, renewed) = tokio::join!(alpine().provision(&bench.app), renewed);
    assert_refused(&renewed, "lease-not-running");
    assert_eq!(provisioned.status, 201, "{provisioned:?}");
}

#[tokio::test]
async fn of_two_renewals_at_once_both_are_right() {
    let bench = Bench::new().await;
    let id = lease(&bench).await;
    let (long, short) = tokio::join!(
        renew_by(&id, 60).renew(&bench.app),
        renew_by(&id, 30).renew(&bench.app)
    );
    assert_eq!((long.status, short.status), (200, 200));
    let end = crate::get(&bench, &id).await["expiryTime"].clone();
    assert_eq!(end, long.body["expiryTime"], "the longer one stays");
}

#[tokio::test]
async fn a_renewal_whose_answer_the_table_loses_is_no_error() {
    let bench = Bench::proxied().await;
    let id = lease(&bench).await;
    let already = std::sync::atomic::AtomicBool::new(false);
    bench.table_proxy().on_each(move |seen| {
        let first = seen.is_operation("UpdateItem")
            && !already.swap(true, std::sync::atomic::Ordering::Relaxed);
        if first {
            Fault::AnswerLost
        } else {
            Fault::None
        }
    });
    let answer = renew_by(&id, 60).renew(&bench.app).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}
