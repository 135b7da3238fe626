//! Two readers of a lease's log: our WebSocket, and `docker logs`.
//!
//! Both keep the raw data with its time of arrival, and parse it only after the measurement.

use std::{process::Stdio, time::Duration};

use containerlease_domain::names::{ContainerName, LeaseId};
use futures_util::StreamExt;
use serde::Deserialize;
use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    process::{Child, ChildStdout, Command},
};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, tungstenite::Message};

use crate::{Fallible, engine::Engine, process::Process, server::Api};

/// Bytes per read from a pipe: its whole capacity.
const PIPE: usize = 64 * 1024;

/// Time limit for the server's answer to a close.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// Whole lines that arrived together.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Time of arrival, in milliseconds after the epoch.
    pub received: f64,
    pub text: String,
}

/// A container's line.
#[derive(Clone, Debug)]
pub struct Line {
    /// When the engine received it, in milliseconds after the epoch.
    pub stamped: f64,
    /// When the reader did.
    pub received: f64,
    pub message: String,
}

/// A viewer at the server's WebSocket.
#[derive(Debug)]
pub struct SocketReader {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// A process that runs `docker logs --follow --timestamps`, killed on drop.
#[derive(Debug)]
pub struct DockerReader {
    child: Child,
    lines: ChildStdout,
    /// A line whose end has not arrived.
    partial: Vec<u8>,
}

impl SocketReader {
    /// Begins with so many of the last lines, or with `all`.
    pub async fn open(api: &Api, id: &LeaseId, tail: &str) -> Fallible<Self> {
        let url = api.logs(id, &format!("tail={tail}"));
        let (socket, _) = tokio_tungstenite::connect_async(url).await?;
        Ok(Self { socket })
    }

    /// The next text frame; `None` once the server has closed.
    pub async fn next(&mut self) -> Fallible<Option<Chunk>> {
        loop {
            match self.socket.next().await.transpose()? {
                Some(Message::Text(text)) => {
                    return Ok(Some(Chunk {
                        received: now(),
                        text: text.as_str().to_owned(),
                    }));
                }
                Some(Message::Close(_)) | None => return Ok(None),
                Some(_) => {}
            }
        }
    }

    /// Closes as a browser does: sends a close and waits for the answer.
    pub async fn close(mut self) -> Fallible<()> {
        self.socket.close(None).await?;
        let answered = async { while let Some(Ok(_)) = self.socket.next().await {} };
        Ok(tokio::time::timeout(CLOSE_LIMIT, answered).await?)
    }

    /// The server's text for the line of this number.
    pub fn mark(number: usize) -> String {
        format!("\"message\":\"{number}\"")
    }

    /// The container's lines in what came.
    pub fn lines(chunks: &[Chunk]) -> Fallible<Vec<Line>> {
        #[derive(Deserialize)]
        struct Sent {
            timestamp: String,
            message: String,
            event: Option<String>,
        }
        let mut lines = Vec::new();
        for (received, line) in lines_of(chunks) {
            let sent: Sent = serde_json::from_str(line)?;
            if sent.event.is_none() {
                lines.push(Line {
                    stamped: millis(&sent.timestamp)?,
                    received,
                    message: sent.message,
                });
            }
        }
        Ok(lines)
    }
}

impl DockerReader {
    /// Begins with so many of the last lines, or with `all`.
    pub fn open(engine: &Engine, id: &LeaseId, tail: &str) -> Fallible<Self> {
        let mut child = Command::new("docker")
            .env(
                "DOCKER_HOST",
                format!("unix://{}", engine.socket().display()),
            )
            .args(["logs", "--follow", "--timestamps", "--tail", tail])
            .arg(ContainerName::of_lease(id).as_str())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("docker could not be started: {error}"))?;
        let lines = child.stdout.take().ok_or("there is no pipe to docker")?;
        Ok(Self {
            child,
            lines,
            partial: Vec::new(),
        })
    }

    /// The whole lines in the pipe; `None` once the process has ended.
    pub async fn next(&mut self) -> Fallible<Option<Chunk>> {
        loop {
            self.partial.reserve(PIPE);
            if self.lines.read_buf(&mut self.partial).await? == 0 {
                return Ok(None);
            }
            let received = now();
            if let Some(end) = self.partial.iter().rposition(|byte| *byte == b'\n') {
                let rest = self.partial.split_off(end + 1);
                let whole = std::mem::replace(&mut self.partial, rest);
                return Ok(Some(Chunk {
                    received,
                    text: String::from_utf8(whole)?,
                }));
            }
        }
    }

