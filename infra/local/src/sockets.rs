//! API Gateway's WebSocket API: viewers' connections, and the events that they give the `logs`
//! function.
//!
//! A relay is a task of this process here, and an invocation on AWS.
//!
//! A connection has two independent sides: one writes the viewer's queued frames, the other reads
//! what the viewer sends. Answers to a viewer are queued as frames, so the writing side must never
//! wait for an answer. A viewer that reads nothing for long is disconnected, and closing a
//! connection never waits: a slow viewer delays only itself.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::extract::ws::{Message, WebSocket, close_code};
use containerlease_domain::{names::LeaseId, time::Time};
use containerlease_functions::{
    app::App,
    http::{answer::problem_response, problem::Problem},
    websocket::{
        connections,
        relay::{self, RelayStart, Relays, StartFailed, Terms},
    },
};
use containerlease_service::log_relay::{Closing, Connections, PostError};
use futures_util::{FutureExt as _, Sink, SinkExt as _, Stream, StreamExt as _};
use http::{HeaderMap, StatusCode};
use lambda_http::{Body, Response};
use serde_json::Value;
use tokio::{
    sync::{Notify, mpsc},
    task::AbortHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    ended::{Ended, close_frame},
    event::{all_of_each, headers, last_of_each, socket_event},
    tasks::{Tasks, keep_running},
};

/// The most frames queued for a viewer. When the queue is full the relay waits, and with it the
/// reading of the container's log.
const FRAMES_WAITING: usize = 16;

/// The most viewers at once. Each has a queue and a descriptor.
const VIEWERS: usize = 1_000;

/// How often to ping a viewer.
const PING: Duration = Duration::from_secs(30);

/// How long a viewer may take to read one frame. After that it is disconnected; its client
/// reconnects with its cursor and misses nothing.
const WRITE_LIMIT: Duration = Duration::from_secs(60);

/// How long a viewer may stay silent. A client answers each ping by itself as soon as it reads.
const SILENCE: Duration = Duration::from_secs(90);

/// How long the other side may take to confirm the close.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// The pause before a relay restarts after a panic.
const RELAY_PAUSE: Duration = Duration::from_secs(1);

/// How often a relay looks for viewers that came or left. It is told of each; this finds those
/// recorded before a restart of the server.
const LOOK: Duration = Duration::from_secs(15);

/// The name of every relay here: a log has one at a time, and no server waits for the relay of one
/// that was killed.
const RELAY: &str = "local";

/// All connections of this server.
#[derive(Clone)]
pub(crate) struct Sockets {
    app: App,
    tasks: Tasks,
    /// The server's ends of the connections.
    open: Arc<Mutex<HashMap<String, Viewer>>>,
    /// Cancelled when the server stops.
    stop: CancellationToken,
    running: Arc<Mutex<HashMap<LeaseId, Running>>>,
    /// Relays to start. A separate task starts them, since a relay itself asks for its successor.
    starts: mpsc::UnboundedSender<RelayStart>,
}

/// A log's running relay.
struct Running {
    nudged: Arc<Notify>,
    /// Whether it was requested again while it ran: it may have been about to end.
    asked_again: bool,
    task: AbortHandle,
}

/// The sending end of a viewer's connection. Dropping it closes the connection once all queued
/// frames are written.
struct Viewer {
    frames: mpsc::Sender<String>,
    /// Why it closes, if not normally.
    why: Reason,
}

/// Why a connection is closed, set by the side that closes it.
type Reason = Arc<Mutex<Option<Closing>>>;

/// A connection that `$connect` has admitted, open or not.
pub(crate) struct Connection {
    id: String,
    sockets: Sockets,
    frames: mpsc::Receiver<String>,
    why: Reason,
}

impl Sockets {
    /// No connections yet. `relay_time` is how long one relay runs before its successor.
    pub(crate) fn start(app: App, tasks: Tasks, relay_time: Option<Duration>) -> Self {
        let (starts, asked) = mpsc::unbounded_channel::<RelayStart>();
        let sockets = Self {
            app,
            tasks,
            open: Arc::default(),
            stop: CancellationToken::new(),
            running: Arc::default(),
            starts,
        };
        let relaying = sockets.clone();
        let asked = Arc::new(tokio::sync::Mutex::new(asked));
        tokio::spawn(keep_running("the start of relays", move || {
            let (relaying, asked) = (relaying.clone(), Arc::clone(&asked));
            async move {
                while let Some(start) = asked.lock().await.recv().await {
                    relaying.start_relay(start, relay_time);
                }
            }
        }));
        sockets
    }

