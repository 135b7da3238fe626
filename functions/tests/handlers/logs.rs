//! The WebSocket API's routes, and the relay that carries a log to a viewer.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use containerlease_functions::logs::{self, Event as LogsEvent, RelayStart, Relays, StartFailed};
use containerlease_shared::{
    logs::Cursor,
    names::Owner,
    relay::{self, Connections, Outcome, PostError, Task},
    time::Time,
};
use containerlease_testkit::{
    Bench, Fault,
    events::{Answer, Event, saved, saved_for},
};
use serde_json::Value;

use crate::{SECOND, alpine_with, inspect, lease, wait_for};

/// A viewer's end of a connection, as API Gateway or the one-machine server would hold it.
#[derive(Clone, Default)]
struct Viewer {
    frames: Arc<Mutex<Vec<String>>>,
    gone: Arc<AtomicBool>,
    closed: Arc<AtomicBool>,
}

impl Connections for Viewer {
    async fn post(&self, _: &str, frame: String) -> Result<(), PostError> {
        if self.gone.load(Ordering::SeqCst) {
            return Err(PostError::Gone);
        }
        self.frames.lock().expect("no post panics").push(frame);
        Ok(())
    }

    async fn close(&self, _: &str) -> Result<(), PostError> {
        self.closed.store(true, Ordering::SeqCst);
        Ok(())
    }
}

impl Viewer {
    /// All lines so far, the container's and ours.
    fn lines(&self) -> Vec<Value> {
        let frames = self.frames.lock().expect("no post panics");
        let lines = frames.iter().flat_map(|frame| frame.lines());
        lines
            .map(|line| serde_json::from_str(line).expect("every line is an object"))
            .collect()
    }

