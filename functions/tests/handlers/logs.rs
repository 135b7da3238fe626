//! The WebSocket API's routes, and the relay that carries a log to a viewer.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use containerlease_domain::{
    logs::{Cursor, Start, Tail},
    names::Owner,
    time::Time,
};
use containerlease_functions::{
    app::App,
    websocket::{
        connections,
        relay::{RelayStart, Relays, StartFailed, Terms, run},
    },
};
use containerlease_service::{
    log_relay::{self, Closing, Connections, Outcome, PostError, Task, ViewerControls},
    store::{StoreError, Viewer as Watching},
};
use containerlease_testkit::{
    Fault, TestApp,
    events::{Answer, Event, saved, saved_for},
};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

use crate::{SECOND, alpine_with, inspect, lease, wait_for};

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

/// A program that numbers its lines on both streams for about eight seconds, in bursts.
const NUMBERED: &str = "i=0; while [ $i -lt 600 ]; do echo out $i; echo err $i >&2; \
                        i=$((i+1)); [ $((i % 10)) = 0 ] && sleep 0.1; done; sleep 60";

async fn numbered(test: &TestApp) -> String {
    let command = serde_json::json!({"command": ["sh", "-c", NUMBERED]});
    let answer = alpine_with(command).provision(&test.app).await;
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
async fn the_saved_events_are_read_as_what_they_are() {
    for name in [
        "logs-connect",
        "logs-connect-signed-in",
        "logs-message",
        "logs-disconnect",
    ] {
        let read: ApiGatewayWebsocketProxyRequest = serde_json::from_value(saved(name)).unwrap();
        let context = &read.request_context;
        assert!(
            context.route_key.is_some() && context.connection_id.is_some(),
            "{name}"
        );
        assert!(
            serde_json::from_value::<RelayStart>(saved(name)).is_err(),
            "{name}"
        );
    }
    assert!(serde_json::from_value::<RelayStart>(saved("relay")).is_ok());
}

#[tokio::test]
async fn a_connection_starts_a_relay_for_its_owner_after_its_cursor() {
    let test = TestApp::new().await;
    let answer = Event::saved("provision-signed-in")
        .provision(&test.app)
        .await;
    let (viewer, noted) = (Viewer::default(), Noted::default());
    let mut event = saved_for("logs-connect-signed-in", &answer.id());
    event["queryStringParameters"]["cursor"] = Value::from("1795512600123456789.0_0");
    let all = &mut event["multiValueQueryStringParameters"];
    all["cursor"] = json!(["1795512600123456789.0_0"]);
    for (name, values) in [("cursor", json!(["1", "1"])), ("curser", json!(["1"]))] {
        let mut wrong = event.clone();
        wrong["multiValueQueryStringParameters"][name] = values;
        let wrong = serde_json::from_value(wrong).unwrap();
        let refused = connections::handle(&test.app, &viewer, &noted, &wrong).await;
        assert_eq!(Answer::of(&refused).problem(), "invalid-query");
    }
    let event = serde_json::from_value(event).unwrap();
    let opened = connections::handle(&test.app, &viewer, &noted, &event).await;
    assert_eq!(Answer::of(&opened).status, 200);
    let starts = noted.all();
    assert_eq!(starts.len(), 1);
    assert_eq!(
        starts[0].owner.as_str(),
        "3f2a8c1e-7b4d-4e5f-9a6b-1c2d3e4f5a6b"
    );
    assert_eq!(starts[0].lease_id.to_string(), answer.id());
    let (viewers, _) = test.app.store.viewers(&starts[0].lease_id).await.unwrap();
    assert_eq!(viewers.len(), 1);
    assert_eq!(viewers[0].connection, "CHm3acPwliACFYg=");
    let after = "1795512600123456789.0_0".parse().unwrap();
    assert_eq!(viewers[0].start, Start::After(after));
    assert!(
        viewer.lines().is_empty(),
        "nothing may be posted before it is open"
    );
}

#[tokio::test]
async fn a_message_is_answered_and_a_disconnect_accepted() {
    let test = TestApp::new().await;
    let (viewer, noted) = (Viewer::default(), Noted::default());
    for body in ["{\"action\":\"ping\"}", "ping", "hello", "{}"] {
        let mut event = saved("logs-message");
        event["body"] = Value::from(body);
        let event = serde_json::from_value(event).unwrap();
        let answer = connections::handle(&test.app, &viewer, &noted, &event).await;
        assert_eq!(Answer::of(&answer).status, 200, "{body}");
    }
    let events: Vec<_> = viewer
        .lines()
        .iter()
        .map(|line| line["event"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(events, ["pong", "pong", "error", "error"]);
    let event = serde_json::from_value(saved("logs-disconnect")).unwrap();
    let answer = connections::handle(&test.app, &viewer, &noted, &event).await;
    assert_eq!(Answer::of(&answer).status, 200);
    assert_eq!(noted.all(), []);
}

#[tokio::test]
async fn a_view_begins_with_the_last_lines_or_at_a_time() {
    let test = TestApp::new().await;
    let command = "i=0; while [ $i -lt 50 ]; do echo $i; i=$((i+1)); done; sleep 60";
    let command = serde_json::json!({"command": ["sh", "-c", command]});
    let id = alpine_with(command).provision(&test.app).await.id();
    let all = Viewer::default();
    let seen = async |viewer: &Viewer, start: Start, lines: usize| {
        let task = task(&id, start);
        tokio::select! {
            ended = relay_to(&test, viewer, &task, None) => panic!("{ended:?}"),
            () = wait_for("the lines are there", async || {
                viewer.messages("stdout").len() >= lines
            }) => {}
        }
        viewer.messages("stdout")
    };
    let numbers = |from: usize| (from..50).map(|i| i.to_string()).collect::<Vec<_>>();
    assert_eq!(seen(&all, Start::with_all(), 50).await, numbers(0));
    let tail = |lines| Start::With {
        tail: Tail::Lines(lines),
        since: None,
    };
    for lines in [1, 10, 50, 10_000] {
        let viewer = Viewer::default();
        let last = lines.min(50);
        let seen = seen(&viewer, tail(lines), last as usize).await;
        assert_eq!(seen, numbers(50 - last as usize), "tail={lines}");
    }
    let since = Start::With {
        tail: Tail::All,
        since: Some(Time::now()),
    };
    for start in [tail(0), since] {
        let viewer = Viewer::default();
        let task = task(&id, start);
        let relay = relay_to(&test, &viewer, &task, None);
        assert!(tokio::time::timeout(SECOND, relay).await.is_err());
        assert_eq!(viewer.messages("stdout"), Vec::<String>::new());
    }
}

#[tokio::test]
async fn many_viewers_share_one_follow_and_each_has_its_own_backlog() {
    let test = TestApp::new().await;
    let id = numbered(&test).await;
    let (first, late) = (Viewer::default(), Viewer::default());
    let whole = task(&id, Start::with_all());
    let counts = test.app.follows.counts();
    let most = AtomicUsize::new(0);
    let late_ones = async {
        wait_for("the first line is there", async || {
            first.messages("stdout").len() > 100
        })
        .await;
        relay_to(&test, &late, &whole, None).await
    };
    tokio::select! {
        ended = relay_to(&test, &first, &whole, None) => panic!("{ended:?}"),
        ended = late_ones => panic!("{ended:?}"),
        () = wait_for("all lines are there", async || {
            let reads = usize::try_from(counts.reads.load(Ordering::Relaxed)).unwrap_or(0);
            most.fetch_max(reads, Ordering::Relaxed);
            [&first, &late].iter().all(|viewer| viewer.messages("stderr").len() >= 600)
        }) => {}
    }
    assert_complete(&first);
    assert_complete(&late);
    let most = most.load(Ordering::Relaxed);
    assert!(most <= 2, "{most} logs were read at once for one container");
    wait_for("nothing is read any more", async || {
        counts.reads.load(Ordering::Relaxed) == 0 && counts.viewers.load(Ordering::Relaxed) == 0
    })
    .await;
}

#[tokio::test]
async fn a_viewer_that_pauses_misses_nothing() {
    let test = TestApp::new().await;
    let id = numbered(&test).await;
    let viewer = Viewer::default();
    let whole = task(&id, Start::with_all());
    let (controls, heard) = watch::channel(ViewerControls::default());
    let relay = log_relay::relay(&test.app.follows, &viewer, &whole, heard, None);
    let pauses = async {
        let lines = || viewer.messages("stdout").len();
        wait_for("the first lines are there", async || lines() > 50).await;
        controls.send_modify(|controls| controls.paused = true);
        wait_for("it is paused", async || !viewer.events("paused").is_empty()).await;
        let at = lines();
        tokio::time::sleep(2 * SECOND).await;
        assert_eq!(lines(), at, "lines came in spite of the pause");
        controls.send_modify(|controls| controls.paused = false);
        wait_for("all lines are there", async || {
            lines() >= 600 && viewer.messages("stderr").len() >= 600
        })
        .await;
    };
    tokio::select! {
        ended = relay => panic!("{ended:?}"),
        () = pauses => {}
    }
    assert_eq!(viewer.events("resumed").len(), 1);
    assert_complete(&viewer);
}

#[tokio::test]
async fn a_viewer_may_skip_what_it_has_not_read() {
    let test = TestApp::new().await;
    let command = "i=0; while [ $i -lt 20000 ]; do echo \"$i 0123456789012345678901234567890123456789\"; \
                   i=$((i+1)); done; touch /tmp/done; sleep 5; echo after; sleep 60";
    let command = serde_json::json!({"command": ["sh", "-c", command]});
    let id = alpine_with(command).provision(&test.app).await.id();
    let viewer = Viewer::default();
    let whole = task(&id, Start::with_all());
    let (controls, heard) = watch::channel(ViewerControls::default());
    let relay = log_relay::relay(&test.app.follows, &viewer, &whole, heard, None);
    let skips = async {
        wait_for("the first lines are there", async || {
            !viewer.messages("stdout").is_empty()
        })
        .await;
        // The viewer reads nothing until all is written, and then skips it.
        let stuck = viewer.reads.lock().await;
        tokio::time::sleep(3 * SECOND).await;
        controls.send_modify(|controls| controls.skips = 1);
        drop(stuck);
        wait_for("the last line is there", async || {
            viewer
                .messages("stdout")
                .last()
                .is_some_and(|line| line == "after")
        })
        .await;
    };
    tokio::select! {
        ended = relay => panic!("{ended:?}"),
        () = skips => {}
    }
    let skipped = viewer.events("skipped");
    assert_eq!(skipped.len(), 1, "{skipped:?}");
    let skipped = usize::try_from(skipped[0]["lines"].as_u64().unwrap()).unwrap();
    assert!(skipped > 0, "nothing was skipped");
    // Each line either came or was counted as skipped.
    assert_eq!(viewer.messages("stdout").len() + skipped, 20_001);
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

pub(crate) async fn leased(test: &TestApp, script: &str) -> String {
    let command = serde_json::json!({"command": ["sh", "-c", script]});
    let answer = alpine_with(command).provision(&test.app).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.id()
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