    /// Its process, while it runs.
    pub fn process(&self) -> Option<Process> {
        self.child.id().map(Process::of)
    }

    /// Ends its process.
    pub async fn close(mut self) -> Fallible<()> {
        Ok(self.child.kill().await?)
    }

    /// The text of `docker logs` for the line of this number.
    pub fn mark(number: usize) -> String {
        format!("Z {number}\n")
    }

    /// The container's lines in what came.
    pub fn lines(chunks: &[Chunk]) -> Fallible<Vec<Line>> {
        let lines = lines_of(chunks).map(|(received, line)| {
            let (stamp, message) = line.split_once(' ').ok_or("a line has no time")?;
            Ok(Line {
                stamped: millis(stamp)?,
                received,
                message: message.to_owned(),
            })
        });
        lines.collect()
    }
}

fn lines_of(chunks: &[Chunk]) -> impl Iterator<Item = (f64, &str)> {
    chunks
        .iter()
        .flat_map(|chunk| chunk.text.lines().map(move |line| (chunk.received, line)))
}

/// Now, in milliseconds after the epoch, with fractions.
#[expect(
    clippy::disallowed_methods,
    reason = "what is measured here are fractions of a millisecond, which the product's time \
              does not have"
)]
pub fn now() -> f64 {
    let since_epoch = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    since_epoch.as_secs_f64() * 1_000.0
}

/// Converts an RFC 3339 time to milliseconds after the epoch.
fn millis(text: &str) -> Fallible<f64> {
    let at: jiff::Timestamp = text.parse()?;
    Ok(at.as_duration().as_secs_f64() * 1_000.0)
}

/// Which numbered lines arrived, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    pub first: usize,
    pub last: usize,
    /// Number of distinct lines.
    pub came: usize,
    /// Number of lines missing between the first and the last.
    pub missing: usize,
    /// Number of repeated lines.
    pub again: usize,
}

impl Numbers {
    /// Counts them; `None` if there are none.
    pub fn of(mut numbers: Vec<usize>) -> Option<Self> {
        let lines = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        let (first, last) = (*numbers.first()?, *numbers.last()?);
        Some(Self {
            first,
            last,
            came: numbers.len(),
            missing: last + 1 - first - numbers.len(),
            again: lines - numbers.len(),
        })
    }

    /// Counts the numbers at the start of these lines.
    pub fn of_lines(lines: &[Line]) -> Fallible<Self> {
        let numbers = lines.iter().map(|line| {
            let number = line.message.split(' ').next().unwrap_or_default().parse();
            number.map_err(|_| format!("{:?} does not begin with a number", line.message))
        });
        let numbers = Self::of(numbers.collect::<Result<_, _>>()?);
        Ok(numbers.ok_or("not a single line came")?)
    }

    /// Whether each line between the first and the last arrived once.
    pub fn each_once(&self) -> bool {
        self.missing == 0 && self.again == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_readers_see_the_same_line() {
        let at = "2026-11-24T09:30:00.123456789Z";
        let chunk = |text: String| Chunk {
            received: 1.0,
            text,
        };
        let frame = format!(
            "{{\"timestamp\":\"{at}\",\"level\":\"info\",\"message\":\"7\",\"stream\":\"stdout\",\
             \"cursor\":\"x\"}}\n{{\"event\":\"heartbeat\",\"timestamp\":\"{at}\",\
             \"level\":\"trace\",\"message\":\"\"}}"
        );
        assert!(frame.contains(&SocketReader::mark(7)));
        let by_socket = SocketReader::lines(&[chunk(frame)]).expect("they are lines");
        let piped = format!("{at} 7\n");
        assert!(piped.contains(&DockerReader::mark(7)));
        let by_docker = DockerReader::lines(&[chunk(piped)]).expect("they are lines");
        for lines in [&by_socket, &by_docker] {
            assert_eq!(lines.len(), 1);
            assert_eq!(lines[0].message, "7");
            assert!((lines[0].stamped - 1_795_512_600_123.456_8).abs() < 0.01);
        }
    }

    #[test]
    fn what_is_missing_and_what_came_again_is_counted() {
        let numbers = Numbers::of(vec![3, 4, 4, 6, 7]).expect("there are some");
        let expected = Numbers {
            first: 3,
            last: 7,
            came: 4,
            missing: 1,
            again: 1,
        };
        assert_eq!(numbers, expected);
        assert!(!numbers.each_once());
        assert_eq!(Numbers::of(Vec::new()), None);
    }
}
