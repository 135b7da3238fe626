//! Exec: runs a command inside a lease's container.

use containerlease_domain::{
    logs,
    names::{LeaseId, Owner},
    request,
    time::Time,
};

use crate::{
    docker::{self, Host},
    leasing::inside::{self, InsideError},
    store::Store,
};

/// The result of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// Its exit code; none if it was killed at its time limit.
    pub exit_code: Option<i64>,
    pub stdout: Output,
    pub stderr: Output,
    /// Whether it, or a process it started, still runs after its time limit; none if unknown.
    pub still_running: Option<bool>,
}

/// The output of a command on one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its first [`OUTPUT_LIMIT`](docker::OUTPUT_LIMIT) bytes; U+FFFD replaces invalid UTF-8.
    pub text: String,
    /// Whether there was more.
    pub truncated: bool,
}

impl From<docker::Output> for Output {
    fn from(output: docker::Output) -> Self {
        Self {
            text: logs::text_of(output.bytes, output.truncated),
            truncated: output.truncated,
        }
    }
}

/// Runs a command in the container of the owner's lease and waits for it, or kills it at its time
/// limit. The caller must await this: if it is dropped, nobody stops the command.
pub async fn exec(
    store: &Store,
    host: &Host,
    owner: &Owner,
    id: &LeaseId,
    asked: &request::Exec,
) -> Result<Executed, InsideError> {
    let (_, name) = inside::running(store, owner, id, Time::now()).await?;
    let command = docker::Command {
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
