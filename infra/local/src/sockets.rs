//! API Gateway's WebSocket API: viewers' connections, and the events that they give the `logs`
//! function.
//!
//! A relay is a task of this process here, and an invocation on AWS.

mod connection;

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use containerlease_domain::{identity::Identity, names::LeaseId, time::Time};
use containerlease_functions::{
    app::App,
    http::{answer::problem_response, caller::authorizer, problem::Problem},
    websocket::{
        connections,
        relay::{self, RelayStart, Relays, StartFailed, Terms},
    },
};
use containerlease_service::log_relay::{Closing, Connections, PostError};
use futures_util::FutureExt as _;
use http::{HeaderMap, StatusCode};
use lambda_http::{Body, Response};
use serde_json::Value;
use tokio::{
    sync::{Notify, mpsc},
    task::AbortHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    event::{all_of_each, headers, last_of_each, socket_event},
    tasks::{Tasks, keep_running},
};
use connection::Connection;

/// The most frames queued for a viewer. When the queue is full the relay waits, and with it the
/// reading of the container's log.
const FRAMES_WAITING: usize = 16;

/// The most viewers at once. Each has a queue and a descriptor.
const VIEWERS: usize = 1_000;

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
        caller: &Identity,
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
            caller: caller.clone(),
        };
        let mut event = socket_event(&connection.id, "$connect", "CONNECT");
        event["requestContext"]["authorizer"] = Value::Object(authorizer(caller));
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change leaves the maps complete, so a panic elsewhere cannot have broken them.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
