//! The WebSocket API's routes, and the relay that carries a log to a viewer.
//!
//! - [`routes`]: connect, message and disconnect.
//! - [`whole`]: every line comes once, and as it was written.
//! - [`views`]: where viewers begin, and what they pause and skip.
//! - [`handover`]: from one relay to the next, also when one has died.
//! - [`ends`]: the end of a lease and a viewer who leaves end a relay.

mod ends;
mod handover;
mod routes;
mod views;
mod whole;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use containerlease_domain::{
    logs::{Cursor, Start},
    names::Owner,
    time::Time,
};
use containerlease_functions::{
    app::App,
    websocket::relay::{RelayStart, Relays, StartFailed, Terms, run},
};
use containerlease_service::{
    log_relay::{self, Closing, Connections, Outcome, PostError, Task, ViewerControls},
    store::{StoreError, Viewer as Watching},
};
use containerlease_testkit::TestApp;
use serde_json::Value;
use tokio::sync::{Notify, watch};

use crate::{SECOND, alpine_with};

/// A viewer's connection, as API Gateway or the one-machine server would hold it.
#[derive(Clone, Default)]
pub(crate) struct Viewer {
    frames: Arc<Mutex<Vec<String>>>,
    gone: Arc<AtomicBool>,
    closed: Arc<AtomicBool>,
    /// While it is locked, posts wait.
    pub(crate) reads: Arc<tokio::sync::Mutex<()>>,
}

impl Connections for Viewer {
    async fn post(&self, _: &str, frame: String) -> Result<(), PostError> {
        if self.gone.load(Ordering::SeqCst) {
            return Err(PostError::Gone);
        }
        drop(self.reads.lock().await);
        self.frames.lock().expect("no post panics").push(frame);
        Ok(())
    }

    async fn close(&self, _: &str, _: Option<Closing>) -> Result<(), PostError> {
        self.closed.store(true, Ordering::SeqCst);
        Ok(())
    }
}

impl Viewer {
    /// All lines so far: the container's, and our own events.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let frames = self.frames.lock().expect("no post panics");
        let lines = frames.iter().flat_map(|frame| frame.lines());
        lines
            .map(|line| serde_json::from_str(line).expect("every line is an object"))
            .collect()
    }

    /// Whether the last frame contains a text.
    pub(crate) fn last_frame_holds(&self, text: &str) -> bool {
        let frames = self.frames.lock().expect("no post panics");
        frames.last().is_some_and(|frame| frame.contains(text))
    }

    /// Our own events of one kind.
    pub(crate) fn events(&self, event: &str) -> Vec<Value> {
        let lines = self.lines().into_iter();
        lines.filter(|line| line["event"] == event).collect()
    }

    /// The container's own lines of one stream.
    pub(crate) fn messages(&self, stream: &str) -> Vec<String> {
        self.lines()
            .iter()
            .filter(|line| line["stream"] == stream)
            .map(|line| line["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// The cursor with which a client would connect again.
    pub(crate) fn cursor(&self) -> Cursor {
        let lines = self.lines();
        let cursor = lines.iter().rev().find_map(|line| line["cursor"].as_str());
        cursor.map_or_else(Cursor::default, |cursor| {
            cursor.parse().expect("a line's cursor is a cursor")
        })
    }
}

/// Relays that are recorded, but not started.
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

pub(crate) async fn leased(test: &TestApp, script: &str) -> String {
    let command = serde_json::json!({"command": ["sh", "-c", script]});
    let answer = alpine_with(command).provision(&test.app).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.id()
}

/// A program that numbers its lines on both streams for about eight seconds, in bursts.
const NUMBERED: &str = "i=0; while [ $i -lt 600 ]; do echo out $i; echo err $i >&2; \
                        i=$((i+1)); [ $((i % 10)) = 0 ] && sleep 0.1; done; sleep 60";

async fn numbered(test: &TestApp) -> String {
    leased(test, NUMBERED).await
}

fn assert_complete(viewer: &Viewer) {
    for (stream, word) in [("stdout", "out"), ("stderr", "err")] {
        let expected: Vec<_> = (0..600).map(|i| format!("{word} {i}")).collect();
        let got = viewer.messages(stream);
        assert!(got == expected, "{stream}: {} lines: {got:?}", got.len());
    }
}

const CONNECTION: &str = "connection";

/// Stores a viewer, as `$connect` does, and returns the input of its relay.
async fn watching(test: &TestApp, id: &str, start: Start) -> RelayStart {
    let lease_id = id.parse().expect("it is a lease's id");
    let owner = Owner::local();
    let viewer = Watching {
        connection: CONNECTION.to_owned(),
        start,
        paused: false,
        skips: 0,
        served_by: None,
    };
    let end = Time::now().plus(60 * SECOND);
    let store = &test.app.store;
    let added = store.add_viewer(&owner, &lease_id, end, &viewer).await;
    added.expect("the table can be written");
    RelayStart { owner, lease_id }
}

/// Runs a relay as its own invocation would.
async fn serve(
    app: &App,
    viewer: &Viewer,
    relays: &Noted,
    start: RelayStart,
    cut_off: Option<Time>,
) -> Result<usize, StoreError> {
    let terms = Terms {
        relay: uuid::Uuid::now_v7().to_string(),
        cut_off,
        look: Duration::from_millis(200),
        nudged: Arc::<Notify>::default(),
    };
    run(app, viewer, relays, start, terms).await
}

pub(crate) fn task(id: &str, start: Start) -> Task {
    Task {
        connection: CONNECTION.to_owned(),
        owner: Owner::local(),
        lease: id.parse().expect("it is a lease's id"),
        start,
    }
}

/// Relays to one viewer, without any viewer controls.
pub(crate) async fn relay_to(
    test: &TestApp,
    viewer: &Viewer,
    task: &Task,
    stop_at: Option<Time>,
) -> Result<Outcome, log_relay::RelayError> {
    let (_wishes, heard) = watch::channel(ViewerControls::default());
    log_relay::relay(&test.app.follows, viewer, task, heard, stop_at).await
}
