//! Containers' logs, as the engine gives them.

use bollard::{
    Docker,
    container::LogOutput,
    query_parameters::{LogsOptions, LogsOptionsBuilder},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};

use super::{Host, HostError, LOOK_LIMIT, error};
use crate::names::ContainerName;

/// How much of a log is kept in the receipt of a lease whose program ended by itself: so
/// many lines, and of them so many bytes.
const LAST_LINES: u32 = 20;
const LAST_BYTES: usize = 4 * 1024;

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

    /// The end of a container's log, from both streams: some lines, and of them what fits
    /// into a receipt.
    pub async fn last_lines(&self, name: &ContainerName) -> Result<Vec<String>, HostError> {
        let options: &LogsOptions = &LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .tail(&LAST_LINES.to_string())
            .build();
        let read = |docker: Docker| async move {
            let pieces = docker.logs(name.as_str(), Some(options.clone()));
            let pieces = pieces.map_ok(LogOutput::into_bytes);
            pieces.try_collect::<Vec<_>>().await
        };
        let attempted = "reading the end of a log";
        let pieces = self.client.call(attempted, LOOK_LIMIT, read).await?;
        let bytes = pieces.concat();
        let text = String::from_utf8_lossy(&bytes);
        let mut room = LAST_BYTES;
        let mut last: Vec<String> = text
            .lines()
            .rev()
            .map_while(|line| {
                room = room.checked_sub(line.len())?;
                Some(line.to_owned())
            })
            .collect();
        last.reverse();
        Ok(last)
    }
}
