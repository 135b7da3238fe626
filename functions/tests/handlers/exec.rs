//! `POST /api/containers/{id}/exec`: output, exit codes and limits; a command leaves nothing
//! behind.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use containerlease_testkit::{
    Fault, TestApp,
    events::{Answer, Event},
};
use serde_json::{Value, json};

use crate::{
    MINUTE, SECOND, alpine, alpine_with, assert_refused, lease, wait_for, wait_until_exited,
};

/// A command for the lease's container.
pub(crate) fn command(id: &str, body: &Value) -> Event {
    Event::about("exec", id).body(body)
}

/// What a shell in the lease's container answers.
pub(crate) async fn shell(test: &TestApp, id: &str, script: &str, more: Value) -> Answer {
    let mut body = json!({"command": ["sh", "-c", script]});
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more);
    }
    let answer = command(id, &body).exec(&test.app).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

/// The command lines of the processes in the lease's container, except its own program.
async fn processes(test: &TestApp, id: &str) -> Vec<String> {
    let name = format!("containerlease-{id}");
    let top = test.place.docker().top_processes(&name, None).await;
    let top = top.expect("the engine lists processes");
    let titles = top.titles.unwrap_or_default();
    let line = titles.iter().position(|title| title == "CMD");
    let line = line.expect("ps shows command lines");
    let rows = top.processes.unwrap_or_default().into_iter();
    let lines = rows.map(|mut row| row.swap_remove(line));
    let own = ["docker-init", "sleep 600", "sleep infinity"];
    lines
        .filter(|line| !own.iter().any(|own| line.contains(own)))
        .collect()
}

#[tokio::test]
async fn the_saved_event_gives_both_streams_and_the_exit_code() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let answer = Event::about("exec", &id).exec(&test.app).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut body = answer.body.clone();
    assert!(body["serverTime"].is_string());
    body.as_object_mut().unwrap().remove("serverTime");
    assert_eq!(
        body,
        json!({
            "exitCode": 0, "stdout": "hello\n", "stderr": "done\n",
            "truncated": {"stdout": false, "stderr": false},
            "timedOut": false, "stillRunning": false,
        })
    );
}

#[tokio::test]
async fn a_command_answers_with_its_own_exit_code() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    for (script, code, stderr) in [
        ("exit 7", 7, ""),
        ("kill -9 $$", 137, ""),
        ("no-such-program", 127, "not found"),
        ("exec 1>&- 2>&-; sleep 0.5; exit 3", 3, ""),
    ] {
        let answer = shell(&test, &id, script, json!({})).await;
        assert_eq!(answer.body["exitCode"], code, "{script}: {answer:?}");
        assert_eq!(answer.body["timedOut"], false, "{script}");
        let said = answer.body["stderr"].as_str().unwrap();
        assert!(said.contains(stderr), "{script}: {said}");
    }
    // A program that prints the engine's own message is not taken for the engine.
    let script = "echo OCI runtime exec failed; exit 126";
    let answer = shell(&test, &id, script, json!({})).await;
    assert_eq!(answer.body["exitCode"], 126, "{answer:?}");
}

#[tokio::test]
async fn what_is_read_comes_whole_and_ends() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let text = "grüß dich\u{0}\n".repeat(2_000);
    let body = json!({"command": ["cat"], "stdin": text});
    let answer = command(&id, &body).exec(&test.app).await;
    assert_eq!(answer.body["stdout"], text);
    // Without `stdin` the command reads an empty input and does not wait.
    let answer = command(&id, &json!({"command": ["cat"]}))
        .exec(&test.app)
        .await;
    assert_eq!(
        (&answer.body["exitCode"], &answer.body["stdout"]),
        (&json!(0), &json!(""))
    );
    // A program need not read it.
    let body = json!({"command": ["true"], "stdin": text});
    let answer = command(&id, &body).exec(&test.app).await;
    assert_eq!(answer.body["exitCode"], 0, "{answer:?}");
}

#[tokio::test]
async fn of_much_output_the_first_is_kept_and_the_command_ends_by_itself() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let script = "head -c 3000000 /dev/zero | tr '\\0' x; echo few >&2; exit 4";
    let answer = shell(&test, &id, script, json!({})).await;
    assert_eq!(answer.body["exitCode"], 4, "{answer:?}");
    let stdout = answer.body["stdout"].as_str().unwrap();
    assert_eq!((stdout.len(), stdout.trim_matches('x')), (64 * 1024, ""));
    assert_eq!(answer.body["stderr"], "few\n");
    assert_eq!(
        answer.body["truncated"],
        json!({"stdout": true, "stderr": false})
    );
    // A character that the limit cuts in two is left out, and invalid bytes are replaced.
    let script = "printf 'xy\\377'; yes ä | tr -d '\\n' | head -c 100000";
    let answer = shell(&test, &id, script, json!({})).await;
    let stdout = answer.body["stdout"].as_str().unwrap();
    let whole = stdout.starts_with("xy\u{fffd}ä") && stdout.ends_with('ä');
    assert!(
        whole,
        "{}",
        &stdout[stdout.floor_char_boundary(stdout.len() - 20)..]
    );
    assert_eq!(answer.body["truncated"]["stdout"], true);
}

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
async fn a_program_that_is_not_there_cannot_be_run() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    for program in ["no-such-program", "/etc/passwd", "/tmp"] {
        let body = json!({"command": [program, "--secret=hunter2"]});
        let answer = command(&id, &body).exec(&test.app).await;
        assert_refused(&answer, "cannot-run");
        assert!(!answer.body.to_string().contains("hunter2"));
    }
}

