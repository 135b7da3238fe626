//! Containers' logs, as the engine gives them.

use std::time::Duration;

use bollard::{container::LogOutput, query_parameters::LogsOptionsBuilder};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use super::{Host, HostError, error};
use crate::{
    logs::{self, KEPT_PIECES, Keeper, KeptLog},
    names::ContainerName,
};

/// How long the engine has to give the end of a log. The container's own end waits for it.
const END_LIMIT: Duration = Duration::from_secs(1);

/// What the engine sends of a log: a timestamp, a space, and a line with its end, or a part
/// of a line that is longer than 16 KiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPiece {
    pub stderr: bool,
    pub bytes: Bytes,
}

/// What is to be read of a log. It comes in the log's own order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// What there is since a second after the epoch, and then what is written, until the
    /// program ends or the container is removed.
    Follow { since: i64 },
    /// What there is since a second after the epoch.
    Since(i64),
    /// So many of the last pieces.
    Tail(u32),
}

impl Host {
    /// Reads a container's log. What the reader does not take stays in the engine.
    pub async fn read_log(
        &self,
        name: &ContainerName,
        read: Read,
    ) -> Result<impl Stream<Item = Result<LogPiece, HostError>> + Send + Unpin + 'static, HostError>
    {
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .timestamps(true);
        let since = |since| i32::try_from(since).unwrap_or(0);
        let options = match read {
            Read::Follow { since: from } => options.follow(true).since(since(from)),
            Read::Since(from) => options.since(since(from)),
            Read::Tail(pieces) => options.tail(&pieces.to_string()),
        };
        let docker = self.client.docker().await?;
        let pieces = docker.logs(name.as_str(), Some(options.build()));
        Ok(Box::pin(pieces.map(|piece| {
            let (stderr, bytes) = match piece.map_err(|e| error::translate("reading a log", e))? {
                LogOutput::StdErr { message } => (true, message),
                LogOutput::StdOut { message }
                | LogOutput::StdIn { message }
                | LogOutput::Console { message } => (false, message),
            };
            Ok(LogPiece { stderr, bytes })
        })))
    }

    /// The end of the log of a container that has stopped.
    pub async fn end_of_log(&self, name: &ContainerName) -> Result<KeptLog, HostError> {
        let read = async {
            let mut pieces = self.read_log(name, Read::Tail(KEPT_PIECES)).await?;
            let mut keeper = Keeper::default();
            while let Some(piece) = pieces.next().await {
                let piece = piece?;
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
