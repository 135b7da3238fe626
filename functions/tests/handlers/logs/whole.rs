//! Every line comes once and as it was written, whatever happens to the relay, the engine and the
//! log's files.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use containerlease_domain::{logs::Start, time::Time};
use containerlease_service::log_relay::Outcome;
use containerlease_testkit::{Fault, TestApp, events::Event};
use serde_json::Value;

use super::{Noted, Viewer, assert_complete, leased, numbered, relay_to, serve, task, watching};
use crate::{SECOND, wait_for};

#[tokio::test]
async fn every_line_comes_once_across_restarts_of_the_relay() {
    let test = TestApp::new().await;
    let id = numbered(&test).await;
    let viewer = Viewer::default();
    for round in 0..10 {
        let task = task(&id, Start::After(viewer.cursor()));
        let time = Duration::from_millis(250 + 20 * round);
        if round % 2 == 0 {
            // The relay stops in order, and says where to continue.
            let stop_at = Some(Time::now().plus(time));
            let relayed = relay_to(&test, &viewer, &task, stop_at).await;
            let Ok(Outcome::TimeOver(cursor)) = relayed else {
                panic!("{relayed:?}")
            };
            assert_eq!(cursor, viewer.cursor());
        } else {
            // The relay dies, and the client connects again after its last line.
            let relay = relay_to(&test, &viewer, &task, None);
            assert!(tokio::time::timeout(time, relay).await.is_err());
        }
    }
    assert!(
        viewer.messages("stdout").len() < 600,
        "all restarts came too late"
    );
    let task = task(&id, Start::After(viewer.cursor()));
    let last = relay_to(&test, &viewer, &task, None);
    tokio::select! {
        ended = last => panic!("{ended:?}"),
        () = wait_for("all lines are there", async || {
            viewer.messages("stdout").len() >= 600 && viewer.messages("stderr").len() >= 600
        }) => {}
    }
    assert_complete(&viewer);
}

#[tokio::test]
async fn an_engine_that_drops_the_log_is_followed_again_without_a_gap() {
    let test = TestApp::proxied().await;
    let id = numbered(&test).await;
    let viewer = Viewer::default();
    let noted = Noted::default();
    let start = watching(&test, &id, Start::with_all()).await;
    let relay = serve(&test.app, &viewer, &noted, start, None);
    let faults = async {
        // The first look at the log is cut off, then one is answered with an error.
        tokio::time::sleep(SECOND).await;
        wait_for("all lines are there", async || {
            viewer.messages("stdout").len() >= 600 && viewer.messages("stderr").len() >= 600
        })
        .await;
    };
    let looks = AtomicUsize::new(0);
    test.engine_proxy().on_each(move |seen| {
        if !seen.is("GET", "/logs") {
            return Fault::None;
        }
        match looks.fetch_add(1, Ordering::SeqCst) {
            0 => Fault::Cut,
            1 => Fault::Answered(http::StatusCode::INTERNAL_SERVER_ERROR, "{}".to_owned()),
            _ => Fault::None,
        }
    });
    tokio::select! {
        ended = relay => panic!("{ended:?}"),
        () = faults => {}
    }
    assert_complete(&viewer);
}

#[tokio::test]
async fn lines_of_every_kind_come_as_they_were_written() {
    let test = TestApp::new().await;
    let script = "head -c 40000 /dev/zero | tr '\\0' a; echo; head -c 100000 /dev/zero | tr '\\0' b; \
                  echo; printf 'bytes \\377 that are no text\\n'; echo; printf 'dos\\r\\n'; \
                  echo on stderr >&2; sleep 0.2; printf 'a last line without an end'; sleep 3";
    let id = leased(&test, script).await;
    let viewer = Viewer::default();
    let whole = task(&id, Start::with_all());
    let relay = relay_to(&test, &viewer, &whole, None);
    let deleted = async {
        wait_for("the lines are there", async || {
            viewer.messages("stdout").len() >= 5
        })
        .await;
        tokio::time::sleep(SECOND).await;
        let unfinished = viewer.messages("stdout").len();
        assert_eq!(unfinished, 5, "a line came before its end");
        wait_for("the program has ended, and so its last line", async || {
            viewer.messages("stdout").len() == 6
        })
        .await;
        Event::about("delete", &id).delete(&test.app).await;
    };
    let (relayed, ()) = tokio::join!(tokio::time::timeout(15 * SECOND, relay), deleted);
    assert!(
        matches!(relayed, Ok(Ok(Outcome::LeaseEnded))),
        "{relayed:?}"
    );
    let lines = viewer.lines();
    let out: Vec<_> = lines
        .iter()
        .filter(|line| line["stream"] == "stdout")
        .collect();
    let text = |line: usize| out[line]["message"].as_str().unwrap_or_default();
    assert_eq!(text(0), "a".repeat(40_000));
    assert_eq!(out[0]["truncated"], Value::Null);
    assert_eq!(text(1), "b".repeat(64 * 1024));
    assert_eq!(out[1]["truncated"], true);
    assert_eq!(text(2), "bytes \u{fffd} that are no text");
    assert_eq!(out[2]["replaced"], true);
    assert_eq!((text(3), text(4)), ("", "dos"));
    assert_eq!(text(5), "a last line without an end");
    assert_eq!(viewer.messages("stderr"), ["on stderr"]);
    let stamps = out
        .iter()
        .map(|line| line["timestamp"].as_str().unwrap_or_default());
    assert!(
        stamps
            .clone()
            .all(|stamp| stamp.len() == "2026-11-24T09:30:00.123456789Z".len())
    );
    assert!(stamps.is_sorted(), "full stamps sort as texts");
}

#[tokio::test]
async fn a_log_that_is_rotated_while_it_is_followed_is_whole() {
    // 26 MB in 13 s: two files of 10 MB and a half.
    const LINES: usize = 6_500;
    let test = TestApp::new().await;
    let script = "pad=$(head -c 4000 /dev/zero | tr '\\0' x); i=0; while [ $i -lt 6500 ]; do \
                  echo $i $pad; i=$((i+1)); [ $((i % 50)) = 0 ] && sleep 0.1; done; sleep 60";
    let id = leased(&test, script).await;
    let viewer = Viewer::default();
    let whole = task(&id, Start::with_all());
    let number = |line: &String| line.split(' ').next().and_then(|i| i.parse::<usize>().ok());
    let lines = async || {
        // Within the longest wait here, about half of the lines are written.
        for lines in [LINES / 2, LINES] {
            wait_for("the lines are there", async || {
                viewer.messages("stdout").last().and_then(number) >= Some(lines - 1)
            })
            .await;
        }
    };
    tokio::select! {
        ended = relay_to(&test, &viewer, &whole, None) => panic!("{ended:?}"),
        () = lines() => {}
    }
    let numbers: Vec<_> = viewer
        .messages("stdout")
        .iter()
        .filter_map(number)
        .collect();
    let first_wrong = numbers
        .iter()
        .zip(0..)
        .find(|(got, expected)| *got != expected);
    assert_eq!((numbers.len(), first_wrong), (LINES, None));
}
