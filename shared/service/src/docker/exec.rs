//! Runs a command inside a container with bounded time and output.
//!
//! At its time limit a command is killed ([`kill`]). The killer decides whether a command still
//! runs, not the engine. An engine reports the ends of a container's commands one after another, and
//! waits seconds for a command whose children hold its output. Meanwhile it reports all commands
//! that ended later as still running.

mod kill;

use std::{pin::Pin, time::Duration};

use bollard::{
    Docker,
    container::LogOutput,
    exec::{CreateExecOptions, StartExecOptions, StartExecResults},
    models::ExecInspectResponse,
};
use containerlease_domain::names::ContainerName;
use futures_util::{Stream, StreamExt as _};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _},
    time::{Instant, sleep, sleep_until},
};

use super::{CHANGE_LIMIT, Host, HostError, LOOK_LIMIT, error};
use kill::{Left, Mark};

/// How many bytes of each stream are kept. The rest is read and dropped, so that a command with
/// more output can finish.
pub const OUTPUT_LIMIT: usize = 64 * 1024;

/// Time limit for starting and running a command together. It leaves time to kill the command
/// before the function gives up, and API Gateway, which waits for 29 s.
const WHOLE_LIMIT: Duration = Duration::from_secs(26);

/// Time limit for the engine to report a command's state.
const STATE_LIMIT: Duration = Duration::from_secs(1);

/// How long to wait for the late exit code of a command that has ended by itself. The engine waits
/// 2 to 4 s for a command whose children hold its output.
const LATE_CODE: Duration = Duration::from_secs(6);

/// How long to keep reading after a command has ended: its children may still hold its output.
const DRAIN: Duration = Duration::from_millis(300);

/// Pause between checks whether a command has ended: at first after its output has ended, and while
/// it runs.
const LOOK_FIRST: Duration = Duration::from_millis(5);
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Command<'c> {
    /// The program and its arguments.
    pub words: &'c [String],
    /// Its standard input; none for empty input.
    pub stdin: Option<&'c str>,
    /// Its time limit.
    pub limit: Duration,
}

/// The result of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Executed {
    /// Its exit code; none if it was killed at its time limit.
    pub exit_code: Option<i64>,
    pub stdout: Output,
    pub stderr: Output,
    /// Whether it, or a process it started, still runs after its time limit; none if unknown.
    pub still_running: Option<bool>,
}

/// The output of a command on one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Its beginning.
    pub bytes: Vec<u8>,
    /// Whether there was more.
    pub truncated: bool,
}

impl Output {
    fn take(&mut self, piece: &[u8]) {
        let room = OUTPUT_LIMIT - self.bytes.len();
        self.bytes
            .extend_from_slice(&piece[..piece.len().min(room)]);
        self.truncated |= piece.len() > room;
    }
}

/// A running command.
struct Running<'c> {
    id: String,
    output: Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>,
    input: Pin<Box<dyn AsyncWrite + Send>>,
    stdin: Option<&'c str>,
    /// Its time limit.
    until: Instant,
    /// When the caller needs an answer.
    answer_by: Instant,
}

impl Host {
    /// Runs a command in a container and waits for it, or kills it at its time limit. The caller
    /// must await this: if it is dropped, nobody stops the command.
    pub async fn exec(
        &self,
        name: &ContainerName,
        command: Command<'_>,
    ) -> Result<Executed, HostError> {
        let mark = Mark::new();
        let mut running = self.start_exec(name, command, &mark).await?;
        let mut executed = Executed {
            still_running: Some(false),
            ..Executed::default()
        };
        let ended = self.attend(&mut running, &mut executed).await;
        if executed.exit_code.is_some() {
            return self.refused_or(executed, &running.id).await;
        }
        let left = self.kill(name, &mark, &running.id).await;
        ended?;
        if matches!(left, Left::NothingToKill | Left::NothingKnown) {
            executed.exit_code = self.late_exit_code_of(&running.id, running.answer_by).await;
        }
        executed.still_running = match left {
            Left::Nothing | Left::NothingToKill => Some(false),
            Left::Running => Some(true),
            Left::Unknown | Left::NothingKnown => None,
        };
        Ok(executed)
    }

