//! Runs a command inside a container with bounded time and output.
//!
//! The engine has no call to end a command, and the process id that it reports is the host's, which
//! nothing inside the container can use. So a command carries a mark in its environment, which its
//! children inherit. At its time limit a shell inside the container ([`KILL`]) kills every process
//! with the mark, and the other processes of their sessions. This only needs `/bin/sh` and one more
//! process; in an image without a shell, the answer says what still runs.
//!
//! A command can drop its mark (`env -i setsid …`). If a process without a mark
//! began while the command ran and its parent is the container's first process, nobody can tell
//! whether it belongs to the command or to the leased program. It stays alive, and the answer says that the state is unknown.
//!
//! That shell decides whether a command still runs, not the engine. An engine reports the ends of a
//! container's commands one after another, and waits seconds for a command whose children hold its
//! output. Meanwhile it reports all commands that ended later as still running.

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
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{CHANGE_LIMIT, Host, HostError, LOOK_LIMIT, error};

/// How many bytes of each stream are kept. The rest is read and dropped, so that a command with
/// more output can finish.
pub const OUTPUT_LIMIT: usize = 64 * 1024;

/// Time limit for starting and running a command together. It leaves time to kill the command
/// before the function gives up, and API Gateway, which waits for 29 s.
const WHOLE_LIMIT: Duration = Duration::from_secs(26);

/// Tolerance for the start time of a command's processes: the killer reads the clock some time
/// after it was requested.
const EARLIER: Duration = Duration::from_millis(500);

/// Time limit for killing a command.
const KILL_LIMIT: Duration = Duration::from_secs(2);

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

/// The name of the mark in a command's environment.
const MARK: &str = "CONTAINERLEASE_EXEC";

/// The shell script that kills all processes with the mark `$1`, and their sessions, until none is
/// left. Then it reports whether it found any, or that a process from the last `$2` hundredths of a
/// second may belong to the command. It uses shell built-ins only, so that a container at its
/// process limit needs room for just one process. A text in `/proc` ends without a newline, so
/// `read` fails on its last part. The leased program is the process with the lowest number after
/// the first.
const KILL: &str = r#"
mark=$1 lasted=$2 tries=0 sessions=" " said=none
has() {
  while IFS= read -r text || [ -n "$text" ]; do
    case $text in *"$1"*) return 0 ;; esac
  done <"$process/environ"
  return 1
}
is_anothers() {
  while IFS= read -r text || [ -n "$text" ]; do
    case $text in
      *CONTAINERLEASE_EXEC=none* | *CONTAINERLEASE_EXEC=????????????????????????????????*) return 0 ;;
    esac
  done <"$process/environ"
  return 1
}
strays() {
  IFS=". " read -r whole part rest </proc/uptime
  since=$((whole * 100 + 1$part - 100 - lasted)) leased=
  for process in /proc/[0-9]*; do
    id=${process#/proc/}
    [ "$id" = 1 ] || [ "$id" -gt "${leased:-$id}" ] || leased=$id
  done
  for process in /proc/[0-9]*; do
    case ${process#/proc/} in 1 | $$ | "$leased") continue ;; esac
    IFS= read -r stat <"$process/stat" || continue
    set -- ${stat##*) }
    case $1$2 in Z* | ?[2-9]* | ?1?*) continue ;; esac
    shift 19
    [ "$1" -ge "$since" ] && ! is_anothers && return 0
  done
  return 1
}
while [ $tries -lt 20 ]; do
  tries=$((tries + 1)) found=
  for process in /proc/[0-9]*; do
    marked=
    ! has "$mark" || marked=1
    IFS= read -r stat <"$process/stat" || continue
    set -- ${stat##*) }
    case $sessions in *" $4 "*) [ "$1" = Z ] || marked=1 ;; esac
    [ -n "$marked" ] || continue
    sessions="$sessions$4 " found=1 said=killed
    kill -9 "${process#/proc/}"
  done
  [ -n "$found" ] || { ! strays || said="$said unknown"; echo $said; exit 0; }
done 2>/dev/null
exit 1
"#;

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

/// What remains of a command at its time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// It had already ended by itself.
    NothingToKill,
    /// It was killed.
    Nothing,
    /// It could not be killed.
    Running,
    /// It was killed, or its state is unknown; a process that may belong to it remains.
    Unknown,
    /// It had ended, or has dropped its mark; a process that may belong to it remains.
    NothingKnown,
}

/// How a command's processes are recognised.
struct Mark {
    text: String,
    /// Taken before the engine was asked to start it.
    begun: Instant,
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
        let mark = Mark {
            text: format!("{MARK}={}", uuid::Uuid::now_v7().simple()),
            begun: Instant::now(),
        };
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

    /// Kills all processes with the mark.
    async fn kill(&self, name: &ContainerName, mark: &Mark, id: &str) -> Left {
        match timeout(KILL_LIMIT, self.run_killer(name, mark)).await {
            Ok(Ok(said)) => match said.trim_ascii() {
                b"none" => return Left::NothingToKill,
                b"killed" => return Left::Nothing,
                b"killed unknown" => return Left::Unknown,
                b"none unknown" => return Left::NothingKnown,
                _ => tracing::warn!("could not kill a command: the killer did not finish"),
            },
            Ok(Err(error)) => tracing::warn!(%error, "could not kill a command"),
            Err(_) => tracing::warn!("could not kill a command in time"),
        }
        match self.exit_code_of(id).await {
            Ok(None) => Left::Running,
            // It has ended, but its children may still run.
            Ok(Some(_)) => Left::Unknown,
            // The end of the container ended everything in it.
            Err(_) => Left::Nothing,
        }
    }

    /// Runs the killer to its end and returns its output.
    async fn run_killer(&self, name: &ContainerName, mark: &Mark) -> Result<Vec<u8>, HostError> {
        let lasted = (mark.begun.elapsed() + EARLIER).as_millis() / 10;
        let script = ["/bin/sh", "-c", KILL, "sh", &mark.text, &lasted.to_string()];
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            // Its own mark, so that it is not mistaken for a process that has dropped its mark.
            env: Some(vec![format!("{MARK}=none")]),
            cmd: Some(script.map(str::to_owned).to_vec()),
            ..CreateExecOptions::default()
        };
        let killer = self.create_exec(name, &options).await?;
        let start = |docker: Docker| {
            let killer = &killer;
            async move { docker.start_exec(killer, None::<StartExecOptions>).await }
        };
        let attempted = "starting the killer of a command";
        let started = self.client.call(attempted, KILL_LIMIT, start).await?;
        let StartExecResults::Attached { mut output, .. } = started else {
            unreachable!("it was not asked to be detached")
        };
        let mut said = Output::default();
        while let Some(piece) = output.next().await {
            let piece = piece.map_err(|error| error::translate("reading what it says", error))?;
            said.take(&piece.into_bytes());
            // The engine may delay the end of this output as it does for a command.
            if said.bytes.ends_with(b"\n") {
                break;
            }
        }
        Ok(said.bytes)
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
