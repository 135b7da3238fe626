//! The simplest client of the log protocol. When it reconnects, it sends the cursor of its
//! last line, and it accepts whatever arrives. So repeated and lost lines show up here.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use containerlease_domain::names::LeaseId;
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

/// Backoff before it reconnects, from the first to the longest.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The code with which a lease's log ends.
const GONE: u16 = 4404;

/// A viewer of a lease's log.
#[derive(Debug)]
pub struct Viewer {
    pub lease: LeaseId,
    pub server: SocketAddr,
    /// The wire to the server, unless it connects directly.
    pub wire: Option<Arc<Wire>>,
    /// It reconnects after this long without data.
    pub patience: Duration,
}

/// A ledger that can be read while its reader writes it.
pub type SharedLedger = Arc<Mutex<Ledger>>;

/// A JSON object in a frame or in the command line's output.
#[derive(Debug, Deserialize)]
pub struct Object<'o> {
    event: Option<&'o str>,
    stream: Option<&'o str>,
    // A line with escapes cannot be borrowed from the frame.
    #[serde(borrow)]
    message: std::borrow::Cow<'o, str>,
    cursor: Option<&'o str>,
    code: Option<u16>,
}

/// How a connection ended.
enum End {
    /// The lease has ended, according to the last event.
    Lease,
    /// With this code.
    Closed(u16),
    /// Without a close code.
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

    /// A connection; `None` if a retry is worthwhile.
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

    /// Reads until the connection ends.
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
                // A killed server sends no close, and neither does a cut.
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
    /// Records a container's line in the ledger. Events of ours are not lines.
    pub fn note(&self, ledger: &mut Ledger, at: Instant) {
        if self.event.is_none() {
            ledger.note(self.stream == Some("stderr"), &self.message, at);
        }
    }
}

/// Locks the ledger. Ignores poisoning: every change leaves it consistent.
pub fn lock(ledger: &SharedLedger) -> std::sync::MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}
