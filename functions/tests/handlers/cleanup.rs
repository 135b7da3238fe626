//! The schedule's target: the reaper, with a real table and a real engine.

use containerlease_domain::{
    container::{DEPLOYMENT_LABEL, HARD_DEADLINE_LABEL, LEASE_LABEL, OWNER_LABEL},
    lease::ATTEMPTS_BEFORE_QUARANTINE,
    names::{LeaseId, Owner},
    time::Time,
};
use containerlease_functions::jobs::cleanup;
use containerlease_service::reaper::{CleanupError, run};
use containerlease_testkit::{
    Fault, Seen, TestApp, TestAppOptions,
    events::{Event, saved},
};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    MINUTE, SECOND, alpine, alpine_with, get, inspect, lease, wait_for, wait_until_exited,
};

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
async fn a_provision_that_was_abandoned_ends_as_failed() {
    let test = TestApp::proxied().await;
    let (cut, cut_off) = tokio::sync::oneshot::channel::<()>();
    let cut = std::sync::Mutex::new(Some(cut));
    test.engine_proxy().on_each(move |seen| {
        if seen.is("POST", "/start") {
            let cut = cut.lock().unwrap().take();
            Fault::NeverSent(Box::new(move || drop(cut)))
        } else {
            Fault::None
        }
    });
    tokio::select! {
        answer = alpine().provision(&test.app) => panic!("{answer:?}"),
        _ = cut_off => {}
    }
    test.engine_proxy().heal();
    let listed = Event::saved("list").list(&test.app).await;
    let id = listed.body["containers"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    // For all that the reaper knows, the provision may still be in progress.
    let report = run(&test.reaper(), Time::now(), Time::now().plus(SECOND)).await;
    assert_eq!(report.unwrap().due, 0);
    assert_eq!(test.place.containers().await.len(), 1);
    test.table.age(35 * SECOND).await;
    let report = test.reap().await;
    assert_eq!(report.failed, 1, "{report:?}");
    assert_eq!(get(&test, &id).await["receipt"]["reason"], "failed");
    test.assert_nothing_leaked(&Owner::local(), "abandoned")
        .await;
}

#[tokio::test]
async fn a_program_that_ends_by_itself_leaves_its_exit_code_and_its_last_words() {
    let test = TestApp::new().await;
    let script = "seq 30; sleep 0.3; echo 'it is over' >&2; exit 3";
    let event = alpine_with(json!({"command": ["sh", "-c", script]}));
    let id = event.provision(&test.app).await.id();
    wait_until_exited(&test, &id).await;
    let report = test.reap().await;
    assert_eq!(report.failed, 1, "{report:?}");
    let receipt = get(&test, &id).await["receipt"].clone();
    assert_eq!(receipt["reason"], "failed");
    assert_eq!(receipt["exitCode"], 3);
    let last: Vec<_> = receipt["lastLines"].as_array().unwrap().iter().collect();
    assert_eq!(last.len(), 20, "{last:?}");
    assert_eq!((last[0], last[19]), (&json!("12"), &json!("it is over")));
    test.assert_nothing_leaked(&Owner::local(), "it failed")
        .await;
}

#[tokio::test]
async fn a_program_that_ends_by_itself_with_success_has_completed() {
    let test = TestApp::new().await;
    let script = "sleep 0.3; echo 'all is done'";
    let event = alpine_with(json!({"command": ["sh", "-c", script]}));
    let id = event.provision(&test.app).await.id();
    wait_until_exited(&test, &id).await;
    let report = test.reap().await;
    assert_eq!((report.completed, report.failed), (1, 0), "{report:?}");
    let ended = get(&test, &id).await;
    assert_eq!(ended["reason"], "completed");
    let receipt = &ended["receipt"];
    assert_eq!(receipt["reason"], "completed");
    assert_eq!(receipt["exitCode"], 0);
    assert_eq!(receipt["lastLines"], json!(["all is done"]));
    assert_eq!(receipt["overshootMs"], Value::Null);
    test.assert_nothing_leaked(&Owner::local(), "it completed")
        .await;
}

#[tokio::test]
async fn a_container_that_vanished_ends_its_lease_as_lost() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    test.place.remove_behind_its_back(&id).await;
    let report = test.reap().await;
    assert_eq!(report.lost, 1, "{report:?}");
    let receipt = get(&test, &id).await["receipt"].clone();
    assert_eq!(receipt["reason"], "lost");
    assert_eq!(receipt["stoppedAt"], Value::Null);
    test.assert_nothing_leaked(&Owner::local(), "it vanished")
        .await;
}

