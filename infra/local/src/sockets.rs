//! API Gateway's WebSocket API: viewers' connections, and what happens to them as the
//! events that the `logs` function takes.
//!
//! Here a relay is a task of this process, where on AWS it is an invocation.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use containerlease_functions::{
    app::App,
    logs::{self, RelayStart, Relays, StartFailed},
};
use containerlease_shared::{
    relay::{Connections, PostError},
    time::Time,
};
use http::{HeaderMap, StatusCode};
use lambda_http::{Body, Response};
use serde_json::{Map, Value};
use tokio::{sync::mpsc, task::AbortHandle};

use crate::event::{headers, socket_event};

/// How many frames may wait for a viewer. When they are full the relay waits, and with it
/// the reading of the container's log.
const FRAMES_WAITING: usize = 16;

/// How often a viewer's computer is asked whether it is still there.
const PING: Duration = Duration::from_secs(30);

/// All connections of this server.
#[derive(Clone)]
pub(crate) struct Sockets {
    app: App,
    open: Arc<Mutex<HashMap<String, Open>>>,
    /// Relays to start. They are started by a task of their own, and not by who asks, since
    /// a relay asks for its successor.
    starts: mpsc::UnboundedSender<RelayStart>,
}

struct Open {
    frames: mpsc::Sender<Frame>,
    relay: Option<AbortHandle>,
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
            starts,
        };
        let relaying = sockets.clone();
        tokio::spawn(async move {
            while let Some(start) = asked.recv().await {
                relaying.spawn_relay(start, relay_time);
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
        let open = Open {
            frames: sender,
            relay: None,
        };
        self.with_open(|all| all.insert(id.clone(), open));
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
        let all = self.with_open(std::mem::take);
        for open in all.into_values() {
            if let Some(relay) = open.relay {
                relay.abort();
            }
            // A viewer who has frames waiting sees the connection end without a reason.
            let frame = Frame::Close(close_frame(close_code::AWAY, "the server stops"));
            drop(open.frames.try_send(frame));
        }
    }

    async fn handle(&self, event: Value) -> Response<Body> {
        match serde_json::from_value(event) {
            Ok(event) => logs::handle(&self.app, self, self, &event).await,
            Err(error) => unreachable!("the event is made here: {error}"),
        }
    }

    fn spawn_relay(&self, start: RelayStart, relay_time: Option<Duration>) {
        let sockets = self.clone();
        let connection = start.connection_id.clone();
        // The map is locked first, so that a relay that ends at once finds itself there.
        self.with_open(|all| {
            let Some(open) = all.get_mut(&connection) else {
                return;
            };
            let task = tokio::spawn(async move {
                let cut_off = relay_time.map(|time| Time::now().plus(time));
                // What went wrong is in the log, and the viewer's client connects again.
                drop(logs::relay(&sockets.app, &sockets, &sockets, start, cut_off).await);
            });
            open.relay = Some(task.abort_handle());
        });
    }

    fn with_open<T>(&self, work: impl FnOnce(&mut HashMap<String, Open>) -> T) -> T {
        // The map is whole after every change, so a panic elsewhere has not broken it.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut open)
    }

    async fn send(&self, connection: &str, frame: Frame) -> Result<(), PostError> {
        let frames = self.with_open(|all| all.get(connection).map(|open| open.frames.clone()));
        let frames = frames.ok_or(PostError::Gone)?;
        frames.send(frame).await.map_err(|_| PostError::Gone)
    }
}

impl Connections for Sockets {
    async fn post(&self, connection: &str, frame: String) -> Result<(), PostError> {
        self.send(connection, Frame::Text(frame)).await
    }

    async fn close(&self, connection: &str) -> Result<(), PostError> {
        let frame = Frame::Close(close_frame(close_code::NORMAL, ""));
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
    /// However a connection ends, and whether or not it was ever open: its relay ends too.
    fn drop(&mut self) {
        let open = self.sockets.with_open(|all| all.remove(&self.id));
        if let Some(relay) = open.and_then(|open| open.relay) {
            relay.abort();
        }
    }
}

fn close_frame(code: u16, reason: &'static str) -> CloseFrame {
    CloseFrame {
        code,
        reason: reason.into(),
    }
}