    /// Passes a new connection to the `$connect` route; returns its refusal, if any.
    pub(crate) async fn connect(
        &self,
        query: &[(String, String)],
        with: &HeaderMap,
    ) -> Result<Connection, Response<Body>> {
        let id = uuid::Uuid::now_v7().to_string();
        if lock(&self.open).len() >= VIEWERS {
            return Err(problem_response(Some(&id), &Problem::too_many_logs()));
        }
        let (sender, frames) = mpsc::channel(FRAMES_WAITING);
        let why = Reason::default();
        let viewer = Viewer {
            frames: sender,
            why: Arc::clone(&why),
        };
        lock(&self.open).insert(id.clone(), viewer);
        let connection = Connection {
            id,
            sockets: self.clone(),
            frames,
            why,
        };
        let mut event = socket_event(&connection.id, "$connect", "CONNECT");
        event["headers"] = Value::Object(headers(with));
        event["queryStringParameters"] = Value::Object(last_of_each(query));
        event["multiValueQueryStringParameters"] = Value::Object(all_of_each(query));
        let response = self.handle(event).await;
        if response.status() == StatusCode::OK {
            Ok(connection)
        } else {
            Err(response)
        }
    }

    /// Closes all connections, because the server stops.
    pub(crate) fn close_all(&self) {
        for relay in lock(&self.running).values() {
            relay.task.abort();
        }
        self.stop.cancel();
    }

    async fn handle(&self, event: Value) -> Response<Body> {
        match serde_json::from_value(event) {
            Ok(event) => connections::handle(&self.app, self, self, &event).await,
            Err(error) => unreachable!("the event is made here: {error}"),
        }
    }

    /// Starts the relay of a log, or tells the running one of a new viewer.
    fn start_relay(&self, start: RelayStart, relay_time: Option<Duration>) {
        let mut all = lock(&self.running);
        let present = all.get_mut(&start.lease_id);
        if let Some(running) = present.filter(|running| !running.task.is_finished()) {
            running.asked_again = true;
            running.nudged.notify_one();
            return;
        }
        let nudged = Arc::<Notify>::default();
        let lease = start.lease_id;
        let relaying = self.clone().relay(start, relay_time, Arc::clone(&nudged));
        // The map is locked, so a relay that ends at once still finds itself in it.
        let task = tokio::spawn(relaying).abort_handle();
        let running = Running {
            nudged,
            asked_again: false,
            task,
        };
        all.insert(lease, running);
    }

    /// Relays a log until nobody asks for it.
    async fn relay(self, start: RelayStart, relay_time: Option<Duration>, nudged: Arc<Notify>) {
        loop {
            let terms = Terms {
                relay: RELAY.to_owned(),
                cut_off: relay_time.map(|time| Time::now().plus(time)),
                look: LOOK,
                nudged: Arc::clone(&nudged),
            };
            let relaying = relay::run(&self.app, &self, &self, start.clone(), terms);
            // A panic in there leaves no state of ours half changed: a relay's state is in the
            // table, and the next relay disconnects the viewers that are recorded as served.
            let panicked = match AssertUnwindSafe(relaying).catch_unwind().await {
                Ok(Ok(_)) => false,
                Ok(Err(error)) => {
                    tracing::warn!(lease = %start.lease_id, %error, "a relay could not go on");
                    false
                }
                Err(_) => true,
            };
            if panicked {
                tokio::time::sleep(RELAY_PAUSE).await;
            }
            let mut all = lock(&self.running);
            match all.get_mut(&start.lease_id) {
                Some(running) if running.asked_again || panicked => running.asked_again = false,
                _ => {
                    all.remove(&start.lease_id);
                    return;
                }
            }
        }
    }
}

impl Connections for Sockets {
    async fn post(&self, connection: &str, frame: String) -> Result<(), PostError> {
        let frames = lock(&self.open)
            .get(connection)
            .map(|viewer| viewer.frames.clone());
        let frames = frames.ok_or(PostError::Gone)?;
        frames.send(frame).await.map_err(|_| PostError::Gone)
    }

    async fn close(&self, connection: &str, why: Option<Closing>) -> Result<(), PostError> {
        if let Some(viewer) = lock(&self.open).remove(connection) {
            *lock(&viewer.why) = why;
        }
        Ok(())
    }
}

