//! An engine that cannot be listed, that refuses a removal, or that is slow with one.

use containerlease_domain::{lease::ATTEMPTS_BEFORE_QUARANTINE, names::Owner};
use containerlease_testkit::{Fault, Seen, TestApp, events::Event};
use http::StatusCode;
use serde_json::json;

use crate::{MINUTE, SECOND, get, inspect, lease, wait_for};

#[tokio::test]
async fn an_engine_that_cannot_be_listed_makes_no_lease_lost() {
    let test = TestApp::proxied().await;
    let (expired, alive) = (lease(&test).await, lease(&test).await);
    let longer = Event::about("renew", &alive).body(&json!({"durationMinutes": 60}));
    longer.renew(&test.app).await;
    test.table.age(5 * MINUTE).await;
    test.engine_proxy().on_each(|seen| {
        if seen.is("GET", "/containers/json") {
            Fault::Cut
        } else {
            Fault::None
        }
    });
    let report = test.reap().await;
    assert!(report.engine_unseen);
    assert_eq!((report.due, report.expired), (1, 1), "{report:?}");
    assert_eq!(get(&test, &expired).await["state"], "ended");
    assert_eq!(get(&test, &alive).await["state"], "running");
}

#[tokio::test]
async fn a_removal_that_the_engine_refuses_is_tried_again_until_it_succeeds() {
    let test = TestApp::proxied().await;
    let id = lease(&test).await;
    test.engine_proxy().on_each(refused_removals);
    test.table.age(5 * MINUTE).await;
    for attempt in 1..=ATTEMPTS_BEFORE_QUARANTINE + 1 {
        let report = test.reap().await;
        assert_eq!(report.attempts_failed, 1, "attempt {attempt}: {report:?}");
        let shown = get(&test, &id).await;
        assert_eq!(shown["attempts"], attempt);
        let given_up = attempt >= ATTEMPTS_BEFORE_QUARANTINE;
        let state = if given_up { "quarantined" } else { "ending" };
        assert_eq!(shown["state"], state, "attempt {attempt}");
        assert_eq!(report.quarantined, usize::from(given_up));
        // Meanwhile its owner sees it, and it counts against the quota.
        let listed = Event::saved("list").list(&test.app).await;
        assert_eq!(listed.body["containers"][0]["id"], id);
        let counted = test.table.store().counted(&Owner::local()).await;
        assert_eq!(counted.unwrap().leases, 1);
        test.table.age(5 * MINUTE).await;
    }
    test.engine_proxy().heal();
    let report = test.reap().await;
    assert_eq!(
        (report.expired, report.attempts_failed),
        (1, 0),
        "{report:?}"
    );
    let receipt = get(&test, &id).await["receipt"].clone();
    assert_eq!(receipt["reason"], "expired", "the first reason stays");
    assert_eq!(receipt["attempts"], ATTEMPTS_BEFORE_QUARANTINE + 2);
    test.assert_nothing_leaked(&Owner::local(), "closed at last")
        .await;
}

#[tokio::test]
async fn one_that_cannot_be_removed_does_not_hold_up_the_others() {
    let test = TestApp::proxied().await;
    let stuck = lease(&test).await;
    let others = [lease(&test).await, lease(&test).await];
    // A container is stopped and removed by the engine's own id.
    let part = inspect(&test, &stuck).await["Id"]
        .as_str()
        .unwrap()
        .to_owned();
    test.engine_proxy().on_each(move |seen| {
        if seen.is("POST", &part) || seen.is("DELETE", &part) {
            Fault::Delayed(4 * SECOND)
        } else {
            Fault::None
        }
    });
    test.table.age(5 * MINUTE).await;
    let begun = std::time::Instant::now();
    let (report, ()) = tokio::join!(test.reap(), async {
        for id in &others {
            wait_for("the others end", async || {
                get(&test, id).await["state"] == "ended"
            })
            .await;
        }
        assert!(begun.elapsed() < 3 * SECOND, "{:?}", begun.elapsed());
    });
    assert!(begun.elapsed() >= 4 * SECOND, "nothing was held up");
    assert_eq!(report.expired, 3, "{report:?}");
}

fn refused_removals(seen: &Seen) -> Fault {
    if seen.is("DELETE", "/containers/") {
        let body = json!({"message": "driver failed to remove root filesystem"});
        Fault::Answered(StatusCode::INTERNAL_SERVER_ERROR, body.to_string())
    } else {
        Fault::None
    }
}
