//! Exec: a command, run inside a lease's container.

use crate::{
    host::{self, Host},
    inside::{self, InsideError},
    logs,
    names::{LeaseId, Owner},
    request,
    store::Store,
    time::Time,
};

/// What has become of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// What it answered at its end; none where it was killed for the time that it took.
    pub exit_code: Option<i64>,
    pub stdout: Output,
    pub stderr: Output,
    /// Whether it, or what it has started, still runs although its time is over; none where
    /// nobody knows.
    pub still_running: Option<bool>,
}

/// What a command has written to one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The first [`OUTPUT_LIMIT`](host::OUTPUT_LIMIT) bytes of it; U+FFFD stands for bytes
    /// that are no UTF-8.
    pub text: String,
    /// Whether there was more.
    pub truncated: bool,
}

impl From<host::Output> for Output {
    fn from(output: host::Output) -> Self {
        Self {
            text: logs::text_of(output.bytes, output.truncated),
            truncated: output.truncated,
        }
    }
}

/// Runs a command in the container of the owner's lease and waits for its end, or kills it
/// when its time is over. It must be waited for: a caller that drops this leaves the command
/// to itself.
pub async fn exec(
    store: &Store,
    host: &Host,
    owner: &Owner,
    id: &LeaseId,
    asked: &request::Exec,
) -> Result<Executed, InsideError> {
    let (_, name) = inside::running(store, owner, id, Time::now()).await?;
    let command = host::Command {
        words: &asked.command,
        stdin: asked.stdin.as_deref(),
        limit: asked.limit,
    };
    let executed = host.exec(&name, command).await?;
    Ok(Executed {
        exit_code: executed.exit_code,
        stdout: executed.stdout.into(),
        stderr: executed.stderr.into(),
        still_running: executed.still_running,
    })
}
