//! A real lease's log, whatever happens to the connection.

use std::{process::Stdio, time::Duration};

use serde_json::Value;
use tokio::process::Command;

use crate::{
    harness::{Outcome, PATIENCE, PROGRAM, Run, Server},
    wire::{Fault, Port, Wire},
};

const LINES: usize = 2_000;

/// A script that counts on standard output, and in sevens on standard error; then it says that it
/// is done, and runs on for a while.
fn counting() -> String {
    format!(
        "i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo line $i; \
         [ $((i%7)) = 0 ] && echo odd $i >&2; [ $((i%20)) = 0 ] && sleep 0.05; done; \
         echo done >&2; echo done; sleep 120"
    )
}

fn assert_each_once_in_order(outcome: &Outcome) {
    let stdout = (1..=LINES).map(|number| format!("line {number}"));
    let stderr = (1..=LINES / 7).map(|number| format!("odd {}", number * 7));
    assert_same(outcome.stdout.lines(), stdout);
    let written = outcome.stderr.lines();
    let written = written.filter(|line| !line.starts_with("containerlease: "));
    assert_same(written, stderr);
}

/// Reports the first difference: thousands of lines in a message help nobody.
fn assert_same<'l>(shown: impl Iterator<Item = &'l str>, written: impl Iterator<Item = String>) {
    let shown: Vec<_> = shown.collect();
    let written: Vec<_> = written.chain(["done".to_owned()]).collect();
    let same = shown.iter().zip(&written).take_while(|(a, b)| a == b);
    let same = same.count();
    assert_eq!(
        (shown.get(same).copied(), shown.len()),
        (written.get(same).map(String::as_str), written.len()),
        "the first {same} lines are the same"
    );
}

#[tokio::test]
async fn a_log_is_followed_through_cuts_to_the_end_of_its_lease() {
    const CUTS: usize = 8;
    let port = Port::free().await;
    let server = Server::start(port.number()).await;
    let lease = server.lease(&counting()).await;
    let mut faults: Vec<_> = (0..CUTS)
        // The upgrade's answer has some hundred bytes, a line about 150.
        .map(|_| Fault::CutAfter(fastrand::usize(1_000..20_000)))
        .collect();
    faults.insert(CUTS / 2, Fault::Refused);
    faults.insert(CUTS / 2, Fault::Refused);
    let all = faults.len();
    let wire = Wire::with(port, server.address(), faults);

    let mut run = Run::start(&wire.url(), &["logs", "--follow", &lease]);
    run.until("all lines come", |run| {
        run.stdout().ends_with("done\n") && run.stderr().contains("\ndone\n")
    })
    .await;
    server.delete(&lease).await;
    let outcome = run.end().await;

    assert_each_once_in_order(&outcome);
    assert_eq!(outcome.code, Some(0));
    assert_eq!(wire.connections(), all + 1);
    let sentences = outcome.sentences();
    let told = |what: &str| sentences.iter().filter(|s| s.starts_with(what)).count();
    assert_eq!(
        told("connection lost, connecting again"),
        told("connected again")
    );
    assert!(
        (1..=CUTS).contains(&told("connected again")),
        "{sentences:?}"
    );
    assert_eq!(
        sentences.last(),
        Some(&"the lease has ended: it was deleted.")
    );
}