#[tokio::test]
async fn a_container_without_a_lease_goes_when_it_is_seen_for_the_second_time() {
    let test = TestApp::new().await;
    let deployment = test.place.deployment().as_str();
    let id = LeaseId::generate().to_string();
    let past = Time::now().minus(SECOND).to_string();
    let ours_and_over = [
        (DEPLOYMENT_LABEL, deployment),
        (HARD_DEADLINE_LABEL, past.as_str()),
    ];
    test.place.stray(&ours_and_over).await;
    for (lease, owner) in [(id.as_str(), "local"), (id.as_str(), ""), ("../x", "local")] {
        let of_no_lease = [(LEASE_LABEL, lease), (OWNER_LABEL, owner)];
        let labels = [ours_and_over, of_no_lease].concat();
        test.place.stray(&labels).await;
    }
    let foreign = [(LEASE_LABEL, id.as_str()), ours_and_over[1]];
    let foreign = test.place.stray(&foreign).await;
    let others = format!("{deployment}-2");
    let others = [(DEPLOYMENT_LABEL, others.as_str()), ours_and_over[1]];
    let others = test.place.stray(&others).await;
    let leased = lease(&test).await;

    // It is too young to be an orphan, however often it is seen.
    for _ in 0..3 {
        let report = test.reap_strays(50 * SECOND).await;
        assert_eq!(report.orphans_removed, 0);
    }
    assert!(
        test.table
            .store()
            .sightings()
            .await
            .unwrap()
            .items
            .is_empty()
    );
    // The first sighting only records it.
    let report = test.reap_strays(61 * SECOND).await;
    assert_eq!(report.orphans_removed, 0);
    assert_eq!(test.table.store().sightings().await.unwrap().items.len(), 4);
    assert_eq!(test.place.containers().await.len(), 5);
    let report = test.reap_strays(121 * SECOND).await;
    assert_eq!(report.orphans_removed, 4, "{report:?}");
    assert_eq!(test.place.containers().await.len(), 1);
    assert_eq!(inspect(&test, &leased).await["State"]["Running"], true);
    for untouched in [foreign, others] {
        let there = test.place.is_there(&untouched).await;
        assert!(there, "what is not ours was touched");
    }
    test.reap_strays(181 * SECOND).await;
    assert!(
        test.table
            .store()
            .sightings()
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

#[tokio::test]
async fn the_container_of_a_lease_that_has_ended_is_an_orphan() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let deleted = Event::about("delete", &id).delete(&test.app).await;
    assert_eq!(deleted.status, 200);
    let deployment = test.place.deployment().as_str();
    let labels = [
        (DEPLOYMENT_LABEL, deployment),
        (LEASE_LABEL, id.as_str()),
        (OWNER_LABEL, "local"),
    ];
    test.place.stray(&labels).await;
    test.reap_strays(61 * SECOND).await;
    let report = test.reap_strays(121 * SECOND).await;
    assert_eq!(report.orphans_removed, 1, "{report:?}");
}

#[tokio::test]
async fn a_table_that_was_emptied_ends_no_lease_before_its_last_moment() {
    let test = TestAppOptions::default().most_minutes(10).build().await;
    let leased = [lease(&test).await, lease(&test).await];
    let deployment = test.place.deployment().as_str();
    // Also a container that was never ours, but has our label; only its age can be judged.
    let stranger = test.place.stray(&[(DEPLOYMENT_LABEL, deployment)]).await;
    test.table.empty().await;

    // They are seen repeatedly, but nothing proves that their leases have ended.
    for minutes in 1..=9 {
        let report = test.reap_strays(minutes * MINUTE + SECOND).await;
        assert_eq!(report.orphans_removed, 0, "{minutes}: {report:?}");
        let left = if minutes == 1 { 0 } else { 3 };
        assert_eq!(report.orphans_left, left, "{minutes}: {report:?}");
        assert_eq!(report.ended(), 0, "{minutes}: {report:?}");
    }
    for id in &leased {
        assert_eq!(inspect(&test, id).await["State"]["Running"], true);
    }
    assert!(test.place.is_there(&stranger).await);

    // Now the deadline has passed that they were labelled with when they were made.
    let report = test.reap_strays(10 * MINUTE).await;
    assert_eq!(
        (report.orphans_removed, report.orphans_left),
        (3, 0),
        "{report:?}"
    );
    assert_eq!(test.place.containers().await, []);
}

#[tokio::test]
async fn nothing_is_removed_when_the_table_cannot_be_read() {
    let test = TestApp::proxied().await;
    let deployment = test.place.deployment().as_str();
    let id = LeaseId::generate().to_string();
    let past = Time::now().minus(SECOND).to_string();
    let labels = [
        (DEPLOYMENT_LABEL, deployment),
        (LEASE_LABEL, id.as_str()),
        (OWNER_LABEL, "local"),
        (HARD_DEADLINE_LABEL, past.as_str()),
    ];
    test.place.stray(&labels).await;
    test.reap_strays(61 * SECOND).await;
    assert_eq!(test.table.store().sightings().await.unwrap().items.len(), 1);

    for cut in ["Query", "GetItem"] {
        test.table_proxy().on_each(move |seen| {
            if seen.is_operation(cut) {
                Fault::Cut
            } else {
                Fault::None
            }
        });
        let now = Time::now();
        let report = run(
            &test.reaper(),
            now.plus(121 * SECOND),
            now.plus(40 * SECOND),
        )
        .await;
        match cut {
            "Query" => assert!(matches!(report, Err(CleanupError::Store(_))), "{report:?}"),
            _ => assert_eq!(report.unwrap().orphans_left, 1),
        }
        assert_eq!(test.place.containers().await.len(), 1, "{cut}");
    }
    test.table_proxy().heal();
    let report = test.reap_strays(121 * SECOND).await;
    assert_eq!(report.orphans_removed, 1, "{report:?}");
}

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

#[tokio::test]
async fn one_orphan_that_cannot_be_removed_does_not_hold_up_the_others() {
    let test = TestApp::proxied().await;
    let deployment = test.place.deployment().as_str();
    let past = Time::now().minus(SECOND).to_string();
    let labels = [
        (DEPLOYMENT_LABEL, deployment),
        (HARD_DEADLINE_LABEL, past.as_str()),
    ];
    for _ in 0..4 {
        test.place.stray(&labels).await;
    }
    test.reap_strays(61 * SECOND).await;
    test.engine_proxy().on_each(|seen| {
        if seen.is("DELETE", "/containers/") {
            Fault::Delayed(2 * SECOND)
        } else {
            Fault::None
        }
    });
    let begun = std::time::Instant::now();
    let report = test.reap_strays(121 * SECOND).await;
    assert_eq!(report.orphans_removed, 4, "{report:?}");
    // One after another they would take eight seconds.
    assert!(begun.elapsed() < 5 * SECOND, "{:?}", begun.elapsed());
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

fn refused_removals(seen: &Seen) -> Fault {
    if seen.is("DELETE", "/containers/") {
        let body = json!({"message": "driver failed to remove root filesystem"});
        Fault::Answered(StatusCode::INTERNAL_SERVER_ERROR, body.to_string())
    } else {
        Fault::None
    }
}
