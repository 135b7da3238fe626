//! A table on this machine whose disk cannot be written: leases end on time from their last
//! read state, and their receipts follow.

use std::sync::Arc;

use containerlease_domain::{names::Owner, time::Time};
use containerlease_service::{reaper::run, store::Shortage};
use containerlease_testkit::{Fault, TestApp, events::Event, proxy::Seen};

use crate::{MINUTE, SECOND, alpine, assert_refused, get, lease};

/// The embedded table's answer if its disk cannot be written.
fn unwritable(seen: &Seen) -> Fault {
    let reads = ["GetItem", "Query", "BatchGetItem"];
    if reads.iter().any(|operation| seen.is_operation(operation)) {
        Fault::None
    } else {
        Fault::of_the_table("TableUnwritableException")
    }
}

#[tokio::test]
async fn leases_end_on_time_and_their_receipts_follow() {
    let test = Arc::new(TestApp::proxied().await);
    let (ends, lives) = (lease(&test).await, lease(&test).await);
    let longer = Event::about("renew", &lives).body(&serde_json::json!({"durationMinutes": 60}));
    longer.renew(&test.app).await;
    let expires_at = test.lease(&Owner::local(), &ends).await.expires_at;
    test.table.age(Time::now().until(expires_at)).await;
    test.table_proxy().on_each(unwritable);
    let now = Time::now();
    let (reaper, of_reaper) = (test.reaper(), now.plus(MINUTE));
    let reaping = tokio::spawn(async move { run(&reaper, now, of_reaper).await });
    while test.place.containers().await.len() > 1 {
        assert!(Time::now() < now.plus(MINUTE), "it has not ended");
        tokio::time::sleep(SECOND / 20).await;
    }
    // The engine lists no container while it still removes it: it answers in this time.
    tokio::time::sleep(3 * SECOND).await;
    let gone_by = Time::now();
    let shown = get(&test, &ends).await;
    assert_eq!(shown["state"], "running", "{shown}");
    test.table_proxy().heal();
    let report = reaping.await.expect("it is there").expect("it is there");
    assert_eq!((report.due, report.expired), (1, 1), "{report:?}");
    let receipt = &get(&test, &ends).await["receipt"];
    let removed_at: Time = receipt["removedAt"]
        .as_str()
        .expect("it is there")
        .parse()
        .expect("it is there");
    assert!(removed_at <= gone_by, "{receipt}");
    assert_eq!(receipt["attempts"], 1, "{receipt}");
    assert!(!receipt["exitCode"].is_null(), "{receipt}");
    assert_eq!(get(&test, &lives).await["state"], "running");
}

#[tokio::test]
async fn nothing_is_leased_and_the_rest_goes_on_while_the_disk_is_full() {
    let test = TestApp::new().await;
    let (renewed, deleted) = (lease(&test).await, lease(&test).await);
    test.app.store.room().note(Some(Shortage::DiskFull));
    let answer = alpine().provision(&test.app).await;
    assert_refused(&answer, "storage-full");
    assert_eq!(test.place.containers().await.len(), 2);
    let ready = Event::saved("readyz").list(&test.app).await;
    assert_eq!(ready.status, 503, "{ready:?}");
    assert_eq!(ready.body["table"]["state"], "error", "{ready:?}");
    let longer = Event::about("renew", &renewed).body(&serde_json::json!({"durationMinutes": 9}));
    assert_eq!(longer.renew(&test.app).await.status, 200);
    let delete = Event::about("delete", &deleted);
    assert_eq!(delete.delete(&test.app).await.status, 200);
    test.app.store.room().note(None);
    assert_eq!(alpine().provision(&test.app).await.status, 201);
}

#[tokio::test]
async fn what_the_disk_does_not_take_is_refused_as_that() {
    let test = TestApp::proxied().await;
    let id = lease(&test).await;
    test.table_proxy().on_each(unwritable);
    let answer = Event::about("delete", &id).delete(&test.app).await;
    assert_refused(&answer, "storage-full");
    let longer = Event::about("renew", &id).body(&serde_json::json!({"durationMinutes": 9}));
    assert_refused(&longer.renew(&test.app).await, "storage-full");
    assert_eq!(get(&test, &id).await["state"], "running");
}
