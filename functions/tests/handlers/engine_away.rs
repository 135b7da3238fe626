//! An engine that does not answer: no lease is charged a failed attempt, and overdue leases
//! end as soon as the engine is back.

use std::time::Instant;

use containerlease_domain::{
    lease::{ATTEMPTS_BEFORE_QUARANTINE, Reason},
    names::Owner,
    time::Time,
};
use containerlease_service::{
    due::{self, Due, Outcome},
    reaper::{Report, run},
};
use containerlease_testkit::{Fault, TestApp, events::Event, proxy::Seen};
use serde_json::json;

use crate::{MINUTE, SECOND, get, lease};

/// Cuts each connection, like an engine that has been stopped.
fn cut(_: &Seen) -> Fault {
    Fault::Cut
}

/// Takes each request and never answers, like an engine that hangs.
fn silent(_: &Seen) -> Fault {
    Fault::NeverSent(Box::new(|| {}))
}

/// A run that begins nothing new after the given number of seconds.
async fn run_for(test: &TestApp, seconds: u32) -> Report {
    let now = Time::now();
    let stop_at = now.plus(seconds * SECOND);
    run(&test.reaper(), now, stop_at)
        .await
        .expect("it is there")
}

#[tokio::test]
async fn an_outage_is_no_attempt_however_long_it_lasts() {
    let test = TestApp::proxied().await;
    let id = lease(&test).await;
    test.table.age(5 * MINUTE).await;
    test.engine_proxy().on_each(cut);
    for round in 0..=ATTEMPTS_BEFORE_QUARANTINE {
        let report = run_for(&test, 1).await;
        assert_eq!(report.waiting, 1, "round {round}: {report:?}");
        assert!(report.engine_unseen, "round {round}: {report:?}");
        assert_eq!(report.attempts_failed, 0, "round {round}: {report:?}");
        // Its owner may also delete it, any number of times.
        let answer = Event::about("delete", &id).delete(&test.app).await;
        assert_eq!(answer.status, 202, "round {round}: {answer:?}");
        let shown = get(&test, &id).await;
        assert_eq!(shown["state"], "ending", "round {round}");
        assert_eq!(shown["attempts"], 0, "round {round}");
    }
    assert!(test.app.host.is_away());
    test.engine_proxy().heal();
    let begun = Instant::now();
    let report = test.reap().await;
    assert!(begun.elapsed() < 5 * SECOND, "{:?}", begun.elapsed());
    assert_eq!((report.due, report.ended()), (1, 1), "{report:?}");
    assert_eq!(get(&test, &id).await["receipt"]["attempts"], 1);
    assert!(!test.app.host.is_away());
    test.assert_nothing_leaked(&Owner::local(), "back").await;
}

#[tokio::test]
async fn a_run_ends_what_is_overdue_as_soon_as_an_engine_that_was_stopped_is_back() {
    overdue_ends_when_back_from(cut).await;
}

#[tokio::test]
async fn a_run_ends_what_is_overdue_as_soon_as_an_engine_that_hung_is_back() {
    overdue_ends_when_back_from(silent).await;
}

async fn overdue_ends_when_back_from(away: fn(&Seen) -> Fault) {
    let test = TestApp::proxied().await;
    let ids = [lease(&test).await, lease(&test).await];
    test.table.age(5 * MINUTE).await;
    test.engine_proxy().on_each(away);
    let returning = async {
        // Longer than it takes to notice that an engine hangs.
        tokio::time::sleep(10 * SECOND).await;
        for id in &ids {
            assert_ne!(get(&test, id).await["state"], "ended");
        }
        test.engine_proxy().heal();
        Time::now()
    };
    let (report, returned) = tokio::join!(run_for(&test, 30), returning);
    assert_eq!((report.expired, report.waiting), (2, 0), "{report:?}");
    for id in &ids {
        let receipt = &get(&test, id).await["receipt"];
        assert_eq!(receipt["attempts"], 1, "{receipt}");
        let removed_at: Time = receipt["removedAt"]
            .as_str()
            .expect("it is there")
            .parse()
            .expect("it is there");
        let late = removed_at.millis_since(returned);
        assert!(late < 3_000, "{late} ms after the engine was back");
    }
}

#[tokio::test]
async fn an_engine_that_falls_silent_under_an_end_is_not_waited_for_call_by_call() {
    let test = TestApp::proxied().await;
    let id = lease(&test).await;
    test.engine_proxy().on_each(silent);
    let begun = Instant::now();
    let answer = Event::about("delete", &id).delete(&test.app).await;
    assert_eq!(
        (answer.status, &answer.body["state"]),
        (202, &json!("ending"))
    );
    assert!(begun.elapsed() < 7 * SECOND, "{:?}", begun.elapsed());
    test.engine_proxy().heal();
    let answer = Event::about("delete", &id).delete(&test.app).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(get(&test, &id).await["receipt"]["attempts"], 1);
}

#[tokio::test]
async fn a_call_that_is_cut_off_while_the_engine_answers_others_is_made_again() {
    let test = TestApp::proxied().await;
    let (blip, broken) = (lease(&test).await, lease(&test).await);
    let cuts = std::sync::atomic::AtomicU32::new(0);
    let cut_off = test.lease(&Owner::local(), &blip).await.container();
    let never = test.lease(&Owner::local(), &broken).await.container();
    test.engine_proxy().on_each(move |seen| {
        let removes = |name: &str| seen.is("DELETE", name);
        let first = removes(cut_off.as_str())
            && cuts.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 2;
        if first || removes(never.as_str()) {
            Fault::Cut
        } else {
            Fault::None
        }
    });
    let answer = Event::about("delete", &blip).delete(&test.app).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(get(&test, &blip).await["receipt"]["attempts"], 1);
    // A removal that the engine never finishes counts against this container.
    let answer = Event::about("delete", &broken).delete(&test.app).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(get(&test, &broken).await["attempts"], 1);
    assert!(!test.app.host.is_away());
}

#[tokio::test]
async fn a_message_that_an_end_is_due_leaves_it_to_the_reaper_while_the_engine_is_away() {
    let test = TestApp::proxied().await;
    let id = lease(&test).await;
    test.table.age(5 * MINUTE).await;
    let due_at = test.lease(&Owner::local(), &id).await.expires_at;
    let due = Due {
        owner: Owner::local(),
        lease_id: id.parse().expect("it is there"),
        due_at,
    };
    test.engine_proxy().on_each(cut);
    let outcome = due::end(test.app.deps(), &due).await.expect("it is there");
    assert!(matches!(outcome, Outcome::EngineAway), "{outcome:?}");
    test.engine_proxy().heal();
    let report = test.reap().await;
    assert_eq!((report.due, report.expired), (1, 1), "{report:?}");
    let lease = test.lease(&Owner::local(), &id).await;
    assert_eq!(lease.reason_when_due(), None::<Reason>);
    assert_eq!(get(&test, &id).await["receipt"]["attempts"], 1);
}
