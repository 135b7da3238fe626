//! A command, run inside a container for a bounded time and with bounded output.
//!
//! The engine cannot end a command that it has started: it has no call for that, and the
//! process id that it gives is the host's, which nothing inside the container can use. So a
//! command carries a mark in its environment, which its children inherit, and when its time
//! is over a shell of the container's own ([`KILL`]) kills all that carry it, and the other
//! processes of their sessions. What it needs is `/bin/sh` alone, and one more process; where
//! the image has none, what was left is told.
//!
//! A command can drop its mark (`env -i setsid …`). What has none, began while the command ran
//! and hangs on nothing but the container's first process may be its, or the leased program's:
//! it is let live, and the answer is that nobody knows.
//!
//! Whether a command still runs is what that shell has seen, and not what the engine says: an
//! engine tells the ends of a container's commands one after another, and waits for seconds
//! with the end of one whose children hold its output. All that ended after it run on for as
//! long in its books.

use std::{pin::Pin, time::Duration};

use bollard::{
    Docker,
    container::LogOutput,
    exec::{CreateExecOptions, StartExecOptions, StartExecResults},
    models::ExecInspectResponse,
};
use futures_util::{Stream, StreamExt as _};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _},
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{CHANGE_LIMIT, Host, HostError, LOOK_LIMIT, error};
use crate::names::ContainerName;

/// How much of each stream is kept, in bytes. The rest is read and dropped, so that a
/// command which writes more comes to its own end.
pub const OUTPUT_LIMIT: usize = 64 * 1024;

/// How long starting a command and running it may take together, so that there is time to
/// kill it before API Gateway, which waits for 29 s, and with it the function gives up.
const WHOLE_LIMIT: Duration = Duration::from_secs(26);

/// How much earlier than it was asked for a process may have begun that is a command's: what
/// kills it looks at the clock some time after it was asked to.
const EARLIER: Duration = Duration::from_millis(500);

/// How long killing a command may take.
const KILL_LIMIT: Duration = Duration::from_secs(2);

/// How long the engine has to say what has become of a command.
const STATE_LIMIT: Duration = Duration::from_secs(1);

/// How long it is waited for the exit code of a command that has ended by itself, where the
/// engine is late with it. It waits 2 to 4 s for one whose children hold its output.
const LATE_CODE: Duration = Duration::from_secs(6);

/// A command that has ended may have left children that hold its output: so long that is
/// read on.
const DRAIN: Duration = Duration::from_millis(300);

/// How often it is looked whether a command has ended, from soon after its output has, or
/// while it goes on.
const LOOK_FIRST: Duration = Duration::from_millis(5);
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The name of the mark in a command's environment.
const MARK: &str = "CONTAINERLEASE_EXEC";

/// What a shell runs to kill all processes with the mark `$1`, and their sessions, until it
/// finds none any more; then it says whether it has found one at all, or that there is one of
/// the last `$2` hundredths of a second that may belong to it. It has only what is built
/// into every shell, so that a container at its limit of processes needs one place and no
/// more. A text that `/proc` gives ends without a newline, so `read` fails with the last part
/// of it. The leased program is the process with the lowest number after the first.
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

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Command<'c> {
    /// The program and its arguments.
    pub words: &'c [String],
    /// What it reads; none for nothing.
    pub stdin: Option<&'c str>,
    /// How long it may take.
    pub limit: Duration,
}

/// What has become of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// The first of it.
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

/// What is left of a command whose time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// It had ended before, by itself.
    NothingToKill,
    /// It was killed.
    Nothing,
    /// It could not be killed.
    Running,
    /// It was killed, or nobody knows; there is something that may be its.
    Unknown,
    /// It had ended before, or has dropped its mark; there is something that may be its.
    NothingKnown,
}

/// What a command's processes are known by.
struct Mark {
    text: String,
    /// Before the engine was asked to start it.
    begun: Instant,
}

/// A command that runs.
struct Running<'c> {
    id: String,
    output: Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>,
    input: Pin<Box<dyn AsyncWrite + Send>>,
    stdin: Option<&'c str>,
    /// When its time is over.
    until: Instant,
    /// When whoever waits for it must be answered.
    answer_by: Instant,
}

