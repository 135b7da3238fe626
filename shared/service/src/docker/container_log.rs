//! Containers' logs, as the engine returns them.

use std::time::Duration;

use bollard::{
    Docker, container::LogOutput, errors::Error, query_parameters::LogsOptions,
    query_parameters::LogsOptionsBuilder,
};
use bytes::Bytes;
use containerlease_domain::{
    logs::{self, KEPT_PIECES, Keeper, KeptLog},
    names::ContainerName,
};
use futures_util::{Stream, StreamExt, stream, stream::BoxStream};

use super::{Host, HostError, error};

/// Time limit for the engine to return the end of a log. The container's own end waits for it.
pub(super) const END_LIMIT: Duration = Duration::from_secs(1);

/// How many last pieces are requested of a damaged log, one number after another. The engine finds
/// these from the end of the log, and fails only if the damage is among them.
const BEHIND_DAMAGE: [u32; 4] = [1_000, 100, 10, 0];

/// The kind of a frame with the engine's error. The client library has no name for it.
const ENGINES_ERROR: u8 = 3;

/// A piece of a log, as the engine sends it: a timestamp, a space, and a line with its end, or a
/// part of a line longer than 16 KiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPiece {
    pub stderr: bool,
    pub bytes: Bytes,
    /// Whether the log is damaged before this piece, so that it may not continue the previous one.
    pub anew: bool,
}

/// Which part of a log to read. It arrives in the log's own order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// Everything since a second after the epoch, then new lines until the program ends or the
    /// container is removed.
    Follow { since: i64 },
    /// Everything since a second after the epoch.
    Since(i64),
    /// This many of the last pieces.
    Tail(u32),
}

impl Read {
    fn options(self, tail: Option<u32>) -> LogsOptions {
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .timestamps(true);
        let since = |since| i32::try_from(since).unwrap_or(0);
        let (options, asked) = match self {
            Self::Follow { since: from } => (options.follow(true).since(since(from)), None),
            Self::Since(from) => (options.since(since(from)), None),
            Self::Tail(pieces) => (options, Some(pieces)),
        };
        match tail.or(asked) {
            Some(pieces) => options.tail(&pieces.to_string()).build(),
            None => options.build(),
        }
    }
}

impl Host {
    /// Reads a container's log. What the reader does not take stays in the engine. A damaged log
    /// yields what lies before and after the damage.
    pub async fn read_log(
        &self,
        name: &ContainerName,
        read: Read,
    ) -> Result<impl Stream<Item = Result<LogPiece, HostError>> + Send + Unpin + 'static, HostError>
    {
        let docker = self.client.docker().await?;
        let pieces = docker.logs(name.as_str(), Some(read.options(None))).boxed();
        let reading = Reading {
            docker,
            name: name.clone(),
            read,
            pieces,
            behind_damage: BEHIND_DAMAGE.iter(),
            anew: false,
        };
        Ok(Box::pin(stream::unfold(reading, Reading::next)))
    }

    /// The end of the log of a container that has stopped.
    pub async fn end_of_log(&self, name: &ContainerName) -> Result<KeptLog, HostError> {
        let read = async {
            let mut pieces = self.read_log(name, Read::Tail(KEPT_PIECES)).await?;
            let mut keeper = Keeper::default();
            while let Some(piece) = pieces.next().await {
                let piece = piece?;
                if piece.anew {
                    keeper.begin_anew();
                }
                keeper.take(logs::stream_of(piece.stderr), &piece.bytes);
            }
            Ok(keeper.finish())
        };
        tokio::time::timeout(END_LIMIT, read)
            .await
            .unwrap_or(Err(HostError::TimedOut {
                attempted: "reading the end of a log",
            }))
    }
}

/// A log being read.
struct Reading {
    docker: Docker,
    name: ContainerName,
    read: Read,
    pieces: BoxStream<'static, Result<LogOutput, Error>>,
    /// The numbers of last pieces still to try.
    behind_damage: std::slice::Iter<'static, u32>,
    anew: bool,
}

impl Reading {
    async fn next(mut self) -> Option<(Result<LogPiece, HostError>, Self)> {
        loop {
            let piece = match self.pieces.next().await? {
                Ok(piece) => piece,
                Err(error) => return Some((Err(error::translate("reading a log", error)), self)),
            };
            let (stderr, bytes) = match piece {
                LogOutput::Console { message } if message.first() == Some(&ENGINES_ERROR) => {
                    let said = String::from_utf8_lossy(message.get(8..).unwrap_or_default());
                    tracing::warn!(
                        container = self.name.as_str(),
                        said = said.trim(),
                        "a log is damaged"
                    );
                    self.go_on_behind_damage()?;
                    continue;
                }
                LogOutput::StdErr { message } => (true, message),
                LogOutput::StdOut { message }
                | LogOutput::StdIn { message }
                | LogOutput::Console { message } => (false, message),
            };
            let anew = std::mem::take(&mut self.anew);
            let piece = LogPiece {
                stderr,
                bytes,
                anew,
            };
            return Some((Ok(piece), self));
        }
    }

    /// Continues from the end of the log; none if nothing is left to try.
    fn go_on_behind_damage(&mut self) -> Option<()> {
        let tail = *self.behind_damage.next()?;
        let options = self.read.options(Some(tail));
        self.pieces = self.docker.logs(self.name.as_str(), Some(options)).boxed();
        self.anew = true;
        Some(())
    }
}
