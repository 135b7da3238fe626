//! A command whose time is over, or whose caller or lease is gone, leaves no process behind; where
//! that is not sure, the answer says so.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use containerlease_testkit::{Fault, TestApp, events::Event};
use serde_json::{Value, json};

use super::{command, processes, shell};
use crate::{SECOND, alpine_with, assert_refused, lease, wait_for};

#[tokio::test]
async fn a_command_whose_time_is_over_leaves_nothing_behind() {
    let test = TestApp::new().await;
    for image in ["alpine", "ubuntu"] {
        let asked = json!({"imageType": image, "command": ["sleep", "600"]});
        let id = alpine_with(asked).provision(&test.app).await.id();
        // A concurrent command is not touched, and neither is the container's own program.
        let other = shell(&test, &id, "sleep 3; echo whole", json!({}));
        let script = "trap '' TERM INT HUP; sleep 1001 & (setsid sleep 1002 &); \
                      env -i sleep 1003 & sh -c 'sleep 1004; true' & echo begun; sleep 1005";
        let began = Instant::now();
        let killed = shell(&test, &id, script, json!({"timeoutSeconds": 1}));
        let (killed, other) = tokio::join!(killed, async {
            let other = other.await;
            (other, processes(&test, &id).await)
        });
        let (other, left) = other;
        assert_eq!(killed.body["timedOut"], true, "{killed:?}");
        assert_eq!(killed.body["exitCode"], Value::Null);
        assert_eq!(killed.body["stdout"], "begun\n");
        assert_eq!(killed.body["stillRunning"], false, "{killed:?}");
        assert!(began.elapsed() < 10 * SECOND);
        assert_eq!(other.body["stdout"], "whole\n", "{other:?}");
        assert_eq!(left, Vec::<String>::new());
    }
}

#[tokio::test]
async fn what_has_dropped_its_mark_is_not_said_to_be_gone() {
    let test = TestApp::new().await;
    for (image, script) in [
        ("alpine", "(env -i setsid sleep 1003 &) ; sleep 1004"),
        ("alpine", "exec env -i setsid sleep 1003"),
        ("ubuntu", "(env -i setsid sleep 1003 &) ; sleep 1004"),
        ("redis", "exec env -i setsid sleep 1003"),
        (
            "alpine",
            "(env -i CONTAINERLEASE_EXEC=zz setsid sleep 1003 &) ; sleep 1004",
        ),
    ] {
        let asked = json!({"imageType": image});
        let id = alpine_with(asked).provision(&test.app).await.id();
        // A process that was there before the command causes no doubt.
        let before = shell(&test, &id, "sleep 1001 & echo started", json!({})).await;
        assert_eq!(before.body["exitCode"], 0, "{before:?}");
        let limit = json!({"timeoutSeconds": 1});
        let sure = shell(&test, &id, "sleep 1002", limit.clone()).await;
        assert_eq!(sure.body["stillRunning"], false, "{image}: {sure:?}");

        let doubt = shell(&test, &id, script, limit).await;
        // As the first process of its group, setsid forks and ends.
        let ends = script.starts_with("exec");
        assert_eq!(doubt.body["timedOut"], !ends, "{image}: {doubt:?}");
        assert_eq!(
            doubt.body["stillRunning"],
            Value::Null,
            "{image}: {doubt:?}"
        );
        let left = processes(&test, &id).await;
        assert!(left.contains(&"sleep 1003".to_owned()), "{image}: {left:?}");
        assert!(
            !left.contains(&"sleep 1004".to_owned()),
            "{image}: {left:?}"
        );
    }
}

/// Without the right to kill other users' processes, their fate is unknown.
#[tokio::test]
async fn what_has_become_another_user_is_not_said_to_be_gone() {
    let test = TestApp::new().await;
    let id = alpine_with(json!({"imageType": "ubuntu"}));
    let id = id.provision(&test.app).await.id();
    let other = "setpriv --reuid 65534 --regid 65534 --clear-groups sleep 1003";
    let script = format!("{other} >/dev/null 2>&1 & sleep 1004");
    let answer = shell(&test, &id, &script, json!({"timeoutSeconds": 1})).await;
    assert_eq!(answer.body["timedOut"], true, "{answer:?}");
    assert_ne!(answer.body["stillRunning"], false, "{answer:?}");
    assert_eq!(processes(&test, &id).await, ["sleep 1003"]);
}