impl Host {
    /// Runs a command in a container and waits for its end, or kills it when its time is
    /// over. It must be waited for: a caller that drops this leaves the command to itself.
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
            // It may have been started all the same.
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

    /// Takes what the command writes until it has ended or its time is over.
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

    /// What the command answered, once it has ended. While the engine does not answer it is
    /// taken to go on.
    async fn exit_code_of(&self, id: &str) -> Result<Option<i64>, HostError> {
        match self.inspect_exec(id).await {
            // One that has not begun does not run either.
            Ok(exec) => Ok(exec.exit_code.filter(|_| exec.running == Some(false))),
            // With the container the engine forgets its commands.
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

    /// Tells a command that could not be started from one that has ended: the engine writes
    /// why into the command's own output, and it never had a process.
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

    /// What a command answered that has ended, for the engine to say. None where it does not
    /// in time.
    async fn late_exit_code_of(&self, id: &str, answer_by: Instant) -> Option<i64> {
        let until = answer_by.min(Instant::now() + LATE_CODE);
        loop {
            match self.exit_code_of(id).await {
                Ok(None) if Instant::now() < until => sleep(LOOK_AGAIN).await,
                code => return code.ok().flatten(),
            }
        }
    }

    /// Kills all that carries the mark.
    async fn kill(&self, name: &ContainerName, mark: &Mark, id: &str) -> Left {
        match timeout(KILL_LIMIT, self.run_killer(name, mark)).await {
            Ok(Ok(said)) => match said.trim_ascii() {
                b"none" => return Left::NothingToKill,
                b"killed" => return Left::Nothing,
                b"killed unknown" => return Left::Unknown,
                b"none unknown" => return Left::NothingKnown,
                _ => tracing::warn!("could not kill a command: what kills it did not finish"),
            },
            Ok(Err(error)) => tracing::warn!(%error, "could not kill a command"),
            Err(_) => tracing::warn!("could not kill a command in time"),
        }
        match self.exit_code_of(id).await {
            Ok(None) => Left::Running,
            // It has ended, and what it has started may have not.
            Ok(Some(_)) => Left::Unknown,
            // What ends a container ends what runs in it.
            Err(_) => Left::Nothing,
        }
    }

    /// Runs what kills all with the mark to its end; gives what it says.
    async fn run_killer(&self, name: &ContainerName, mark: &Mark) -> Result<Vec<u8>, HostError> {
        let lasted = (mark.begun.elapsed() + EARLIER).as_millis() / 10;
        let script = ["/bin/sh", "-c", KILL, "sh", &mark.text, &lasted.to_string()];
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            // No command's, so that it is not taken for one that has dropped its mark.
            env: Some(vec![format!("{MARK}=none")]),
            cmd: Some(script.map(str::to_owned).to_vec()),
            ..CreateExecOptions::default()
        };
        let killer = self.create_exec(name, &options).await?;
        let start = |docker: Docker| {
            let killer = &killer;
            async move { docker.start_exec(killer, None::<StartExecOptions>).await }
        };
        let attempted = "starting what kills a command";
        let started = self.client.call(attempted, KILL_LIMIT, start).await?;
        let StartExecResults::Attached { mut output, .. } = started else {
            unreachable!("it was not asked to be detached")
        };
        let mut said = Output::default();
        while let Some(piece) = output.next().await {
            let piece = piece.map_err(|error| error::translate("reading what it says", error))?;
            said.take(&piece.into_bytes());
            // The engine may be as late with the end of the output as with that of a command.
            if said.bytes.ends_with(b"\n") {
                break;
            }
        }
        Ok(said.bytes)
    }
}

/// Gives a command what it reads, and then the end of it. One that does not want all of it
/// has closed its end, which is no fault. Where nothing is read there is no end to give: the
/// engine gives it by itself.
async fn feed(input: &mut Pin<Box<dyn AsyncWrite + Send>>, stdin: Option<&str>) {
    let Some(text) = stdin else { return };
    if input.write_all(text.as_bytes()).await.is_ok() {
        drop(input.shutdown().await);
    }
}
