//! Lost lines: a viewer that lacks them is told of the gap, and gets the rest.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use containerlease_domain::logs::{Cursor, Start};
use containerlease_service::log_relay::Outcome;
use containerlease_testkit::{Fault, TestApp, events::Event};
use serde_json::Value;

use crate::{
    SECOND,
    logs::{Viewer, leased, relay_to, task},
    wait_for,
};

/// Twice as many bytes as a follow holds, and six times as many lines as it keeps.
const LINES: u64 = 6_000;

async fn lease_with_a_long_log(test: &TestApp) -> String {
    let script = format!(
        "pad=$(head -c 300 /dev/zero | tr '\\0' x); seq 1 {LINES} | sed \"s/\\$/ $pad/\"; sleep 600"
    );
    leased(test, &script).await
}

fn has_all(viewer: &Viewer) -> bool {
    viewer.last_frame_holds(&format!("\"message\":\"{LINES} "))
}

async fn delete(test: &TestApp, id: &str) {
    let deleted = Event::about("delete", id).delete(&test.app).await;
    assert_eq!(deleted.status, 200, "{deleted:?}");
}

fn number(line: &Value) -> Option<u64> {
    let message = line["message"].as_str()?;
    message.split(' ').next()?.parse().ok()
}

/// Checks that a viewer with the lines before `next` was told of each gap in its place, and
/// got the last line and the end. Returns the number of gaps.
fn assert_told_of_gaps(viewer: &Viewer, mut next: u64) -> usize {
    let lines = viewer.lines();
    // How many lines are missing, if it was told; several gaps may follow each other.
    let mut told: Option<Option<u64>> = None;
    let mut gaps = 0;
    for line in &lines {
        if line["event"] == "skipped" {
            let lines = line["lines"].as_u64();
            told = Some(told.map_or(lines, |before| Some(before? + lines?)));
        } else if let Some(number) = number(line).filter(|_| line["stream"] == "stdout") {
            if number != next {
                let told = told.unwrap_or_else(|| panic!("{next} to {number} are missing"));
                assert!(told.is_none_or(|lines| lines == number - next), "{told:?}");
                gaps += 1;
            }
            told = None;
            next = number + 1;
        }
    }
    assert_eq!(next, LINES + 1, "the last lines are missing");
    assert_eq!(lines.last().expect("there are lines")["event"], "ended");
    gaps
}

#[tokio::test]
async fn a_viewer_far_behind_at_the_end_is_told_what_it_lacks() {
    let test = TestApp::new().await;
    for others in [0, 1] {
        let id = lease_with_a_long_log(&test).await;
        let (behind, ahead) = (Viewer::default(), Viewer::default());
        let whole = task(&id, Start::with_all());
        let story = async {
            wait_for("the first lines are there", async || {
                !behind.lines().is_empty()
            })
            .await;
            let stuck = behind.reads.lock().await;
            if others > 0 {
                wait_for("somebody else has all", async || has_all(&ahead)).await;
            } else {
                tokio::time::sleep(3 * SECOND).await;
            }
            delete(&test, &id).await;
            drop(stuck);
        };
        let ahead_of_all = async {
            if others > 0 {
                let relayed = relay_to(&test, &ahead, &whole, None).await;
                assert!(matches!(relayed, Ok(Outcome::LeaseEnded)), "{relayed:?}");
            }
        };
        let relayed = relay_to(&test, &behind, &whole, None);
        let relayed = tokio::time::timeout(60 * SECOND, relayed);
        let (relayed, (), ()) = tokio::join!(relayed, story, ahead_of_all);
        assert!(
            matches!(relayed, Ok(Ok(Outcome::LeaseEnded))),
            "{relayed:?}"
        );
        assert_told_of_gaps(&behind, 1);
    }
}

#[tokio::test]
async fn a_viewer_who_comes_back_after_the_end_is_told_what_is_not_kept() {
    let test = TestApp::new().await;
    let id = lease_with_a_long_log(&test).await;
    let before = Viewer::default();
    let whole = task(&id, Start::with_all());
    tokio::select! {
        ended = relay_to(&test, &before, &whole, None) => panic!("{ended:?}"),
        () = wait_for("all is there", async || has_all(&before)) => {}
    }
    delete(&test, &id).await;
    let lines = before.lines();
    for had in [0, 3_000, LINES - 100] {
        let had_lines = usize::try_from(had).expect("it is a small number");
        let start = match had_lines.checked_sub(1) {
            None => Start::with_all(),
            Some(last) => {
                let cursor: Cursor = lines[last]["cursor"]
                    .as_str()
                    .and_then(|cursor| cursor.parse().ok())
                    .expect("a line has a cursor");
                Start::After(cursor)
            }
        };
        let viewer = Viewer::default();
        let relayed = relay_to(&test, &viewer, &task(&id, start), None).await;
        assert!(matches!(relayed, Ok(Outcome::LeaseEnded)), "{relayed:?}");
        let gaps = assert_told_of_gaps(&viewer, had + 1);
        assert_eq!(gaps, usize::from(had < LINES - 1_000), "after {had}");
        assert_eq!(viewer.events("skipped").len(), gaps);
    }
}

