//! A relay ends with its lease, or when its viewer leaves.

use std::{sync::atomic::Ordering, time::Duration};

use containerlease_domain::logs::{Start, Tail};
use containerlease_functions::websocket::connections;
use containerlease_testkit::{
    TestApp,
    events::{Event, saved},
};
use serde_json::Value;

use super::{CONNECTION, Noted, Viewer, leased, numbered, relay_to, serve, task, watching};
use crate::{SECOND, inspect, lease, wait_for};

#[tokio::test]
async fn the_end_of_a_lease_is_told_and_the_connection_closed() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let viewer = Viewer::default();
    let noted = Noted::default();
    let start = watching(&test, &id, Start::with_all()).await;
    let relay = serve(&test.app, &viewer, &noted, start, None);
    let deleted = async {
        wait_for("the first line is there", async || {
            !viewer.lines().is_empty()
        })
        .await;
        Event::about("delete", &id).delete(&test.app).await
    };
    let limit = Duration::from_secs(10);
    let relay = tokio::time::timeout(limit, relay);
    let (relayed, deleted) = tokio::join!(relay, deleted);
    assert_eq!(relayed.unwrap().unwrap(), 0);
    assert_eq!(deleted.status, 200, "{deleted:?}");
    let lines = viewer.lines();
    assert_eq!(
        lines[0]["message"],
        "alpine is ready and stays until its lease ends"
    );
    assert_eq!(lines[0]["level"], "info");
    let last = lines.last().unwrap();
    assert_eq!(last["event"], "ended");
    assert_eq!(last["reason"], "deleted");
    assert_eq!(last["receipt"]["attempts"], 1);
    assert!(last["timestamp"].is_string() && last["message"].is_string());
    assert!(viewer.closed.load(Ordering::SeqCst));
    assert_eq!(noted.all(), [], "nobody goes on with a log that has ended");
}

#[tokio::test]
async fn the_log_of_a_lease_that_has_ended_is_what_was_kept_of_it_and_its_end() {
    let test = TestApp::new().await;
    let id = leased(&test, "seq 1 20; echo last; sleep 60").await;
    let first = Viewer::default();
    let whole = task(&id, Start::with_all());
    tokio::select! {
        ended = relay_to(&test, &first, &whole, None) => panic!("{ended:?}"),
        () = wait_for("the lines are there", async || first.lines().len() >= 21) => {}
    }
    Event::about("delete", &id).delete(&test.app).await;
    let tail = Start::With {
        tail: Tail::Lines(3),
        since: None,
    };
    let fifth = first.lines()[4]["cursor"].as_str().unwrap().parse();
    for (start, lines) in [
        (Start::with_all(), 21),
        (tail, 3),
        (Start::After(fifth.unwrap()), 16),
        (Start::After(first.cursor()), 0),
    ] {
        let viewer = Viewer::default();
        let noted = Noted::default();
        let start = watching(&test, &id, start).await;
        let relay = serve(&test.app, &viewer, &noted, start, None);
        let relayed = tokio::time::timeout(5 * SECOND, relay).await;
        assert_eq!(relayed.unwrap().unwrap(), 0);
        let seen = viewer.lines();
        assert_eq!(seen.len(), lines + 1, "{seen:?}");
        assert_eq!(seen[..lines], first.lines()[21 - lines..]);
        assert_eq!(seen[lines]["event"], "ended");
        assert!(viewer.closed.load(Ordering::SeqCst));
    }
}

#[tokio::test]
async fn a_viewer_who_has_left_stops_the_relay() {
    let test = TestApp::new().await;
    let id = numbered(&test).await;
    let viewer = Viewer::default();
    let noted = Noted::default();
    let start = watching(&test, &id, Start::with_all()).await;
    let relay = serve(&test.app, &viewer, &noted, start, None);
    let leaves = async {
        wait_for("the first line is there", async || {
            !viewer.lines().is_empty()
        })
        .await;
        viewer.gone.store(true, Ordering::SeqCst);
    };
    let relay = tokio::time::timeout(5 * SECOND, relay);
    let (relayed, ()) = tokio::join!(relay, leaves);
    assert_eq!(relayed.unwrap().unwrap(), 0);
    assert_eq!(noted.all(), []);
    assert_eq!(inspect(&test, &id).await["State"]["Running"], true);
}

#[tokio::test]
async fn a_disconnect_ends_the_relay_of_a_silent_log() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let noted = Noted::default();
    let viewer = Viewer::default();
    let start = watching(&test, &id, Start::with_all()).await;
    let relay = serve(&test.app, &viewer, &noted, start, None);
    let leaves = async {
        wait_for("the first line is there", async || {
            !viewer.lines().is_empty()
        })
        .await;
        let mut event = saved("logs-disconnect");
        event["requestContext"]["connectionId"] = Value::from(CONNECTION);
        let event = serde_json::from_value(event).unwrap();
        connections::handle(&test.app, &viewer, &noted, &event).await;
    };
    let relay = tokio::time::timeout(3 * SECOND, relay);
    let (relayed, ()) = tokio::join!(relay, leaves);
    assert_eq!(relayed.unwrap().unwrap(), 0);
    assert_eq!(test.app.follows.counts().viewers.load(Ordering::SeqCst), 0);
}
