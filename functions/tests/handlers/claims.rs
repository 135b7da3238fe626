//! A process that ends a lease renews its claim, and its findings outlive it.

use std::time::Instant;

use containerlease_domain::{
    lease::{CLAIM_BEAT, CLAIM_LIMIT, Reason, State},
    names::Owner,
    time::Time,
};
use containerlease_service::reaper::{release_claims, run};
use containerlease_testkit::{Fault, TestApp, TestAppOptions, events::Event};
use serde_json::json;

use crate::{MINUTE, SECOND, alpine_with, get, lease, wait_until_exited};

#[tokio::test]
async fn a_delete_takes_over_from_a_holder_that_has_died() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let before = test.lease(&Owner::local(), &id).await;
    let dead = test.table.store();
    let claimed = dead.claim(&before, Reason::Deleted, Time::now()).await;
    claimed.unwrap();
    let begun = Instant::now();
    let answer = Event::about("delete", &id).delete(&test.app).await;
    assert_eq!(
        (answer.status, &answer.body["state"]),
        (200, &json!("ended"))
    );
    assert!(begun.elapsed() < 15 * SECOND, "{:?}", begun.elapsed());
    assert_eq!(get(&test, &id).await["receipt"]["attempts"], 2);
    test.assert_nothing_leaked(&Owner::local(), "taken over")
        .await;
}

#[tokio::test]
async fn a_reaper_takes_over_from_a_holder_that_has_died_within_15_s() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let before = test.lease(&Owner::local(), &id).await;
    let dead = test.table.store();
    let claimed = dead.claim(&before, Reason::Deleted, Time::now()).await;
    claimed.unwrap();
    let begun = Instant::now();
    let now = Time::now();
    let report = run(&test.reaper(), now, now.plus(MINUTE)).await.unwrap();
    assert_eq!(report.deleted, 1, "{report:?}");
    assert!(begun.elapsed() < 15 * SECOND, "{:?}", begun.elapsed());
    assert_eq!(get(&test, &id).await["state"], "ended");
}

#[tokio::test]
async fn the_claims_of_a_process_that_is_no_more_are_due_at_once() {
    let test = TestApp::new().await;
    let (of_dead, ours) = (lease(&test).await, lease(&test).await);
    let dead = test.table.store();
    for (id, store) in [(&of_dead, &dead), (&ours, &*test.app.store)] {
        let before = test.lease(&Owner::local(), id).await;
        let claimed = store.claim(&before, Reason::Deleted, Time::now()).await;
        claimed.unwrap();
    }
    assert_eq!(release_claims(&test.app.store).await.unwrap(), 1);
    let due = |lease: containerlease_domain::lease::Lease| lease.due_at().unwrap();
    let now = Time::now();
    assert!(due(test.lease(&Owner::local(), &of_dead).await) <= now);
    assert!(due(test.lease(&Owner::local(), &ours).await) > now);
    assert_eq!(release_claims(&test.app.store).await.unwrap(), 0);
    test.table.age(CLAIM_LIMIT).await;
    test.reap().await;
    test.assert_nothing_leaked(&Owner::local(), "released")
        .await;
}

#[tokio::test]
async fn an_end_that_takes_longer_than_a_claim_lasts_stays_in_its_hands() {
    let test = TestAppOptions::default().proxied().build().await;
    let id = lease(&test).await;
    let long = CLAIM_LIMIT + CLAIM_BEAT;
    test.engine_proxy().on_each(move |seen| {
        // Each call has its own time limit, which is shorter.
        if seen.is("POST", "/stop") || seen.is("DELETE", "/containers/") {
            Fault::Delayed(long / 2)
        } else {
            Fault::None
        }
    });
    let begun = Instant::now();
    let delete = Event::about("delete", &id).delete(&test.app);
    let others = async {
        let mut attempts = 0;
        while begun.elapsed() + SECOND < long {
            let report = test.reap().await;
            attempts += report.ended() + report.attempts_failed;
        }
        attempts
    };
    let (answer, attempts_of_others) = tokio::join!(delete, others);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(attempts_of_others, 0);
    assert!(begun.elapsed() >= long, "{:?}", begun.elapsed());
    assert_eq!(get(&test, &id).await["receipt"]["attempts"], 1);
}

#[tokio::test]
async fn a_receipt_is_tried_again_while_the_claim_lasts() {
    let test = TestAppOptions::default().proxied().build().await;
    let id = lease(&test).await;
    let from = Instant::now();
    test.table_proxy().on_each(move |seen| {
        if seen.is_operation("TransactWriteItems") && from.elapsed() < 4 * SECOND {
            Fault::Cut
        } else {
            Fault::None
        }
    });
    let answer = Event::about("delete", &id).delete(&test.app).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let receipt = &get(&test, &id).await["receipt"];
    assert_eq!(receipt["attempts"], 1, "{receipt}");
}

#[tokio::test]
async fn what_was_found_is_in_the_receipt_of_who_takes_over() {
    let test = TestAppOptions::default().proxied().build().await;
    let expired = lease(&test).await;
    let expiry = test.lease(&Owner::local(), &expired).await.expires_at;
    test.table.age(Time::now().until(expiry)).await;
    let script = "echo its last words; exit 3";
    let event = alpine_with(json!({"command": ["sh", "-c", script]}));
    let failed = event.provision(&test.app).await.id();
    wait_until_exited(&test, &failed).await;
    // The containers are removed, and no receipt is written.
    test.table_proxy().on_each(|seen| {
        if seen.is_operation("TransactWriteItems") {
            Fault::Cut
        } else {
            Fault::None
        }
    });
    let begun = Time::now();
    test.reap().await;
    let removed_by = Time::now();
    assert_eq!(test.place.containers().await, []);
    for id in [&failed, &expired] {
        let lease = test.lease(&Owner::local(), id).await;
        let facts = &lease.ending().unwrap().facts;
        assert!(facts.removal_began_at.is_some(), "{lease:?}");
    }
    test.table_proxy().heal();
    let now = Time::now();
    let report = run(&test.reaper(), now, now.plus(MINUTE)).await.unwrap();
    assert_eq!((report.failed, report.expired), (1, 1), "{report:?}");
    for (id, exit_code) in [(&failed, Some(3)), (&expired, None)] {
        let State::Ended(receipt) = test.lease(&Owner::local(), id).await.state else {
            panic!("it has not ended")
        };
        assert_eq!(receipt.attempts, 2, "{receipt:?}");
        assert!(receipt.stopped_at.is_some(), "{receipt:?}");
        assert!(receipt.exit_code.is_some(), "{receipt:?}");
        if exit_code.is_some() {
            assert_eq!(receipt.exit_code, exit_code, "{receipt:?}");
            assert_eq!(receipt.last_lines, ["its last words"]);
        } else {
            // The engine keeps its last 256 events. If it still remembers the removal, it did so
            // when the reaper asked. Otherwise the receipt must not invent a time.
            let is_told = receipt.removed_at <= removed_by;
            let host = &test.app.host;
            if host.removed_at(&id.parse().unwrap(), begun).await.is_some() {
                assert!(is_told, "{receipt:?}");
            }
            assert_eq!(receipt.overshoot_ms.is_some(), is_told, "{receipt:?}");
        }
    }
}
