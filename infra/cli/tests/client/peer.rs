//! A scripted server, for what a real one does not do on request.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tokio_tungstenite::{
    WebSocketStream, accept_async,
    tungstenite::{Message, protocol::CloseFrame},
};

/// One step of a script.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Sends a text frame of these lines.
    Say(Vec<String>),
    Close(u16),
    /// Does nothing for a while.
    Wait(Duration),
    /// Drops the connection without a close frame.
    Drop,
    /// Answers the request with this status and body instead of opening a WebSocket. The body may
    /// follow a moment after the head.
    Answer {
        status: &'static str,
        body: &'static str,
        apart: bool,
    },
}

/// A server, until it is dropped.
pub(crate) struct Peer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl Peer {
    /// A server that plays one list per connection, and the last list on all later ones. At the end
    /// of a list the connection stays open.
    pub(crate) async fn playing(lists: Vec<Vec<Act>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.expect("there is a free loopback port");
        let address = listener.local_addr().expect("a listener has an address");
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let noted = Arc::clone(&asked);
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let Some(asked) = request_of(&stream).await else {
                    continue;
                };
                let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
                let list = lists.get(noted.len()).or(lists.last()).cloned();
                noted.push(asked);
                connections.spawn(play(stream, list.unwrap_or_default()));
            }
        });
        Self {
            address,
            asked,
            serving,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Path and query of each request so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Path and query of a request, without consuming it.
async fn request_of(stream: &TcpStream) -> Option<String> {
    let mut head = [0; 4096];
    let length = stream.peek(&mut head).await.ok()?;
    let head = String::from_utf8_lossy(&head[..length]);
    Some(head.split(' ').nth(1)?.to_owned())
}

/// Plays a list. An error means that the client left, which the test sees elsewhere.
pub(crate) async fn play<S>(mut stream: S, list: Vec<Act>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut list = list.into_iter().peekable();
    if let Some(Act::Answer {
        status,
        body,
        apart,
    }) = list.peek()
    {
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
        if *apart {
            drop(stream.write_all(head.as_bytes()).await);
            drop(stream.flush().await);
            tokio::time::sleep(Duration::from_millis(200)).await;
            drop(stream.write_all(body.as_bytes()).await);
        } else {
            drop(stream.write_all((head + body).as_bytes()).await);
        }
        // Let the client read first: a close might overtake the answer.
        tokio::time::sleep(Duration::from_millis(200)).await;
        return;
    }
    let Ok(mut socket) = accept_async(stream).await else {
        return;
    };
    for act in list {
        match act {
            Act::Say(lines) => say(&mut socket, lines.join("\n")).await,
            Act::Wait(time) => tokio::time::sleep(time).await,
            Act::Drop | Act::Answer { .. } => return,
            Act::Close(code) => {
                let frame = CloseFrame {
                    code: code.into(),
                    reason: "".into(),
                };
                drop(socket.close(Some(frame)).await);
            }
        }
    }
    while let Some(Ok(_)) = socket.next().await {}
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>, text: String) {
    drop(socket.send(Message::Text(text.into())).await);
}

/// A line of standard output, the `number`th of its log.
pub(crate) fn line(number: u32) -> String {
    format!(
        "{{\"timestamp\":\"2026-11-24T09:30:00.{number:09}Z\",\"level\":\"info\",\
         \"message\":\"line {number}\",\"stream\":\"stdout\",\"cursor\":\"{number}.0_0\"}}"
    )
}

/// The last event of a log.
pub(crate) fn ended() -> String {
    r#"{"event":"ended","timestamp":"2026-11-24T09:31:00.000Z","level":"info","message":"The lease has ended: its time was over.","reason":"expired"}"#
        .to_owned()
}

/// Another event, with a field if one is given.
pub(crate) fn event(name: &str, field: &str) -> String {
    format!(
        "{{\"event\":\"{name}\",\"timestamp\":\"2026-11-24T09:30:10.000Z\",\"level\":\"info\",\
         \"message\":\"\"{field}}}"
    )
}
