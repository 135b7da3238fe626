//! An end is told in the run that makes it, and each end is warned of once.

use std::time::Duration;

use containerlease_domain::time::Time;
use containerlease_functions::jobs::cleanup;
use containerlease_service::{notify::deliver::Deliveries, reaper::run};
use containerlease_testkit::{Reply, events::Event};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{deliver, notification, test, told};
use crate::{MINUTE, SECOND, alpine_with, get, millis};

#[tokio::test]
async fn an_end_by_the_reaper_is_told_in_the_same_run_and_the_warning_before_it_not_any_more() {
    let (test, receiver) = test().await;
    let id = told(&test, &receiver).await.id();
    test.table.age(298 * SECOND).await;
    receiver.replies([Reply::Status(503)]);
    let report = test.reap().await;
    assert_eq!(
        (report.expired, report.deliveries.delivered),
        (1, 1),
        "{report:?}"
    );
    let ended = notification(&test, &id, "lease.ended").await;
    assert_eq!(ended["state"], "delivered", "{ended}");
    // The warning was due and its attempt failed; now that the lease has ended, it is dropped.
    let warning = notification(&test, &id, "lease.expiring").await;
    assert_eq!(warning["state"], "dropped", "{warning}");
    assert_eq!(warning["lastStatus"], 503);
    assert_eq!(deliver(&test.app).await, Deliveries::default());
}

#[tokio::test]
async fn an_end_that_takes_longer_than_the_window_is_told_in_the_same_run() {
    let (test, receiver) = test().await;
    let answer = alpine_with(json!({"notifyUrl": receiver.url()}));
    let id = answer.provision(&test.app).await.id();
    test.table.age(Duration::from_millis(299_500)).await;
    // The lease expires within the window, but its container is gone only after it.
    let expiry = millis(&get(&test, &id).await, "expiryTime");
    let now = Time::now();
    let window = now.until(Time::from_millis(expiry));
    let reaper = cleanup::reaper(&test.app, window, CancellationToken::new());
    let report = run(&reaper, now, now.plus(MINUTE)).await;
    let report = report.expect("the reaper runs");
    assert_eq!(
        (report.expired, report.deliveries.delivered),
        (1, 1),
        "{report:?}"
    );
}

#[tokio::test]
async fn a_renewal_moves_the_warning_and_each_end_is_warned_of_once() {
    let (test, receiver) = test().await;
    let id = told(&test, &receiver).await.id();
    let renew = async |minutes: u32| {
        let event = Event::about("renew", &id).body(&json!({"durationMinutes": minutes}));
        let renewed = event.renew(&test.app).await;
        assert_eq!(renewed.status, 200, "{renewed:?}");
        let warning = notification(&test, &id, "lease.expiring").await;
        let at = millis(&warning, "nextAttemptAt");
        assert_eq!(millis(&renewed.body, "expiryTime") - at, 120_000);
        warning["id"].clone()
    };
    renew(10).await;
    test.table.age(200 * SECOND).await;
    assert_eq!(
        deliver(&test.app).await,
        Deliveries::default(),
        "it was moved"
    );
    test.table.age(281 * SECOND).await;
    assert_eq!(deliver(&test.app).await.delivered, 1);
    assert_eq!(deliver(&test.app).await.delivered, 0, "it is told once");
    // The request asks for an earlier end than the current one.
    let shorter = Event::about("renew", &id).body(&json!({"durationMinutes": 1}));
    assert_eq!(shorter.renew(&test.app).await.status, 200);
    assert_eq!(deliver(&test.app).await.delivered, 0, "it is the same end");
    let another = renew(3).await;
    test.table.age(61 * SECOND).await;
    assert_eq!(deliver(&test.app).await.delivered, 1);
    let messages = receiver.messages();
    assert_eq!(messages.len(), 2);
    assert_ne!(
        messages[0].header("webhook-id"),
        messages[1].header("webhook-id")
    );
    assert_ne!(messages[0].header("webhook-id"), another);
}
