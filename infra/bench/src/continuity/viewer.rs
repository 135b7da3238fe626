//! A client of the log protocol as simple as it can be: it gives the cursor of the last line
//! that it has when it connects again, and believes whatever comes. So what the wire repeats
//! or loses is seen here.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use containerlease_shared::names::LeaseId;
use futures_util::StreamExt as _;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message},
};

use super::{
    lines::Ledger,
    wire::{Cut, Wire},
};
use crate::Fallible;

/// How long it waits before it connects again, from the first time to the most.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The code with which a lease's log ends.
const GONE: u16 = 4404;

/// A viewer of a lease's log.
#[derive(Debug)]
pub struct Viewer {
    pub lease: LeaseId,
    pub server: SocketAddr,
    /// The wire over which it sees the server, if it does not see it directly.
    pub wire: Option<Arc<Wire>>,
    /// After so long without anything it connects again.
    pub patience: Duration,
}

/// A ledger that a reader writes and that is looked at meanwhile.
pub type SharedLedger = Arc<Mutex<Ledger>>;

/// An object of a frame, or of the command line's output.
#[derive(Debug, Deserialize)]
pub struct Object<'o> {
    event: Option<&'o str>,
    stream: Option<&'o str>,
    // A line may have escapes, and then it is not a part of the frame.
    #[serde(borrow)]
    message: std::borrow::Cow<'o, str>,
    cursor: Option<&'o str>,
    code: Option<u16>,
}

/// How a connection ended.
enum End {
    /// The lease has ended, as the last event said.
    Lease,
    /// With this code.
    Closed(u16),
    /// Without one.
    Broken,
    Silent,
}

impl Viewer {
    /// Follows the log until its lease ends.
    pub async fn follow(self, ledger: SharedLedger) -> Fallible<()> {
        let mut cursor = None;
        let mut pause = PAUSE;
        loop {
            match self.connect(cursor.as_deref()).await? {
                Some(mut socket) => {
                    let before = cursor.clone();
                    let cause = match self.read(&mut socket, &mut cursor, &ledger).await? {
                        End::Lease => return Ok(()),
                        End::Closed(GONE) => return Err("the lease is gone".into()),
                        End::Closed(code) => format!("after close {code}"),
                        End::Silent => self.cause("after silence"),
                        End::Broken => self.cause("after a kill"),
                    };
                    lock(&ledger).interrupted(&cause);
                    if cursor != before {
                        pause = PAUSE;
                    }
                }
                None => pause = (pause * 2).min(LONGEST_PAUSE),
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// A connection; none where it is worth trying again.
    async fn connect(
        &self,
        cursor: Option<&str>,
    ) -> Fallible<Option<WebSocketStream<MaybeTlsStream<TcpStream>>>> {
        let address = self
            .wire
            .as_ref()
            .map_or(self.server, |wire| wire.address());
        let mut url = reqwest::Url::parse(&format!("ws://{address}/ws/logs/{}", self.lease))?;
        if let Some(cursor) = cursor {
            url.query_pairs_mut().append_pair("cursor", cursor);
        }
        match tokio::time::timeout(self.patience, connect_async(url.as_str())).await {
            Ok(Ok((socket, _))) => Ok(Some(socket)),
            Ok(Err(tungstenite::Error::Http(refusal))) if refusal.status().is_client_error() => {
                let body = refusal.body().as_deref().unwrap_or_default();
                let body = String::from_utf8_lossy(body);
                Err(format!("the viewer is refused: {} {body}", refusal.status()).into())
            }
            Ok(Err(_)) | Err(_) => Ok(None),
        }
    }

    /// Takes what comes until the connection ends.
    async fn read(
        &self,
        socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>,
        cursor: &mut Option<String>,
        ledger: &SharedLedger,
    ) -> Fallible<End> {
        let mut announced = None;
        let mut has_ended = false;
        loop {
            let message = tokio::time::timeout(self.patience, socket.next()).await;
            let text = match message {
                Err(_) => return Ok(End::Silent),
                Ok(Some(Ok(Message::Text(text)))) => text,
                Ok(Some(Ok(Message::Close(frame)))) => {
                    announced = announced.or(frame.map(|frame| frame.code.into()));
                    continue;
                }
                Ok(Some(Ok(_))) => continue,
                // A server that is killed says nothing, and neither does a cut.
                Ok(None | Some(Err(_))) => {
                    return Ok(match announced {
                        _ if has_ended => End::Lease,
                        Some(code) => End::Closed(code),
                        None => End::Broken,
                    });
                }
            };
            let now = Instant::now();
            let mut ledger = lock(ledger);
            for line in text.lines() {
                let object: Object<'_> = serde_json::from_str(line)
                    .map_err(|error| format!("{error} in {line:?} of a frame"))?;
                match object.event {
                    None => {
                        object.note(&mut ledger, now);
                        *cursor = object.cursor.map(str::to_owned).or(cursor.take());
                    }
                    Some("ended") => has_ended = true,
                    Some("closing") => announced = object.code,
                    Some(_) => {}
                }
            }
        }
    }

    fn cause(&self, otherwise: &'static str) -> String {
        let cut = self.wire.as_ref().and_then(|wire| wire.last_cut());
        cut.map_or(otherwise, Cut::name).to_owned()
    }
}

impl Object<'_> {
    /// Puts a line of the container's into the ledger; an event of ours is none.
    pub fn note(&self, ledger: &mut Ledger, at: Instant) {
        if self.event.is_none() {
            ledger.note(self.stream == Some("stderr"), &self.message, at);
        }
    }
}

/// The ledger, which is whole after every change.
pub fn lock(ledger: &SharedLedger) -> std::sync::MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}
