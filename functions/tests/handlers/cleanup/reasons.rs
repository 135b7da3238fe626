//! A lease that ends by itself before its time: its receipt says why.

use containerlease_domain::{names::Owner, time::Time};
use containerlease_service::reaper::run;
use containerlease_testkit::{Fault, TestApp, events::Event};
use serde_json::{Value, json};

use crate::{SECOND, alpine, alpine_with, get, lease, wait_until_exited};

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
