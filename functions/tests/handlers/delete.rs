//! `DELETE /api/containers/{id}`: accepted in every state.

use containerlease_domain::{
    lease::{ATTEMPTS_BEFORE_QUARANTINE, CLAIM_LIMIT, Lease, Reason, StateName},
    names::Owner,
    time::Time,
};
use containerlease_testkit::{Fault, TestApp, events::Event};
use serde_json::{Value, json};

use crate::{SECOND, alpine, assert_refused, get, inspect, lease, wait_for};

#[tokio::test]
async fn a_running_lease_is_gone_with_its_container_and_again_is_the_same() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let answer = Event::about("delete", &id).delete(&test.app).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["success"], true);
    assert_eq!(answer.body["state"], "ended");
    assert_eq!(inspect(&test, &id).await, Value::Null);
    let receipt = get(&test, &id).await["receipt"].clone();
    assert_eq!(receipt["reason"], "deleted");
    assert_eq!(receipt["attempts"], 1);
    assert_eq!(receipt["overshootMs"], Value::Null);
    assert!(receipt["stoppedAt"].is_string() && receipt["removedAt"].is_string());
    for _ in 0..2 {
        let again = Event::about("delete", &id).delete(&test.app).await;
        assert_eq!((again.status, &again.body["success"]), (200, &json!(true)));
    }
    assert_eq!(
        get(&test, &id).await["receipt"],
        receipt,
        "it is written once"
    );
    test.assert_nothing_leaked(&Owner::local(), "deleted").await;
}

#[tokio::test]
async fn many_at_once_end_it_once() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let deletes = (0..6).map(|_| Event::about("delete", &id).delete(&test.app));
    let answers = futures_util::future::join_all(deletes).await;
    for answer in &answers {
        assert!([200, 202].contains(&answer.status), "{answer:?}");
    }
    wait_for("it has ended", async || {
        get(&test, &id).await["state"] == "ended"
    })
    .await;
    assert_eq!(get(&test, &id).await["attempts"], 1);
    test.assert_nothing_leaked(&Owner::local(), "six deletes")
        .await;
}

#[tokio::test]
async fn a_lease_that_is_being_provisioned_is_deleted_and_its_provision_told_so() {
    for step in ["/containers/create", "/start"] {
        let test = TestApp::proxied().await;
        test.engine_proxy().on_each(move |seen| {
            if seen.is("POST", step) {
                Fault::Delayed(SECOND)
            } else {
                Fault::None
            }
        });
        let deleted = async {
            wait_for("it waits at the engine", async || {
                let seen = test.engine_proxy().seen();
                seen.iter().any(|seen| seen.is("POST", step))
            })
            .await;
            let listed = Event::saved("list").list(&test.app).await;
            let container = &listed.body["containers"][0];
            assert_eq!(container["state"], "provisioning");
            let id = container["id"].as_str().unwrap().to_owned();
            Event::about("delete", &id).delete(&test.app).await
        };
        let (provisioned, deleted) = tokio::join!(alpine().provision(&test.app), deleted);
        assert_eq!(
            (deleted.status, &deleted.body["success"]),
            (200, &json!(true))
        );
        assert_refused(&provisioned, "lease-over");
        test.assert_nothing_leaked(&Owner::local(), step).await;
    }
}

#[tokio::test]
async fn an_end_in_other_hands_is_accepted_and_one_that_waits_is_tried_at_once() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let before = test.lease(&Owner::local(), &id).await;
    let store = test.table.store();
    let claimed = store.claim(&before, Reason::Deleted, Time::now()).await;
    let claimed = claimed.unwrap();
    let holder_lives = async {
        tokio::time::sleep(SECOND).await;
        store.hold(&claimed, None, Time::now()).await.unwrap();
    };
    let delete = Event::about("delete", &id).delete(&test.app);
    let (answer, ()) = tokio::join!(delete, holder_lives);
    assert_eq!(
        (answer.status, &answer.body["state"]),
        (202, &json!("ending"))
    );
    assert_eq!(answer.body["success"], true);

    test.table.age(CLAIM_LIMIT).await;
    let answer = Event::about("delete", &id).delete(&test.app).await;
    assert_eq!(
        (answer.status, &answer.body["state"]),
        (200, &json!("ended"))
    );
    assert_eq!(get(&test, &id).await["receipt"]["attempts"], 2);
    test.assert_nothing_leaked(&Owner::local(), "taken over")
        .await;
}

