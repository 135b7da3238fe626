//! A table on this machine whose disk cannot be written: leases end on time from their last
//! read state, and their receipts follow.

use std::sync::Arc;

use containerlease_shared::{cleanup::run, names::Owner, store::Shortage, time::Time};
use containerlease_testkit::{Bench, Fault, events::Event, proxy::Seen};

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
    let bench = Arc::new(Bench::proxied().await);
    let (ends, lives) = (lease(&bench).await, lease(&bench).await);
    let longer = Event::about("renew", &lives).body(&serde_json::json!({"durationMinutes": 60}));
    longer.renew(&bench.app).await;
    let expires_at = bench.lease(&Owner::local(), &ends).await.expires_at;
    bench.table.age(Time::now().until(expires_at)).await;
    bench.table_proxy().on_each(unwritable);
    let now = Time::now();
    let (reaper, of_reaper) = (bench.reaper(), now.plus(MINUTE));
    let reaping = tokio::spawn(async move { run(&reaper, now, of_reaper).await });
    while bench.place.containers().await.len() > 1 {
        assert!(Time::now() < now.plus(MINUTE), "it has not ended");
        tokio::time::sleep(SECOND / 20).await;
    }
    // The engine lists no container while it still removes it: it answers in this time.
    tokio::time::sleep(3 * SECOND).await;
    let gone_by = Time::now();
    let shown = get(&bench, &ends).await;
    assert_eq!(shown["state"], "running", "{shown}");
    bench.table_proxy().heal();
    let report = reaping.await.expect("it is there").expect("it is there");
    assert_eq!((report.due, report.expired), (1, 1), "{report:?}");
    let receipt = &get(&bench, &ends).await["receipt"];
    let removed_at: Time = receipt["removedAt"]
        .as_str()
        .expect("it is there")
        .parse()
        .expect("it is there");
    assert!(removed_at <= gone_by, "{receipt}");
    assert_eq!(receipt["attempts"], 1, "{receipt}");
    assert!(!receipt["exitCode"].is_null(), "{receipt}");
    assert_eq!(get(&bench, &lives).await["state"], "running");
}

#[tokio::test]
async fn nothing_is_leased_and_the_rest_goes_on_while_the_disk_is_full() {
    let bench = Bench::new().await;
    let (renewed, deleted) = (lease(&bench).await, lease(&bench).await);
    bench.app.store.room().note(Some(Shortage::DiskFull));
    let answer = alpine().provision(&bench.app).await;
    assert_refused(&answer, "storage-full");
    assert_eq!(bench.place.containers().await.len(), 2);
    let ready = Event::saved("readyz").list(&bench.app).await;
    assert_eq!(ready.status, 503, "{ready:?}");
    assert_eq!(ready.body["table"]["state"], "error", "{ready:?}");
    let longer = Event::about("renew", &renewed).body(&serde_json::json!({"durationMinutes": 9}));
    assert_eq!(longer.renew(&bench.app).await.status, 200);
    let delete = Event::about("delete", &deleted);
    assert_eq!(delete.delete(&bench.app).await.status, 200);
    bench.app.store.room().note(None);
    assert_eq!(alpine().provision(&bench.app).await.status, 201);
}

#[tokio::test]
async fn what_the_disk_does_not_take_is_refused_as_that() {
    let bench = Bench::proxied().await;
    let id = lease(&bench).await;
    bench.table_proxy().on_each(unwritable);
    let answer = Event::about("delete", &id).delete(&bench.app).await;
    assert_refused(&answer, "storage-full");
    let longer = Event::about("renew", &id).body(&serde_json::json!({"durationMinutes": 9}));
    assert_refused(&longer.renew(&bench.app).await, "storage-full");
    assert_eq!(get(&bench, &id).await["state"], "running");
}
