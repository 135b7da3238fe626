//! A relay hands its viewers over to the next one, and those of a relay that died connect again.

use std::{sync::atomic::Ordering, time::Duration};

use containerlease_domain::{logs::Start, time::Time};
use containerlease_functions::websocket::{connections, relay::RelayStart};
use containerlease_testkit::{TestApp, events::saved};
use serde_json::Value;

use super::{CONNECTION, Noted, Viewer, numbered, serve, watching};
use crate::{SECOND, wait_for};

#[tokio::test]
async fn a_relay_whose_time_is_over_starts_its_successor_where_it_stopped() {
    let test = TestApp::new().await;
    let id = numbered(&test).await;
    let viewer = Viewer::default();
    let noted = Noted::default();
    // The relay hands over five seconds before its cut-off.
    let cut_off = Some(Time::now().plus(6 * SECOND));
    let start = watching(&test, &id, Start::with_all()).await;
    let relayed = serve(&test.app, &viewer, &noted, start.clone(), cut_off).await;
    assert_eq!(relayed.unwrap(), 0);
    let starts = noted.all();
    assert_eq!(starts, [start]);
    assert!(!viewer.closed.load(Ordering::SeqCst));
    let (viewers, hold) = test.app.store.viewers(&starts[0].lease_id).await.unwrap();
    assert_eq!(hold, None, "the successor need not wait");
    assert_eq!(viewers[0].start, Start::After(viewer.cursor()));
    assert_eq!(viewers[0].served_by, None);
    // The successor's input goes through the JSON of an invocation's payload.
    let payload = serde_json::to_value(&starts[0]).unwrap();
    let read: RelayStart = serde_json::from_value(payload).unwrap();
    assert_eq!(read, starts[0]);
}

#[tokio::test]
async fn the_viewers_of_a_relay_that_died_are_told_to_connect_again() {
    let test = TestApp::new().await;
    let id = numbered(&test).await;
    let noted = Noted::default();
    let orphaned = Viewer::default();
    let start = watching(&test, &id, Start::with_all()).await;
    let dies = serve(&test.app, &orphaned, &noted, start.clone(), None);
    assert!(tokio::time::timeout(SECOND, dies).await.is_err());
    assert!(!orphaned.lines().is_empty());
    assert!(!orphaned.closed.load(Ordering::SeqCst));

    // A ping finds that its relay's hold has expired, and starts another relay.
    test.table.age(Duration::from_secs(11)).await;
    let mut ping = saved("logs-message");
    ping["requestContext"]["connectionId"] = Value::from(CONNECTION);
    ping["body"] = Value::from("ping");
    let ping = serde_json::from_value(ping).unwrap();
    connections::handle(&test.app, &orphaned, &noted, &ping).await;
    assert_eq!(noted.all(), std::slice::from_ref(&start));

    let served = serve(&test.app, &orphaned, &noted, start, None);
    assert_eq!(served.await.unwrap(), 0);
    let last = orphaned.lines().pop().unwrap();
    assert_eq!(
        (&last["event"], &last["code"]),
        (&Value::from("closing"), &Value::from(1012))
    );
    assert!(orphaned.closed.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_relay_that_finds_another_one_leaves_the_viewers_to_it() {
    let test = TestApp::new().await;
    let id = numbered(&test).await;
    let noted = Noted::default();
    let viewer = Viewer::default();
    let start = watching(&test, &id, Start::with_all()).await;
    let first = serve(&test.app, &viewer, &noted, start.clone(), None);
    let other = test.another_process();
    let second = async {
        wait_for("the first one serves", async || !viewer.lines().is_empty()).await;
        serve(&other, &viewer, &noted, start.clone(), None).await
    };
    tokio::select! {
        ended = first => panic!("{ended:?}"),
        ended = second => assert_eq!(ended.unwrap(), 0),
    }
    assert!(!viewer.closed.load(Ordering::SeqCst));
}
