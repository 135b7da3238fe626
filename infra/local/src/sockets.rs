//! API Gateway's WebSocket API: viewers' connections, and what happens to them as the
//! events that the `logs` function takes.
//!
//! Here a relay is a task of this process, where on AWS it is an invocation.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use containerlease_functions::{
    app::App,
    logs,
    relay::{self, RelayStart, Relays, StartFailed, Terms},
};
use containerlease_shared::{
    names::LeaseId,
    relay::{Closing, Connections, PostError},
    time::Time,
};
use http::{HeaderMap, StatusCode};
use lambda_http::{Body, Response};
use serde_json::{Map, Value};
use tokio::{
    sync::{Notify, mpsc},
    task::AbortHandle,
};

use crate::event::{headers, socket_event};

/// How many frames may wait for a viewer. When they are full the relay waits, and with it
/// the reading of the container's log.
const FRAMES_WAITING: usize = 16;

/// How often a viewer's computer is asked whether it is still there.
const PING: Duration = Duration::from_secs(30);

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
    /// The connections' other ends.
    open: Arc<Mutex<HashMap<String, mpsc::Sender<Frame>>>>,
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

enum Frame {
    Text(String),
    Close(CloseFrame),
}

/// A connection that `$connect` has let in and that is not open yet.
pub(crate) struct Connection {
    id: String,
    sockets: Sockets,
    frames: mpsc::Receiver<Frame>,
}

impl Sockets {
    /// No connections yet. `relay_time` is how long one relay runs before its successor.
    pub(crate) fn start(app: App, relay_time: Option<Duration>) -> Self {
        let (starts, mut asked) = mpsc::unbounded_channel::<RelayStart>();
        let sockets = Self {
            app,
            open: Arc::default(),
            running: Arc::default(),
            starts,
        };
        let relaying = sockets.clone();
        tokio::spawn(async move {
            while let Some(start) = asked.recv().await {
                relaying.start_relay(start, relay_time);
            }
        });
        sockets
    }

    /// Asks the `$connect` route for a new connection; or its refusal.
    pub(crate) async fn connect(
        &self,
        query: Map<String, Value>,
        with: &HeaderMap,
    ) -> Result<Connection, Response<Body>> {
        let id = uuid::Uuid::now_v7().to_string();
        let (sender, frames) = mpsc::channel(FRAMES_WAITING);
        lock(&self.open).insert(id.clone(), sender);
        let connection = Connection {
            id,
            sockets: self.clone(),
            frames,
        };
        let mut event = socket_event(&connection.id, "$connect", "CONNECT");
        event["headers"] = Value::Object(headers(with));
        event["queryStringParameters"] = Value::Object(query);
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
        for frames in std::mem::take(&mut *lock(&self.open)).into_values() {
            // A viewer who has frames waiting sees the connection end without a reason.
            let frame = Frame::Close(close_frame(close_code::AWAY, "the server stops"));
            drop(frames.try_send(frame));
        }
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
            let ended = relay::run(&self.app, &self, &self, start.clone(), terms).await;
            if let Err(error) = ended {
                tracing::warn!(lease = %start.lease_id, %error, "a relay could not go on");
            }
            let mut all = lock(&self.running);
            match all.get_mut(&start.lease_id) {
                Some(running) if running.asked_again => running.asked_again = false,
                _ => {
                    all.remove(&start.lease_id);
                    return;
                }
            }
        }
    }

    async fn send(&self, connection: &str, frame: Frame) -> Result<(), PostError> {
        let frames = lock(&self.open).get(connection).cloned();
        let frames = frames.ok_or(PostError::Gone)?;
        frames.send(frame).await.map_err(|_| PostError::Gone)
    }
}

impl Connections for Sockets {
    async fn post(&self, connection: &str, frame: String) -> Result<(), PostError> {
        self.send(connection, Frame::Text(frame)).await
    }

    async fn close(&self, connection: &str, why: Option<Closing>) -> Result<(), PostError> {
        let frame = Frame::Close(match why {
            None => close_frame(close_code::NORMAL, ""),
            Some(why) => close_frame(why.code(), why.sentence()),
        });
        match self.send(connection, frame).await {
            Ok(()) | Err(PostError::Gone) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Relays for Sockets {
    async fn start(&self, start: RelayStart) -> Result<(), StartFailed> {
        self.starts
            .send(start)
            .map_err(|_| StartFailed("the server stops".to_owned()))
    }

    fn nudge(&self, lease: &LeaseId) {
        if let Some(running) = lock(&self.running).get(lease) {
            running.nudged.notify_one();
        }
    }
}

impl Connection {
    /// Carries frames and messages until one side closes.
    pub(crate) async fn run(mut self, mut socket: WebSocket) {
        let mut pings = tokio::time::interval(PING);
        pings.tick().await;
        loop {
            tokio::select! {
                frame = self.frames.recv() => match frame {
                    Some(Frame::Text(text)) => {
                        if socket.send(Message::Text(text.into())).await.is_err() {
                            break;
                        }
                    }
                    Some(Frame::Close(frame)) => {
                        // The other side may be gone; then there is nobody to tell.
                        drop(socket.send(Message::Close(Some(frame))).await);
                        break;
                    }
                    None => break,
                },
                message = socket.recv() => match message {
                    Some(Ok(Message::Text(text))) => {
                        let mut event = socket_event(&self.id, "$default", "MESSAGE");
                        event["body"] = Value::from(text.as_str());
                        self.sockets.handle(event).await;
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                    Some(Ok(_)) => {}
                },
                _ = pings.tick() => {
                    if socket.send(Message::Ping(bytes::Bytes::new())).await.is_err() {
                        break;
                    }
                }
            }
        }
        self.sockets
            .handle(socket_event(&self.id, "$disconnect", "DISCONNECT"))
            .await;
    }
}

impl Drop for Connection {
    /// However a connection ends, and whether or not it was ever open: posts to it fail now.
    fn drop(&mut self) {
        lock(&self.sockets.open).remove(&self.id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The maps are whole after every change, so a panic elsewhere has not broken them.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn close_frame(code: u16, reason: &'static str) -> CloseFrame {
    CloseFrame {
        code,
        reason: reason.into(),
    }
}