    async fn start_exec<'c>(
        &self,
        name: &ContainerName,
        command: Command<'c>,
        mark: &Mark,
    ) -> Result<Running<'c>, HostError> {
        let options = CreateExecOptions {
            attach_stdin: Some(command.stdin.is_some()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            env: Some(vec![mark.text.clone()]),
            cmd: Some(command.words.to_vec()),
            ..CreateExecOptions::default()
        };
        let at_the_latest = Instant::now() + WHOLE_LIMIT;
        let id = self.create_exec(name, &options).await?;
        let start = |docker: Docker| {
            let id = &id;
            async move { docker.start_exec(id, None::<StartExecOptions>).await }
        };
        let attempted = "starting a command";
        let started = self.client.call(attempted, CHANGE_LIMIT, start).await;
        if let Err(HostError::TimedOut { .. } | HostError::Unreachable { .. }) = &started {
            // It may have been started anyway.
            self.kill(name, mark, &id).await;
        }
        let StartExecResults::Attached { output, input } = started? else {
            unreachable!("it was not asked to be detached")
        };
        Ok(Running {
            id,
            output,
            input,
            stdin: command.stdin,
            until: at_the_latest.min(Instant::now() + command.limit),
            answer_by: at_the_latest,
        })
    }

    async fn create_exec(
        &self,
        name: &ContainerName,
        options: &CreateExecOptions<String>,
    ) -> Result<String, HostError> {
        let create = |docker: Docker| async move {
            docker.create_exec(name.as_str(), options.clone()).await
        };
        let attempted = "making a command";
        let made = self.client.call(attempted, LOOK_LIMIT, create).await?;
        Ok(made.id)
    }

    /// Reads the command's output until the command ends or reaches its time limit.
    async fn attend(
        &self,
        running: &mut Running<'_>,
        executed: &mut Executed,
    ) -> Result<(), HostError> {
        let Running {
            id,
            output,
            input,
            stdin,
            until,
            answer_by: _,
        } = running;
        let mut until = *until;
        let feeding = feed(input, *stdin);
        tokio::pin!(feeding);
        let (mut fed, mut open) = (false, true);
        let mut pause = LOOK_AGAIN;
        let mut look_at = Instant::now() + pause;
        loop {
            tokio::select! {
                biased;
                () = sleep_until(until) => return Ok(()),
                () = sleep_until(look_at) => {
                    if let Some(code) = self.exit_code_of(id).await? {
                        executed.exit_code = Some(code);
                        if !open {
                            return Ok(());
                        }
                        until = until.min(Instant::now() + DRAIN);
                        pause = LOOK_AGAIN;
                    }
                    look_at = Instant::now() + pause;
                    pause = (2 * pause).min(LOOK_AGAIN);
                }
                () = &mut feeding, if !fed => fed = true,
                piece = output.next(), if open => match piece {
                    Some(Ok(LogOutput::StdErr { message })) => executed.stderr.take(&message),
                    Some(Ok(piece)) => executed.stdout.take(&piece.into_bytes()),
                    Some(Err(error)) => {
                        return Err(error::translate("reading a command's output", error));
                    }
                    None => {
                        open = false;
                        if executed.exit_code.is_some() {
                            return Ok(());
                        }
                        pause = LOOK_FIRST;
                        look_at = Instant::now();
                    }
                },
            }
        }
    }

    /// The command's exit code, once it has ended. While the engine does not answer, the command is
    /// assumed to run.
    async fn exit_code_of(&self, id: &str) -> Result<Option<i64>, HostError> {
        match self.inspect_exec(id).await {
            // A command that has not begun does not run either.
            Ok(exec) => Ok(exec.exit_code.filter(|_| exec.running == Some(false))),
            // When the container goes, the engine forgets its commands.
            Err(HostError::NotFound { attempted }) => Err(HostError::NotRunning { attempted }),
            Err(error) => {
                tracing::debug!(%error, "could not look at a command");
                Ok(None)
            }
        }
    }

    async fn inspect_exec(&self, id: &str) -> Result<ExecInspectResponse, HostError> {
        let inspect = |docker: Docker| async move { docker.inspect_exec(id).await };
        self.client
            .call("looking at a command", STATE_LIMIT, inspect)
            .await
    }

    /// Distinguishes a command that could not be started from one that has ended: for the former
    /// the engine writes the reason into the command's output, and it never had a process.
    async fn refused_or(&self, executed: Executed, id: &str) -> Result<Executed, HostError> {
        let said = &executed.stdout.bytes;
        if executed.exit_code == Some(0) || !said.starts_with(b"OCI runtime exec failed") {
            return Ok(executed);
        }
        if self.inspect_exec(id).await?.pid.is_some_and(|pid| pid != 0) {
            return Ok(executed);
        }
        Err(HostError::CannotRun {
            attempted: "starting a command",
            message: String::from_utf8_lossy(said).trim().to_owned(),
        })
    }

    /// The exit code of an ended command, once the engine reports it. None if that is not in time.
    async fn late_exit_code_of(&self, id: &str, answer_by: Instant) -> Option<i64> {
        let until = answer_by.min(Instant::now() + LATE_CODE);
        loop {
            match self.exit_code_of(id).await {
                Ok(None) if Instant::now() < until => sleep(LOOK_AGAIN).await,
                code => return code.ok().flatten(),
            }
        }
    }
}

/// Writes a command's input, then closes it. If the command closes its input early, that is no
/// error. Without input nothing needs closing: the engine does so by itself.
async fn feed(input: &mut Pin<Box<dyn AsyncWrite + Send>>, stdin: Option<&str>) {
    let Some(text) = stdin else { return };
    if input.write_all(text.as_bytes()).await.is_ok() {
        drop(input.shutdown().await);
    }
}
