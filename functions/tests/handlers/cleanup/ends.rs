//! A run ends each lease at its time and once, and leaves what it has no time for.

use containerlease_domain::{names::Owner, time::Time};
use containerlease_functions::jobs::cleanup;
use containerlease_service::reaper::run;
use containerlease_testkit::{
    TestApp,
    events::{Event, saved},
};
use serde_json::{Value, json};

use crate::{MINUTE, SECOND, get, inspect, lease};

#[tokio::test]
async fn a_lease_whose_end_is_near_is_waited_for_and_ended_to_the_second() {
    let test = TestApp::new().await;
    let (near, far) = (lease(&test).await, lease(&test).await);
    let longer = Event::about("renew", &far).body(&json!({"durationMinutes": 60}));
    assert_eq!(longer.renew(&test.app).await.status, 200);
    test.table.age(298 * SECOND).await;
    assert_eq!(get(&test, &near).await["state"], "running");

    assert_eq!(saved("cleanup"), json!({}), "the reaper takes no input");
    let cut_off = Time::now().plus(MINUTE + cleanup::MARGIN);
    let report = cleanup::handle(&test.reaper(), cut_off).await.unwrap();
    assert_eq!((report.due, report.expired), (1, 1), "{report:?}");

    let ended = get(&test, &near).await;
    let receipt = &ended["receipt"];
    assert_eq!(ended["state"], "ended");
    assert_eq!(receipt["reason"], "expired");
    assert_eq!(receipt["attempts"], 1);
    let overshoot = receipt["overshootMs"].as_i64().unwrap();
    assert!((0..=10_000).contains(&overshoot), "{overshoot} ms late");
    assert_eq!(report.overshoot_ms, [overshoot]);
    assert_eq!(inspect(&test, &near).await, Value::Null);
    assert_eq!(inspect(&test, &far).await["State"]["Running"], true);
    test.assert_nothing_leaked(&Owner::local(), "one ended")
        .await;
}

#[tokio::test]
async fn a_lease_that_is_renewed_while_the_reaper_waits_for_its_end_lives_on() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    // Leaves more time than a slow machine needs to renew the lease.
    test.table.age(294 * SECOND).await;
    let renewed = async {
        tokio::time::sleep(SECOND).await;
        Event::about("renew", &id).renew(&test.app).await
    };
    let (report, renewed) = tokio::join!(test.reap(), renewed);
    assert_eq!(renewed.status, 200, "{renewed:?}");
    assert_eq!((report.due, report.left_to_others), (1, 1), "{report:?}");
    assert_eq!(get(&test, &id).await["state"], "running");
    assert_eq!(inspect(&test, &id).await["State"]["Running"], true);
}

#[tokio::test]
async fn any_number_of_reapers_end_each_lease_once() {
    let test = TestApp::new().await;
    for _ in 0..3 {
        lease(&test).await;
    }
    test.table.age(5 * MINUTE).await;
    let reports = futures_util::future::join_all((0..4).map(|_| test.reap())).await;
    let expired: usize = reports.iter().map(|report| report.expired).sum();
    assert_eq!(expired, 3, "{reports:?}");
    let failed: usize = reports.iter().map(|report| report.attempts_failed).sum();
    assert_eq!(failed, 0, "{reports:?}");
    test.assert_nothing_leaked(&Owner::local(), "four reapers")
        .await;
}

#[tokio::test]
async fn a_run_leaves_what_it_has_no_time_for() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    test.table.age(280 * SECOND).await;
    let now = Time::now();
    let report = run(&test.reaper(), now, now.plus(10 * SECOND))
        .await
        .unwrap();
    assert_eq!(report.due, 0, "{report:?}");
    assert_eq!(get(&test, &id).await["state"], "running");
    // A reaper that is told to stop while it waits leaves the lease to its successor.
    let reaper = test.reaper();
    let stopping = reaper.stopping.clone();
    let (report, ()) = tokio::join!(run(&reaper, now, now.plus(MINUTE)), async {
        tokio::time::sleep(SECOND / 2).await;
        stopping.cancel();
    });
    assert_eq!(report.unwrap().left_to_next_run, 1);
    assert_eq!(get(&test, &id).await["state"], "running");
}