impl Relays for Sockets {
    async fn start(&self, start: RelayStart) -> Result<(), StartFailed> {
        self.starts
            .send(start)
            .map_err(|_| StartFailed::Failed("the server stops".to_owned()))
    }

    fn nudge(&self, lease: &LeaseId) {
        if let Some(running) = lock(&self.running).get(lease) {
            running.nudged.notify_one();
        }
    }
}

impl Connection {
    /// Passes frames and messages until one side closes.
    pub(crate) async fn run(mut self, socket: WebSocket) {
        let (mut to, mut from) = socket.split();
        let Self {
            id,
            sockets,
            frames,
            why,
        } = &mut self;
        tokio::select! {
            closed = write(frames, why, &sockets.stop, &mut to) => {
                if closed {
                    // Closing at once could keep the last frames from the viewer.
                    let rest = async { while let Some(Ok(_)) = from.next().await {} };
                    drop(timeout(CLOSE_LIMIT, rest).await);
                }
            }
            ended = read(id, sockets, &mut from) => {
                if let Some(frame) = ended.farewell() {
                    let said = timeout(CLOSE_LIMIT, to.send(Message::Close(Some(frame)))).await;
                    if matches!(said, Ok(Ok(()))) {
                        // Nothing more can be read, and closing at once could keep the last frames
                        // from the viewer.
                        tokio::time::sleep(CLOSE_LIMIT).await;
                    }
                }
            }
        }
    }
}

/// Writes a viewer's queued frames, until its connection closes or it does not read them; returns
/// whether a close frame was sent.
async fn write(
    frames: &mut mpsc::Receiver<String>,
    why: &Reason,
    stop: &CancellationToken,
    to: &mut (impl Sink<Message> + Unpin),
) -> bool {
    let mut pings = tokio::time::interval(PING);
    pings.tick().await;
    loop {
        let message = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            frame = frames.recv() => match frame {
                Some(text) => Message::Text(text.into()),
                None => break,
            },
            _ = pings.tick() => Message::Ping(bytes::Bytes::new()),
        };
        let written = tokio::select! {
            written = timeout(WRITE_LIMIT, to.send(message)) => written,
            // After half a frame, nothing else can be sent.
            () = stop.cancelled() => return false,
        };
        match written {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return false,
            Err(_) => {
                tracing::info!("disconnected a viewer that reads nothing");
                return false;
            }
        }
    }
    let frame = match *lock(why) {
        _ if stop.is_cancelled() => close_frame(close_code::AWAY, "the server stops"),
        None => close_frame(close_code::NORMAL, ""),
        Some(why) => close_frame(why.code(), why.sentence()),
    };
    let told = timeout(CLOSE_LIMIT, to.send(Message::Close(Some(frame)))).await;
    matches!(told, Ok(Ok(())))
}

/// Handles a viewer's messages one after another, until one side ends.
async fn read(
    id: &str,
    sockets: &Sockets,
    from: &mut (impl Stream<Item = Result<Message, axum::Error>> + Unpin),
) -> Ended {
    loop {
        let message = match timeout(SILENCE, from.next()).await {
            Ok(Some(Ok(message))) => message,
            Ok(Some(Err(error))) => return Ended::of(error),
            Ok(None) => return Ended::Left,
            Err(_) => return Ended::Silent,
        };
        match message {
            Message::Text(text) => {
                let mut event = socket_event(id, "$default", "MESSAGE");
                event["body"] = Value::from(text.as_str());
                sockets.handle(event).await;
            }
            // The answer to it is written before the stream ends.
            Message::Close(_) => {
                let rest = async { while let Some(Ok(_)) = from.next().await {} };
                drop(timeout(CLOSE_LIMIT, rest).await);
                return Ended::Left;
            }
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) => {}
        }
    }
}

impl Drop for Connection {
    /// However a connection ends, even by a panic or before it was open: from now on posts to it
    /// fail, and its viewer is forgotten.
    fn drop(&mut self) {
        lock(&self.sockets.open).remove(&self.id);
        let sockets = self.sockets.clone();
        let event = socket_event(&self.id, "$disconnect", "DISCONNECT");
        drop(self.sockets.tasks.spawn(async move {
            sockets.handle(event).await;
        }));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change leaves the maps complete, so a panic elsewhere cannot have broken them.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