#[tokio::test]
async fn a_paused_container_runs_nothing_and_can_still_be_counted() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let name = format!("containerlease-{id}");
    let paused = test.place.docker().pause_container(&name).await;
    paused.expect("a container can be paused");
    let answer = Event::about("exec", &id).exec(&test.app).await;
    assert_refused(&answer, "container-paused");
    let stats = Event::about("stats", &id).list(&test.app).await;
    assert_eq!(stats.status, 200, "{stats:?}");
    assert_eq!(stats.body["cpu"]["percent"], 0.0);
    let resumed = test.place.docker().unpause_container(&name).await;
    resumed.expect("a container can be unpaused");
    shell(&test, &id, "true", json!({})).await;
}

#[tokio::test]
async fn a_lease_that_is_over_runs_nothing() {
    let test = TestApp::new().await;
    let refused = async |id: &str| {
        let answer = Event::about("exec", id).exec(&test.app).await;
        assert_refused(&answer, "lease-over");
        let answer = Event::about("stats", id).list(&test.app).await;
        assert_refused(&answer, "lease-over");
    };
    let deleted = lease(&test).await;
    Event::about("delete", &deleted).delete(&test.app).await;
    refused(&deleted).await;
    // Its program has ended, or its container has vanished, and no reaper has run yet.
    let event = alpine_with(json!({"command": ["sh", "-c", "sleep 0.3; exit 3"]}));
    let failed = event.provision(&test.app).await.id();
    wait_until_exited(&test, &failed).await;
    refused(&failed).await;
    let lost = lease(&test).await;
    test.place.remove_behind_its_back(&lost).await;
    refused(&lost).await;
    // Its time is over.
    let expired = lease(&test).await;
    test.table.age(5 * MINUTE).await;
    refused(&expired).await;
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

#[tokio::test]
async fn a_lease_that_does_not_run_yet_runs_nothing() {
    let test = TestApp::proxied().await;
    test.engine_proxy().on_each(|seen| {
        if seen.is("POST", "/start") {
            Fault::Delayed(2 * SECOND)
        } else {
            Fault::None
        }
    });
    let asked = async {
        let mut id = String::new();
        wait_for("the lease is on record", async || {
            let listed = Event::saved("list").list(&test.app).await;
            let first = listed.body["containers"][0]["id"].as_str();
            id = first.unwrap_or_default().to_owned();
            !id.is_empty()
        })
        .await;
        let logs = Event::about("log-page", &id).list(&test.app).await;
        assert_eq!(logs.status, 200, "{logs:?}");
        assert_eq!(logs.body["entries"], json!([]));
        assert_eq!(
            (&logs.body["more"], &logs.body["gap"]),
            (&json!(false), &json!(false))
        );
        let stats = Event::about("stats", &id).list(&test.app).await;
        assert_refused(&stats, "lease-not-running");
        Event::about("exec", &id).exec(&test.app).await
    };
    let (provisioned, answer) = tokio::join!(alpine().provision(&test.app), asked);
    assert_refused(&answer, "lease-not-running");
    assert_eq!(provisioned.status, 201, "{provisioned:?}");
}

#[tokio::test]
async fn a_command_with_wrong_fields_is_not_run() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let body = json!({"command": [], "timeoutSeconds": 26, "tty": true});
    let answer = command(&id, &body).exec(&test.app).await;
    assert_refused(&answer, "invalid-request");
    let named = answer.body["errors"].as_array().unwrap().iter();
    let named: Vec<_> = named
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    assert_eq!(named, ["command", "timeoutSeconds", "tty"]);
    let answer = Event::about("exec", &id)
        .raw_body("x")
        .exec(&test.app)
        .await;
    assert_refused(&answer, "invalid-body");
}

#[tokio::test]
async fn stats_are_numbers_that_move() {
    let test = TestApp::new().await;
    let script = "while :; do echo x >/dev/udp/192.0.2.1/9; sleep 0.1; done & while :; do :; done";
    let asked = json!({
        "imageType": "ubuntu", "command": ["bash", "-c", script], "cpuMilli": 100, "memoryMB": 64,
    });
    let id = alpine_with(asked).provision(&test.app).await.id();
    let count = async || {
        let answer = Event::about("stats", &id).list(&test.app).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    };
    let first = count().await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let second = count().await;
    let number = |stats: &Value, group: &str, name: &str| {
        let number = stats[group][name].as_f64();
        number.unwrap_or_else(|| panic!("{group}.{name} is no number: {stats}"))
    };
    for (group, name) in [("cpu", "usedNanoseconds"), ("network", "sentBytes")] {
        let (before, after) = (number(&first, group, name), number(&second, group, name));
        assert!(
            before > 0.0 && after > before,
            "{group}.{name}: {before} {after}"
        );
    }
    assert!(number(&second, "network", "receivedBytes") >= 0.0);
    // The program uses all it gets, which is a tenth of a CPU.
    let percent = number(&second, "cpu", "percent");
    assert!((2.0..30.0).contains(&percent), "{second}");
    let of_limit = number(&second, "cpu", "percentOfLimit");
    assert!((of_limit - 10.0 * percent).abs() < 1.0, "{second}");
    assert_eq!(second["cpu"]["limitMilli"], 100);
    let measured = number(&second, "cpu", "measuredMilliseconds");
    assert!((400.0..5_000.0).contains(&measured), "{second}");
    let memory = number(&second, "memory", "usedBytes");
    assert_eq!(second["memory"]["limitBytes"], 64 * 1024 * 1024);
    assert!(
        (10_000.0..64.0 * 1024.0 * 1024.0).contains(&memory),
        "{second}"
    );
    assert!(number(&second, "processes", "count") >= 3.0, "{second}");
    let limit = test.app.catalogue.get("ubuntu").unwrap().processes;
    assert_eq!(second["processes"]["limit"], limit);
    assert!(crate::millis(&second, "readAt") > crate::millis(&first, "readAt"));
}