#[tokio::test]
async fn a_command_that_ends_beside_a_stray_has_its_exit_code() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let stray = "(env -i setsid sh -c 'while :; do (sleep 0.3 &) ; sleep 0.1; done' &) ; sleep 60";
    shell(&test, &id, stray, json!({"timeoutSeconds": 1})).await;
    let ended = shell(&test, &id, "exit 3", json!({"timeoutSeconds": 2})).await;
    assert_eq!(ended.body["exitCode"], 3, "{ended:?}");
    assert_eq!(ended.body["timedOut"], false, "{ended:?}");
}

#[tokio::test]
async fn a_command_that_writes_without_end_is_ended() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let body = json!({"command": ["yes"], "timeoutSeconds": 1});
    let answer = command(&id, &body).exec(&test.app).await;
    assert_eq!(answer.body["timedOut"], true, "{answer:?}");
    assert_eq!(answer.body["truncated"]["stdout"], true);
    assert_eq!(processes(&test, &id).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_a_command_leaves_in_the_background_is_its_callers_wish() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let began = Instant::now();
    let script = "sleep 1001 & echo started";
    let answer = shell(&test, &id, script, json!({"timeoutSeconds": 20})).await;
    assert!(
        began.elapsed() < 10 * SECOND,
        "it waited for the background"
    );
    assert_eq!(
        (&answer.body["exitCode"], &answer.body["stdout"]),
        (&json!(0), &json!("started\n"))
    );
    assert_eq!(processes(&test, &id).await, ["sleep 1001"]);
}

#[tokio::test]
async fn a_caller_who_leaves_leaves_nothing_behind() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let body = json!({"command": ["sleep", "1001"], "timeoutSeconds": 2});
    let asked = command(&id, &body).exec(&test.app);
    assert!(tokio::time::timeout(SECOND, asked).await.is_err());
    assert_eq!(processes(&test, &id).await, ["sleep 1001"]);
    wait_for("the command is gone", async || {
        processes(&test, &id).await.is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_command_whose_start_the_engine_does_not_answer_is_killed() {
    let test = TestApp::proxied().await;
    let id = lease(&test).await;
    let starts = AtomicUsize::new(0);
    test.engine_proxy().on_each(move |seen| {
        let first = seen.is("POST", "/exec/") && starts.fetch_add(1, Ordering::SeqCst) == 0;
        if first {
            Fault::AnswerLost
        } else {
            Fault::None
        }
    });
    let body = json!({"command": ["sleep", "1001"]});
    let answer = command(&id, &body).exec(&test.app).await;
    assert_refused(&answer, "engine-unavailable");
    wait_for("the command is gone", async || {
        processes(&test, &id).await.is_empty()
    })
    .await;
    let seen = test.engine_proxy().seen();
    let starts = seen.iter().filter(|seen| seen.is("POST", "/exec/"));
    assert_eq!(starts.count(), 2, "what kills it was not started");
}

#[tokio::test]
async fn a_container_without_a_shell_cannot_be_cleared_and_the_answer_says_so() {
    let test = TestApp::new().await;
    let id = alpine_with(json!({"command": ["sleep", "600"]}));
    let id = id.provision(&test.app).await.id();
    let removed = shell(&test, &id, "rm /bin/sh", json!({})).await;
    assert_eq!(removed.body["exitCode"], 0, "{removed:?}");
    let body = json!({"command": ["sleep", "1001"], "timeoutSeconds": 1});
    let answer = command(&id, &body).exec(&test.app).await;
    assert_eq!(answer.body["timedOut"], true, "{answer:?}");
    assert_eq!(answer.body["stillRunning"], true, "{answer:?}");
    assert_eq!(processes(&test, &id).await, ["sleep 1001"]);
}

#[tokio::test]
async fn a_lease_that_ends_in_the_middle_ends_its_commands() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let began = Instant::now();
    let body = json!({"command": ["sleep", "1001"], "timeoutSeconds": 20});
    let (answer, deleted) = tokio::join!(command(&id, &body).exec(&test.app), async {
        tokio::time::sleep(SECOND).await;
        Event::about("delete", &id).delete(&test.app).await
    });
    assert_eq!(deleted.status, 200, "{deleted:?}");
    // The answer depends on which is faster: the command is killed, or the engine forgets the
    // container.
    if answer.status == 200 {
        assert_eq!(answer.body["exitCode"], 137, "{answer:?}");
    } else {
        assert_refused(&answer, "lease-over");
    }
    assert!(began.elapsed() < 15 * SECOND);
}
