//! API Gateway's WebSocket API: viewers' connections, and what happens to them as the
//! events that the `logs` function takes.
//!
//! Here a relay is a task of this process, where on AWS it is an invocation.
//!
//! A connection has two sides that do not wait for each other: one writes the frames that
//! wait for the viewer, and one reads what the viewer says. What answers a viewer puts a frame
//! among those that wait, so the side that takes them out must never wait for an answer. A
//! viewer that takes nothing for long is let go, and whoever closes a connection waits for
//! nobody: a slow viewer keeps up itself alone.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::extract::ws::{Message, WebSocket, close_code};
use containerlease_functions::{
    answer::problem_response,
    app::App,
    logs,
    problem::Problem,
    relay::{self, RelayStart, Relays, StartFailed, Terms},
};
use containerlease_shared::{
    names::LeaseId,
    relay::{Closing, Connections, PostError},
    time::Time,
};
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

/// How many frames may wait for a viewer. When they are full the relay waits, and with it
/// the reading of the container's log.
const FRAMES_WAITING: usize = 16;

/// How many viewers there may be at once. Each has frames that wait, and a descriptor.
const VIEWERS: usize = 1_000;

/// How often a viewer's computer is asked whether it is still there.
const PING: Duration = Duration::from_secs(30);

/// How long a viewer may take to take one frame. Who has not by then is let go; its client
/// connects again with its cursor and has missed nothing.
const WRITE_LIMIT: Duration = Duration::from_secs(60);

/// How long nothing may come from a viewer's computer, which answers each ping by itself as
/// soon as it reads.
const SILENCE: Duration = Duration::from_secs(90);

/// How long the other side may take to say that it has seen the connection close.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// How long a relay that has panicked waits before it begins again.
const RELAY_PAUSE: Duration = Duration::from_secs(1);

/// How often a relay looks for viewers that came or left. It is told of each; this is for
/// what was written before the server was started anew.
const LOOK: Duration = Duration::from_secs(15);

/// The name of every relay here: a log has one at a time, and one of a server that was
/// killed is not waited for.
const RELAY: &str = "local";

/// All connections of this server.
#[derive(Clone)]
pub(crate) struct Sockets {
    app: App,
    tasks: Tasks,
    /// The connections' other ends.
    open: Arc<Mutex<HashMap<String, Viewer>>>,
    /// Cancelled when the server stops.
    stop: CancellationToken,
    running: Arc<Mutex<HashMap<LeaseId, Running>>>,
    /// Relays to start. They are started by a task of their own, and not by who asks, since
    /// a relay asks for its successor.
    starts: mpsc::UnboundedSender<RelayStart>,
}

/// The relay of a log.
struct Running {
    nudged: Arc<Notify>,
    /// Whether it was asked for while it ran: it may have been about to end.
    asked_again: bool,
    task: AbortHandle,
}

/// The other end of a viewer's connection. Without it the connection closes, once what waits
/// has been written.
struct Viewer {
    frames: mpsc::Sender<String>,
    /// Why it closes, if that is not normal.
    why: Reason,
}

/// Why a connection is closed, from whoever closes it.
type Reason = Arc<Mutex<Option<Closing>>>;

/// A connection that `$connect` has let in, whether or not it is open yet.
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

    /// Asks the `$connect` route for a new connection; or its refusal.
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
            Ok(event) => logs::handle(&self.app, self, self, &event).await,
            Err(error) => unreachable!("the event is made here: {error}"),
        }
    }

    /// Starts the relay of a log, or tells the one that runs that there is a new viewer.
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
        // The map is locked, so a relay that ends at once finds itself there.
        let task = tokio::spawn(relaying).abort_handle();
        let running = Running {
            nudged,
            asked_again: false,
            task,
        };
        all.insert(lease, running);
    }

    /// Relays a log until nobody asks for it any more.
    async fn relay(self, start: RelayStart, relay_time: Option<Duration>, nudged: Arc<Notify>) {
        loop {
            let terms = Terms {
                relay: RELAY.to_owned(),
                cut_off: relay_time.map(|time| Time::now().plus(time)),
                look: LOOK,
                nudged: Arc::clone(&nudged),
            };
            let relaying = relay::run(&self.app, &self, &self, start.clone(), terms);
            // Nothing of ours is half changed by a panic in there: what a relay knows is in
            // the table, and the next one sends away whom it finds served.
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
    /// Carries frames and messages until one side closes.
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
                    // Who hangs up on what was sent last may keep it from the viewer.
                    let rest = async { while let Some(Ok(_)) = from.next().await {} };
                    drop(timeout(CLOSE_LIMIT, rest).await);
                }
            }
            ended = read(id, sockets, &mut from) => {
                if let Some(frame) = ended.farewell() {
                    let said = timeout(CLOSE_LIMIT, to.send(Message::Close(Some(frame)))).await;
                    if matches!(said, Ok(Ok(()))) {
                        // Nothing more can be read, and who hangs up on what was sent last may
                        // keep it from the viewer.
                        tokio::time::sleep(CLOSE_LIMIT).await;
                    }
                }
            }
        }
    }
}

/// Writes what waits for a viewer, until its connection closes or the viewer does not take it;
/// whether the viewer was told that it closes.
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
            // What is half written cannot be followed by anything.
            () = stop.cancelled() => return false,
        };
        match written {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return false,
            Err(_) => {
                tracing::info!("let go of a viewer that takes nothing");
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

/// Has what a viewer says carried out, one message after another, until there is an end to it.
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
            // The answer to it is written before the end comes.
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
    /// However a connection ends, by a panic too, and whether or not it was ever open: posts to
    /// it fail now, and its viewer is forgotten.
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
    // The maps are whole after every change, so a panic elsewhere has not broken them.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
