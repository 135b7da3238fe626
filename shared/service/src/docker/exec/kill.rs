//! Kills a command inside a container, with its children.
//!
//! The engine has no call to end a command, and the process id that it reports is the host's, which
//! nothing inside the container can use. So a command carries a mark in its environment, which its
//! children inherit. At its time limit a shell inside the container ([`KILL`]) kills every process
//! with the mark, and the other processes of their sessions. This only needs `/bin/sh` and one more
//! process; in an image without a shell, the answer says what still runs.
//!
//! A command can drop its mark (`env -i setsid …`). If a process without a mark began while the
//! command ran and its parent is the container's first process, nobody can tell whether it belongs
//! to the command or to the leased program. It stays alive, and the answer says that the state is
//! unknown.

use std::time::Duration;

use bollard::{
    Docker,
    exec::{CreateExecOptions, StartExecOptions, StartExecResults},
};
use containerlease_domain::names::ContainerName;
use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout};

use super::Output;
use crate::docker::{Host, HostError, error};

/// Tolerance for the start time of a command's processes: the killer reads the clock some time
/// after it was requested.
const EARLIER: Duration = Duration::from_millis(500);

/// Time limit for killing a command.
const KILL_LIMIT: Duration = Duration::from_secs(2);

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

/// What remains of a command at its time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
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
pub(super) struct Mark {
    /// The variable in their environment.
    pub(super) text: String,
    /// Taken before the engine was asked to start it.
    begun: Instant,
}

impl Mark {
    /// A mark that no other command has, for one that begins now.
    pub(super) fn new() -> Self {
        Self {
            text: format!("{MARK}={}", uuid::Uuid::now_v7().simple()),
            begun: Instant::now(),
        }
    }
}

impl Host {
    /// Kills all processes with the mark.
    pub(super) async fn kill(&self, name: &ContainerName, mark: &Mark, id: &str) -> Left {
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
