//! A command's input, its output and its exit code.

use containerlease_testkit::{TestApp, events::Event};
use serde_json::json;

use super::{command, shell};
use crate::lease;

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