#[tokio::test]
async fn a_quarantined_lease_is_deleted_too() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let quarantined = quarantine(&test, &id).await;
    assert_eq!(quarantined.state_name(), StateName::Quarantined);
    let answer = Event::about("delete", &id).delete(&test.app).await;
    assert_eq!(
        (answer.status, &answer.body["state"]),
        (202, &json!("quarantined"))
    );
    test.table.age(301 * SECOND).await;
    let answer = Event::about("delete", &id).delete(&test.app).await;
    assert_eq!(
        (answer.status, &answer.body["state"]),
        (200, &json!("ended"))
    );
    assert_eq!(inspect(&test, &id).await, Value::Null);
    test.assert_nothing_leaked(&Owner::local(), "quarantined")
        .await;
}

#[tokio::test]
async fn an_end_that_the_engine_refuses_is_accepted_and_finished_later() {
    let test = TestApp::proxied().await;
    let id = lease(&test).await;
    test.engine_proxy().on_each(|_| Fault::Cut);
    let answer = Event::about("delete", &id).delete(&test.app).await;
    assert_eq!(
        (answer.status, &answer.body["state"]),
        (202, &json!("ending"))
    );
    assert_eq!(inspect(&test, &id).await["State"]["Running"], true);
    test.engine_proxy().heal();
    test.table.age(10 * SECOND).await;
    let report = test.reap().await;
    assert_eq!(report.deleted, 1, "{report:?}");
    assert_eq!(get(&test, &id).await["receipt"]["reason"], "deleted");
    test.assert_nothing_leaked(&Owner::local(), "finished later")
        .await;
}

#[tokio::test]
async fn an_answer_that_is_lost_neither_fails_nor_counts_twice() {
    let test = TestApp::proxied().await;
    for lost in ["UpdateItem", "TransactWriteItems"] {
        let id = lease(&test).await;
        let already = std::sync::atomic::AtomicBool::new(false);
        test.table_proxy().on_each(move |seen| {
            let first = seen.is_operation(lost)
                && !already.swap(true, std::sync::atomic::Ordering::Relaxed);
            if first {
                Fault::AnswerLost
            } else {
                Fault::None
            }
        });
        let answer = Event::about("delete", &id).delete(&test.app).await;
        assert_eq!(answer.body["success"], true, "{lost}: {answer:?}");
        assert_eq!(get(&test, &id).await["state"], "ended", "{lost}");
        test.assert_nothing_leaked(&Owner::local(), lost).await;
    }
}

#[tokio::test]
async fn a_container_that_is_gone_already_is_no_obstacle() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    test.place.remove_behind_its_back(&id).await;
    let answer = Event::about("delete", &id).delete(&test.app).await;
    assert_eq!(
        (answer.status, &answer.body["state"]),
        (200, &json!("ended"))
    );
    assert_eq!(get(&test, &id).await["receipt"]["stoppedAt"], Value::Null);
}

/// Writes six failed attempts to end the lease.
async fn quarantine(test: &TestApp, id: &str) -> Lease {
    let store = test.table.store();
    let mut lease = test.lease(&Owner::local(), id).await;
    for _ in 0..ATTEMPTS_BEFORE_QUARANTINE {
        let claimed = store.claim(&lease, Reason::Deleted, Time::now()).await;
        let claimed = claimed.expect("nobody else claims it");
        let failed = store.attempt_failed(&claimed, Time::now(), 1.0).await;
        lease = failed.expect("nobody else changes it");
    }
    lease
}
