//! Commands right after one that left a child in the background. The child holds the first
//! command's output, so the engine delays that command's end for seconds. Meanwhile it reports
//! every later command as running.

use std::time::Instant;

use containerlease_testkit::{
    TestApp,
    events::{Answer, Event},
};
use serde_json::{Value, json};

use crate::{SECOND, alpine_with};

async fn shell(test: &TestApp, id: &str, script: &str, seconds: u64) -> Answer {
    let body = json!({"command": ["sh", "-c", script], "timeoutSeconds": seconds});
    let answer = Event::about("exec", id).body(&body).exec(&test.app).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

/// A lease in which a command has just left a child that holds its output.
async fn lease_with_a_child(test: &TestApp, image: &str) -> String {
    let answer = alpine_with(json!({"imageType": image}));
    let id = answer.provision(&test.app).await.id();
    let left = shell(test, &id, "sleep 60 & echo started", 5).await;
    assert_eq!(left.body["exitCode"], 0, "{left:?}");
    id
}

#[tokio::test]
async fn a_command_that_was_killed_is_not_said_to_run_for_anothers_child() {
    let test = TestApp::new().await;
    for image in ["redis", "alpine"] {
        let id = lease_with_a_child(&test, image).await;
        let began = Instant::now();
        let killed = shell(&test, &id, "sleep 1001 & sleep 1002", 1).await;
        assert_eq!(killed.body["timedOut"], true, "{image}: {killed:?}");
        assert_eq!(killed.body["stillRunning"], false, "{image}: {killed:?}");
        assert!(
            began.elapsed() < 3 * SECOND,
            "{image}: {:?}",
            began.elapsed()
        );
        let look = "for it in /proc/[0-9]*; do tr '\\0' ' ' <$it/cmdline; echo; done 2>/dev/null";
        let seen = shell(&test, &id, look, 10).await;
        let seen = seen.body["stdout"].as_str().unwrap_or_default().to_owned();
        assert!(
            seen.contains("sleep 60"),
            "{image}: the other's child is gone"
        );
        assert!(!seen.contains("sleep 100"), "{image}: {seen}");
    }
}

#[tokio::test]
async fn a_command_that_ended_in_time_has_its_exit_code_however_late_the_engine_is() {
    let test = TestApp::new().await;
    let id = lease_with_a_child(&test, "redis").await;
    let ended = shell(&test, &id, "echo quick; exit 3", 1).await;
    assert_eq!(
        (&ended.body["exitCode"], &ended.body["stdout"]),
        (&Value::from(3), &Value::from("quick\n")),
        "{ended:?}"
    );
    assert_eq!(ended.body["timedOut"], false, "{ended:?}");
    assert_eq!(ended.body["stillRunning"], false, "{ended:?}");
}