    /// The container's own lines of one stream.
    fn messages(&self, stream: &str) -> Vec<String> {
        self.lines()
            .iter()
            .filter(|line| line["stream"] == stream)
            .map(|line| line["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// After what a client would go on that connects again.
    fn cursor(&self) -> Cursor {
        let lines = self.lines();
        let cursor = lines.iter().rev().find_map(|line| line["cursor"].as_str());
        cursor.map_or_else(Cursor::default, |cursor| {
            cursor.parse().expect("a line's cursor is a cursor")
        })
    }
}

/// Relays that are only noted down.
#[derive(Clone, Default)]
struct Noted {
    starts: Arc<Mutex<Vec<RelayStart>>>,
}

impl Relays for Noted {
    async fn start(&self, start: RelayStart) -> Result<(), StartFailed> {
        self.starts.lock().expect("no start panics").push(start);
        Ok(())
    }
}

impl Noted {
    fn all(&self) -> Vec<RelayStart> {
        self.starts.lock().expect("no start panics").clone()
    }
}

/// A program that numbers its lines on both streams for about eight seconds, in bursts.
const NUMBERED: &str = "i=0; while [ $i -lt 600 ]; do echo out $i; echo err $i >&2; \
                        i=$((i+1)); [ $((i % 10)) = 0 ] && sleep 0.1; done; sleep 60";

async fn numbered(bench: &Bench) -> String {
    let command = serde_json::json!({"command": ["sh", "-c", NUMBERED]});
    let answer = alpine_with(command).provision(&bench.app).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.id()
}

fn assert_complete(viewer: &Viewer) {
    for (stream, word) in [("stdout", "out"), ("stderr", "err")] {
        let expected: Vec<_> = (0..600).map(|i| format!("{word} {i}")).collect();
        let got = viewer.messages(stream);
        assert!(got == expected, "{stream}: {} lines: {got:?}", got.len());
    }
}

fn start(id: &str, cursor: Cursor) -> RelayStart {
    RelayStart {
        connection_id: "connection".to_owned(),
        owner: Owner::local(),
        lease_id: id.parse().expect("it is a lease's id"),
        cursor,
    }
}

#[tokio::test]
async fn every_line_comes_once_across_restarts_of_the_relay() {
    let bench = Bench::new().await;
    let id = numbered(&bench).await;
    let viewer = Viewer::default();
    for round in 0..10 {
        let task = Task {
            connection: "connection".to_owned(),
            owner: Owner::local(),
            lease: id.parse().unwrap(),
            cursor: viewer.cursor(),
        };
        let app = &bench.app;
        let time = Duration::from_millis(250 + 20 * round);
        if round % 2 == 0 {
            // It stops in order and says where to go on.
            let stop_at = Some(Time::now().plus(time));
            let relayed = relay::relay(&app.store, &app.host, &viewer, &task, stop_at).await;
            let Ok(Outcome::TimeOver(cursor)) = relayed else {
                panic!("{relayed:?}")
            };
            assert_eq!(cursor, viewer.cursor());
        } else {
            // It dies, and a client connects again after the last line that it has.
            let relay = relay::relay(&app.store, &app.host, &viewer, &task, None);
            assert!(tokio::time::timeout(time, relay).await.is_err());
        }
    }
    assert!(
        viewer.messages("stdout").len() < 600,
        "all restarts came too late"
    );
    let noted = Noted::default();
    let last = logs::relay(
        &bench.app,
        &viewer,
        &noted,
        start(&id, viewer.cursor()),
        None,
    );
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
    let bench = Bench::proxied().await;
    let id = numbered(&bench).await;
    let viewer = Viewer::default();
    let noted = Noted::default();
    let relay = logs::relay(
        &bench.app,
        &viewer,
        &noted,
        start(&id, Cursor::default()),
        None,
    );
    let faults = async {
        // The first look at the log is cut off, then one is answered with an error.
        tokio::time::sleep(SECOND).await;
        wait_for("all lines are there", async || {
            viewer.messages("stdout").len() >= 600 && viewer.messages("stderr").len() >= 600
        })
        .await;
    };
    let looks = std::sync::atomic::AtomicUsize::new(0);
    bench.engine_proxy().on_each(move |seen| {
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
async fn the_end_of_a_lease_is_told_and_the_connection_closed() {
    let bench = Bench::new().await;
    let id = lease(&bench).await;
    let viewer = Viewer::default();
    let noted = Noted::default();
    let relay = logs::relay(
        &bench.app,
        &viewer,
        &noted,
        start(&id, Cursor::default()),
        None,
    );
    let deleted = async {
        wait_for("the first line is there", async || {
            !viewer.lines().is_empty()
        })
        .await;
        Event::about("delete", &id).delete(&bench.app).await
    };
    let limit = Duration::from_secs(10);
    let relay = tokio::time::timeout(limit, relay);
    let (relayed, deleted) = tokio::join!(relay, deleted);
    relayed.unwrap().unwrap();
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
async fn the_log_of_a_lease_that_has_ended_is_its_end() {
    let bench = Bench::new().await;
    let id = lease(&bench).await;
    Event::about("delete", &id).delete(&bench.app).await;
    let viewer = Viewer::default();
    let noted = Noted::default();
    let begin = start(&id, Cursor::default());
    let relay = logs::relay(&bench.app, &viewer, &noted, begin, None);
    let relayed = tokio::time::timeout(5 * SECOND, relay).await;
    relayed.unwrap().unwrap();
    let lines = viewer.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["event"], "ended");
    assert!(viewer.closed.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_viewer_who_has_left_stops_the_relay() {
    let bench = Bench::new().await;
    let id = numbered(&bench).await;
    let viewer = Viewer::default();
    let noted = Noted::default();
    let relay = logs::relay(
        &bench.app,
        &viewer,
        &noted,
        start(&id, Cursor::default()),
        None,
    );
    let leaves = async {
        wait_for("the first line is there", async || {
            !viewer.lines().is_empty()
        })
        .await;
        viewer.gone.store(true, Ordering::SeqCst);
    };
    let relay = tokio::time::timeout(5 * SECOND, relay);
    let (relayed, ()) = tokio::join!(relay, leaves);
    relayed.unwrap().unwrap();
    assert_eq!(noted.all(), []);
    assert_eq!(inspect(&bench, &id).await["State"]["Running"], true);
}

#[tokio::test]
async fn a_relay_whose_time_is_over_starts_its_successor_where_it_stopped() {
    let bench = Bench::new().await;
    let id = numbered(&bench).await;
    let viewer = Viewer::default();
    let noted = Noted::default();
    // Five seconds before it is cut off it hands over.
    let cut_off = Some(Time::now().plus(6 * SECOND));
    let first = start(&id, Cursor::default());
    let relayed = logs::relay(&bench.app, &viewer, &noted, first, cut_off).await;
    relayed.unwrap();
    let starts = noted.all();
    assert_eq!(starts, [start(&id, viewer.cursor())]);
    assert!(!viewer.closed.load(Ordering::SeqCst));
    // The successor is started with just what an invocation's payload can hold.
    let payload = serde_json::to_value(&starts[0]).unwrap();
    let LogsEvent::Relay(read) = serde_json::from_value(payload).unwrap() else {
        panic!("it is not read as the start of a relay")
    };
    assert_eq!(read, starts[0]);
}

#[tokio::test]
async fn the_saved_events_are_read_as_what_they_are() {
    for name in [
        "logs-connect",
        "logs-connect-signed-in",
        "logs-message",
        "logs-disconnect",
    ] {
        let read = serde_json::from_value(saved(name));
        assert!(
            matches!(read, Ok(LogsEvent::WebSocket(_))),
            "{name}: {read:?}"
        );
    }
    let read = serde_json::from_value(saved("logs-relay"));
    assert!(matches!(read, Ok(LogsEvent::Relay(_))), "{read:?}");
}

#[tokio::test]
async fn a_connection_starts_a_relay_for_its_owner_after_its_cursor() {
    let bench = Bench::new().await;
    let answer = Event::saved("provision-signed-in")
        .provision(&bench.app)
        .await;
    let (viewer, noted) = (Viewer::default(), Noted::default());
    let mut event = saved_for("logs-connect-signed-in", &answer.id());
    event["queryStringParameters"]["cursor"] = Value::from("1795512600123456789.0_0");
    let event = serde_json::from_value(event).unwrap();
    let opened = logs::handle(&bench.app, &viewer, &noted, &event).await;
    assert_eq!(Answer::of(&opened).status, 200);
    let starts = noted.all();
    assert_eq!(starts.len(), 1);
    assert_eq!(starts[0].connection_id, "CHm3acPwliACFYg=");
    assert_eq!(
        starts[0].owner.as_str(),
        "3f2a8c1e-7b4d-4e5f-9a6b-1c2d3e4f5a6b"
    );
    assert_eq!(starts[0].lease_id.to_string(), answer.id());
    assert_eq!(starts[0].cursor.to_string(), "1795512600123456789.0_0");
    assert!(
        viewer.lines().is_empty(),
        "nothing may be posted before it is open"
    );
}

#[tokio::test]
async fn a_message_is_answered_and_a_disconnect_accepted() {
    let bench = Bench::new().await;
    let (viewer, noted) = (Viewer::default(), Noted::default());
    for body in ["{\"action\":\"ping\"}", "ping", "hello", "{}"] {
        let mut event = saved("logs-message");
        event["body"] = Value::from(body);
        let event = serde_json::from_value(event).unwrap();
        let answer = logs::handle(&bench.app, &viewer, &noted, &event).await;
        assert_eq!(Answer::of(&answer).status, 200, "{body}");
    }
    let events: Vec<_> = viewer
        .lines()
        .iter()
        .map(|line| line["event"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(events, ["pong", "pong", "error", "error"]);
    let event = serde_json::from_value(saved("logs-disconnect")).unwrap();
    let answer = logs::handle(&bench.app, &viewer, &noted, &event).await;
    assert_eq!(Answer::of(&answer).status, 200);
    assert_eq!(noted.all(), []);
}
