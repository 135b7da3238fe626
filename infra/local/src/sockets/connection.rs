//! A viewer's connection.
//!
//! It has two independent sides: one writes the viewer's queued frames, the other reads what the
//! viewer sends. Answers to a viewer are queued as frames, so the writing side must never wait for
//! an answer. A viewer that reads nothing for long is disconnected, and closing a connection never
//! waits: a slow viewer delays only itself.

use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, close_code};
use containerlease_domain::{identity::Identity, time::Time};
use containerlease_functions::http::caller::identify_again;
use containerlease_service::store::Store;
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use serde_json::Value;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{Reason, Sockets, lock};
use crate::{
    ended::{Ended, close_frame},
    event::socket_event,
};

/// How often to ping a viewer.
const PING: Duration = Duration::from_secs(30);

/// How long a viewer may take to read one frame. After that it is disconnected; its client
/// reconnects with its cursor and misses nothing.
const WRITE_LIMIT: Duration = Duration::from_secs(60);

/// How long a viewer may stay silent. A client answers each ping by itself as soon as it reads.
const SILENCE: Duration = Duration::from_secs(90);

/// How often a viewer's token is looked at. A revoked one closes its connections within five
/// seconds. The look is one into memory.
const TOKEN_LOOK: Duration = Duration::from_secs(4);

/// How long the other side may take to confirm the close.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// A connection that `$connect` has admitted, open or not.
pub(crate) struct Connection {
    pub(super) id: String,
    pub(super) sockets: Sockets,
    pub(super) frames: mpsc::Receiver<String>,
    pub(super) why: Reason,
    /// Who opened it. The connection ends with the caller's token.
    pub(super) caller: Identity,
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
            caller,
        } = &mut self;
        tokio::select! {
            closed = write(frames, why, &sockets.stop, &mut to) => {
                if closed {
                    // Closing at once could keep the last frames from the viewer.
                    let rest = async { while let Some(Ok(_)) = from.next().await {} };
                    drop(timeout(CLOSE_LIMIT, rest).await);
                }
            }
            ended = read(id, sockets, caller, &mut from) => {
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

/// Handles a viewer's messages one after another, until one side or its token ends.
async fn read(
    id: &str,
    sockets: &Sockets,
    caller: &Identity,
    from: &mut (impl Stream<Item = Result<Message, axum::Error>> + Unpin),
) -> Ended {
    let signed_out = signed_out(&sockets.app.store, caller);
    tokio::pin!(signed_out);
    loop {
        let message = tokio::select! {
            message = timeout(SILENCE, from.next()) => message,
            ended = &mut signed_out => return ended,
        };
        let message = match message {
            Ok(Some(Ok(message))) => message,
            Ok(Some(Err(error))) => return Ended::of(error),
            Ok(None) => return Ended::Left,
            Err(_) => return Ended::Silent,
        };
        match message {
            Message::Text(text) => {
                let mut event = socket_event(id, "$default", "MESSAGE");
                event["body"] = Value::from(text.as_str());
                // An answer may wait for a viewer that reads slowly.
                tokio::select! {
                    _ = sockets.handle(event) => {}
                    ended = &mut signed_out => return ended,
                }
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

/// Returns once the caller's token has ended; never for a caller without one.
async fn signed_out(store: &Store, caller: &Identity) -> Ended {
    loop {
        let left = caller.until.map(|end| Time::now().until(end));
        tokio::time::sleep(left.map_or(TOKEN_LOOK, |left| left.min(TOKEN_LOOK))).await;
        if identify_again(store, caller).await.is_err() {
            return Ended::SignedOut;
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
