//! `containerlease exec`: a command in a lease's container.

use std::io::{Read as _, Write, stdin};

use clap::Args;
use serde_json::json;

use crate::{
    api::{Api, Request, answer::Executed},
    console::Console,
    duration::Seconds,
    failure::{Failure, NOT_RUN, TIMED_OUT},
    find::{Called, find},
};

/// Limit of standard input, in bytes. The server would refuse more, but only after all of it was
/// sent.
const STDIN_LIMIT: u64 = 32 * 1024;

/// Run a command in a lease's container, and show its output
///
/// The command has no terminal. Its output is shown when it ends: the first 64 KiB of each stream.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
The exit code is the command's, or 124 if it was killed at its time limit, 125 if it was not
run, 126 if it cannot be run.")]
pub struct Arguments {
    /// Pass standard input to the command, 32 KiB at most
    #[arg(short, long)]
    interactive: bool,
    /// How long the command may take, from 1s to 25s; 10s by default
    #[arg(long, value_name = "DURATION")]
    timeout: Option<Seconds>,
    /// The lease: its id, the beginning of its id, or its name
    #[arg(value_name = "LEASE")]
    lease: Called,
    /// The command and its arguments
    #[arg(
        value_name = "COMMAND",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    command: Vec<String>,
}

/// Returns the exit code.
pub async fn run(api: &Api, arguments: &Arguments, console: &mut Console) -> Result<u8, Failure> {
    let executed = execute(api, arguments).await;
    let executed = executed.map_err(|failure| Failure::NotRun(Box::new(failure)))?;
    show(&executed, console)
}

async fn execute(api: &Api, arguments: &Arguments) -> Result<Executed, Failure> {
    let mut body = json!({"command": arguments.command});
    if let Some(timeout) = arguments.timeout {
        body["timeoutSeconds"] = json!(timeout.count());
    }
    if arguments.interactive {
        body["stdin"] = json!(read_stdin()?);
    }
    let lease = find(api, &arguments.lease).await?;
    let request = Request::post(format!("/containers/{lease}/exec"), body);
    // Sent once: running a command twice may do harm.
    api.ask(&request).await?.read()
}

fn read_stdin() -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = stdin().take(STDIN_LIMIT + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::Unreadable {
        what: "standard input".to_owned(),
        error,
    })?;
    if bytes.len() as u64 > STDIN_LIMIT {
        let kib = STDIN_LIMIT / 1024;
        return Err(Failure::Given(format!(
            "standard input holds more than {kib} KiB: give the command less, or let it fetch \
             its input itself"
        )));
    }
    String::from_utf8(bytes).map_err(|_| {
        Failure::Given(
            "standard input is not UTF-8: encode it, for example with base64, and let the \
             command decode it"
                .to_owned(),
        )
    })
}

fn show(executed: &Executed, console: &mut Console) -> Result<u8, Failure> {
    let (mut out, mut err) = console.for_containers();
    let shown = out.write_all(executed.stdout.as_bytes());
    shown.and_then(|()| out.flush())?;
    let shown = err.write_all(executed.stderr.as_bytes());
    shown.and_then(|()| err.flush())?;
    let truncated = executed.truncated;
    for (stream, truncated) in [
        ("standard output", truncated.stdout),
        ("standard error", truncated.stderr),
    ] {
        if truncated {
            console.tell(&format!(
                "the rest of {stream} was left out: let the command write its output to a file, \
                 or write less"
            ));
        }
    }
    match executed.still_running {
        Some(false) => {}
        Some(true) => {
            console.tell("the command could not be killed at its time limit, and still runs");
        }
        None => console.tell("it is unknown whether a process that it started still runs"),
    }
    let Some(code) = executed.exit_code else {
        console.tell("the command reached its time limit; --timeout allows up to 25s");
        return Ok(TIMED_OUT);
    };
    Ok(u8::try_from(code).unwrap_or(NOT_RUN))
}
