//! One connection to a lease's log: opened, and read frame by frame.

use std::{fmt, time::Duration};

use futures_util::StreamExt;
use http::header::AUTHORIZATION;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
    tungstenite::{Message, Utf8Bytes, client::IntoClientRequest as _, protocol::WebSocketConfig},
};

use crate::{failure::Failure, server::Server};

/// Time limit for opening a connection. A cold start of the function takes a few seconds.
const OPEN_LIMIT: Duration = Duration::from_secs(15);

/// The largest frame accepted, in bytes. The server's frames are at most an eighth of it.
const FRAME_LIMIT: usize = 1024 * 1024;

/// A connection to a lease's log. The client sends nothing over it.
pub struct Connection {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    opened: Instant,
}

/// What a connection brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    Frame(Utf8Bytes),
    /// No frame came in the given time.
    Silence,
    /// The connection is closed, with a code if the server gave one.
    Closed(Option<u16>),
}

impl Connection {
    /// Opens a connection to the log at `url`, of `server`.
    pub async fn open(server: &Server, connector: &Connector, url: &str) -> Result<Self, Failure> {
        let config = WebSocketConfig::default()
            .max_message_size(Some(FRAME_LIMIT))
            .max_frame_size(Some(FRAME_LIMIT));
        let request = url.into_client_request();
        let mut request = request.map_err(|error| Failure::to_connect(server, error))?;
        if let Some(caller) = server.authorization() {
            request.headers_mut().insert(AUTHORIZATION, caller);
        }
        let opening =
            connect_async_tls_with_config(request, Some(config), false, Some(connector.clone()));
        match timeout(OPEN_LIMIT, opening).await {
            Ok(Ok((socket, _))) => Ok(Self {
                socket,
                opened: Instant::now(),
            }),
            Ok(Err(error)) => Err(Failure::to_connect(server, error)),
            Err(_) => Err(Failure::NoAnswer {
                server: server.clone(),
                seconds: OPEN_LIMIT.as_secs(),
            }),
        }
    }

    /// How long it has been open.
    pub fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// The next frame, if one comes within `patience`. A ping does not count: it shows that the
    /// connection works, not that the log is still relayed.
    pub async fn next(&mut self, patience: Duration) -> Received {
        let until = Instant::now() + patience;
        loop {
            match timeout_at(until, self.socket.next()).await {
                Err(_) => return Received::Silence,
                Ok(Some(Ok(Message::Text(frame)))) => return Received::Frame(frame),
                Ok(Some(Ok(Message::Close(close)))) => {
                    return Received::Closed(close.map(|close| close.code.into()));
                }
                Ok(Some(Err(_)) | None) => return Received::Closed(None),
                Ok(Some(Ok(_))) => {}
            }
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}