/// A program that numbers its lines until its lease ends.
const COUNTING: &str = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done";

#[tokio::test]
#[expect(clippy::print_stderr, reason = "a test that tries nothing says so")]
async fn a_log_that_was_emptied_by_hand_has_a_gap_and_goes_on() {
    let test = TestApp::new().await;
    let id = leased(&test, COUNTING).await;
    let container = test.place.container_of(&id).await;
    let path = container.and_then(|container| container.log_path);
    let path = path.expect("the engine writes the log to a file");
    let first = Viewer::default();
    let whole = task(&id, Start::with_all());
    tokio::select! {
        ended = relay_to(&test, &first, &whole, None) => panic!("{ended:?}"),
        () = wait_for("lines are there", async || first.lines().len() > 10) => {}
    }
    let had = first
        .lines()
        .last()
        .and_then(number)
        .expect("lines are numbers");
    tokio::time::sleep(SECOND).await;
    let opened = std::fs::File::options().write(true).open(&path);
    let Ok(log) = opened else {
        eprintln!("not tried: {path} is out of reach, for want of root or on another machine");
        return;
    };
    log.set_len(0).expect("the log can be emptied");
    let last_on = |viewer: &Viewer| viewer.lines().last().and_then(number);
    let viewer = Viewer::default();
    let rest = task(&id, Start::After(first.cursor()));
    tokio::select! {
        ended = relay_to(&test, &viewer, &rest, None) => panic!("{ended:?}"),
        () = wait_for("it goes on", async || last_on(&viewer) > Some(had + 40)) => {}
    }
    let lines = viewer.lines();
    assert_eq!(lines[0]["event"], "skipped", "{:?}", lines[0]);
    let numbers: Vec<_> = lines[1..].iter().filter_map(number).collect();
    assert!(numbers[0] > had + 1, "nothing was lost: {numbers:?}");
    assert!(numbers.is_sorted_by(|a, b| a + 1 == *b), "{numbers:?}");
    // The same holds for a page of the log.
    let query = format!("cursor={}", first.cursor());
    let page = Event::about("log-page", &id).query(&query);
    let page = page.list(&test.app).await;
    assert_eq!(page.body["gap"], true, "{page:?}");
    assert_eq!(number(&page.body["entries"][0]), Some(numbers[0]));
}

/// What an engine sends of a damaged log.
fn damaged() -> String {
    let frame = |kind: char, text: &str| {
        let length = char::from(u8::try_from(text.len()).expect("it is short"));
        format!("{kind}\0\0\0\0\0\0{length}{text}")
    };
    let line = frame(
        '\u{1}',
        "2026-11-24T09:30:00.123456789Z before the damage\n",
    );
    let error = "Error grabbing logs: invalid character '\\x00' looking for beginning of value\n";
    line + &frame('\u{3}', error)
}

#[tokio::test]
async fn a_damaged_log_goes_on_behind_the_damage() {
    let test = TestApp::proxied().await;
    let id = leased(&test, COUNTING).await;
    let reads = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&reads);
    test.engine_proxy().on_each(move |seen| {
        if !seen.is("GET", "/logs") {
            return Fault::None;
        }
        counted.fetch_add(1, Ordering::SeqCst);
        // The last lines can be read, since the engine looks for them from the end.
        if seen.path.contains("tail=10") && !seen.path.contains("tail=100") {
            return Fault::None;
        }
        Fault::Answered(http::StatusCode::OK, damaged())
    });
    let viewer = Viewer::default();
    let whole = task(&id, Start::with_all());
    let count = || viewer.lines().iter().filter_map(number).count();
    tokio::select! {
        ended = relay_to(&test, &viewer, &whole, None) => panic!("{ended:?}"),
        () = wait_for("it goes on", async || count() > 50) => {}
    }
    let lines = viewer.lines();
    assert_eq!(lines[0]["message"], "before the damage");
    assert_eq!(lines[1]["event"], "skipped");
    let numbers: Vec<_> = lines[2..].iter().filter_map(number).collect();
    assert!(numbers.is_sorted_by(|a, b| a + 1 == *b), "{numbers:?}");
    let reads = reads.load(Ordering::SeqCst);
    assert!(reads <= 4, "the log was asked for {reads} times");
    assert_eq!(viewer.events("skipped").len(), 1);

    let page = Event::about("log-page", &id)
        .query("")
        .list(&test.app)
        .await;
    assert_eq!(page.body["gap"], true, "{page:?}");
    assert_eq!(page.body["entries"].as_array().map(Vec::len), Some(11));
    test.engine_proxy().heal();
    let limit = Duration::from_secs(5);
    let deleted = tokio::time::timeout(limit, delete(&test, &id)).await;
    deleted.expect("a damaged log holds up no end");
}