#[tokio::test]
async fn what_is_there_is_shown_as_it_is_asked_for() {
    let server = Server::start(Port::free().await.number()).await;
    let lease = server
        .lease("echo one; sleep 0.2; echo two >&2; sleep 0.2; echo three; sleep 120")
        .await;
    let mut follower = Run::start(&server.url(), &["logs", "-f", &lease]);
    follower
        .until("all lines come", |run| run.stdout().contains("three"))
        .await;
    let show = async |more: &[&str]| {
        let arguments: Vec<_> = ["logs", &lease].iter().chain(more).copied().collect();
        let outcome = Run::start(&server.url(), &arguments).end().await;
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        outcome
    };

    let plain = show(&[]).await;
    assert_eq!((&*plain.stdout, &*plain.stderr), ("one\nthree\n", "two\n"));

    let stamped = show(&["--timestamps"]).await;
    let (stamp, message) = stamped.stderr.split_once(' ').expect("a time and a line");
    assert_eq!(message, "two\n");
    assert_eq!(
        stamp.len(),
        "2026-11-24T09:30:00.123456789Z".len(),
        "{stamp}"
    );

    let json = show(&["--json"]).await;
    assert_eq!(json.stderr, "");
    let entries: Vec<Value> = json
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect();
    let messages: Vec<_> = entries.iter().map(|entry| &entry["message"]).collect();
    assert_eq!(messages, ["one", "two", "three"]);

    let cursor = entries[0]["cursor"].as_str().expect("a cursor is text");
    let rest = show(&["--cursor", cursor]).await;
    assert_eq!((&*rest.stdout, &*rest.stderr), ("three\n", "two\n"));

    let tail = show(&["--tail", "1"]).await;
    assert_eq!((&*tail.stdout, &*tail.stderr), ("three\n", ""));

    let since = entries[1]["timestamp"].as_str().expect("a time is text");
    let since = show(&["--since", since]).await;
    assert_eq!((&*since.stdout, &*since.stderr), ("three\n", "two\n"));
    assert_eq!(show(&["--since", "1h"]).await.stdout, "one\nthree\n");
}

#[tokio::test]
async fn a_lease_that_is_not_there_has_an_exit_code_of_its_own() {
    let server = Server::start(Port::free().await.number()).await;
    for follow in [&["logs"][..], &["logs", "-f"]] {
        let unknown = "0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c";
        let arguments: Vec<_> = follow.iter().chain([&unknown]).copied().collect();
        let outcome = Run::start(&server.url(), &arguments).end().await;
        assert_eq!(outcome.code, Some(3));
        assert_eq!(outcome.stdout, "");
        let sentences = outcome.sentences();
        assert_eq!(sentences.len(), 1, "{outcome:?}");
        assert!(sentences[0].starts_with("there is no such lease. It was purged"));
    }
}

#[tokio::test]
async fn the_log_of_an_ended_lease_is_what_was_kept_of_it() {
    let server = Server::start(Port::free().await.number()).await;
    let lease = server.lease("echo one; echo two >&2; sleep 120").await;
    let mut follower = Run::start(&server.url(), &["logs", "-f", &lease]);
    follower
        .until("all lines come", |run| {
            run.stdout() == "one\n" && run.stderr() == "two\n"
        })
        .await;
    server.delete(&lease).await;
    let shown = Run::start(&server.url(), &["logs", &lease]).end().await;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert_eq!((&*shown.stdout, &*shown.stderr), ("one\n", "two\n"));
    let followed = follower.end().await;
    assert_eq!(
        followed.sentences(),
        ["the lease has ended: it was deleted."]
    );
}

#[tokio::test]
async fn a_reader_that_has_enough_ends_it_quietly() {
    let server = Server::start(Port::free().await.number()).await;
    let lease = server
        .lease("while true; do echo again; sleep 0.05; done")
        .await;
    let script = "\"$0\" logs -f \"$1\" | head -n 2; exit \"${PIPESTATUS[0]}\"";
    let run = Command::new("bash")
        .args(["-c", script, PROGRAM, &lease])
        .env("CONTAINERLEASE_URL", server.url())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, run).await;
    let output = output.expect("it ends").expect("there is a bash");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, b"again\nagain\n");
    assert_eq!(output.stderr, b"");
}

#[tokio::test]
async fn an_interrupt_ends_it_at_once() {
    let server = Server::start(Port::free().await.number()).await;
    let lease = server.lease("echo ready; sleep 120").await;
    let mut run = Run::start(&server.url(), &["logs", "-f", &lease]);
    run.until("it follows", |run| run.stdout() == "ready\n")
        .await;
    run.signal("INT");
    let ended = tokio::time::timeout(Duration::from_secs(5), run.end()).await;
    let outcome = ended.expect("it ends at once");
    assert_eq!(outcome.code, Some(130));
    assert_eq!(outcome.stderr, "");
}
