//! Parses the command line and runs its command.

use clap::{Parser, Subcommand};
use containerlease_settings::CommandLineSettings;

use crate::{
    api::Api, completion, console::Console, exec, failure::Failure, images, inspect,
    interrupt::Interrupt, logs, ls, renew, rm, run, server::Server, stats, token, whoami,
};

/// Lease containers for a limited time.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "containerlease",
    version,
    after_help = "\
A LEASE is its id, a unique beginning of its id, or its name.

Exit codes: 0 done; 1 a failure; 2 a wrong call; 3 no such lease; 4 no room for the lease; 130
Ctrl-C. exec and run --attach end with the code of the program in the container."
)]
pub struct Call {
    #[arg(
        long,
        global = true,
        value_name = "URL",
        help = "The server's address [default: CONTAINERLEASE_URL, or else http://127.0.0.1:8080]"
    )]
    server: Option<Server>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Ask(Ask),
    /// Run the one-machine server, with settings from the environment
    ///
    /// The server prints its address and runs until it is told to stop. Leases are kept, and end
    /// on time once it runs again.
    #[cfg(feature = "serve")]
    #[command(after_long_help = settings())]
    Serve,
    Completion(completion::Arguments),
    /// Show this program's version
    Version,
}

/// A command that calls a server.
#[derive(Clone, Debug, Subcommand)]
enum Ask {
    Run(Box<run::Arguments>),
    Ls(ls::Arguments),
    Logs(logs::Arguments),
    Exec(exec::Arguments),
    Renew(renew::Arguments),
    Rm(rm::Arguments),
    Inspect(inspect::Arguments),
    Stats(stats::Arguments),
    Images(images::Arguments),
    Token(token::Arguments),
    Whoami(whoami::Arguments),
}

/// The server's settings, for its help.
#[cfg(feature = "serve")]
fn settings() -> String {
    use std::fmt::Write as _;

    let mut said = "Settings, from the environment:\n".to_owned();
    for setting in containerlease_settings::of_the_server() {
        let default = match setting.default {
            "none" => String::new(),
            default => format!(" [default: {default}]"),
        };
        let (variable, meaning) = (setting.variable, setting.meaning);
        let _ = writeln!(said, "\n  {variable}{default}\n      {meaning}");
    }
    said
}

impl Call {
    /// Whether this runs the server, which uses all of the machine's cores.
    pub fn serves(&self) -> bool {
        match self.command {
            #[cfg(feature = "serve")]
            Command::Serve => true,
            _ => false,
        }
    }

    /// Runs the command, writes to the console, and returns the exit code.
    pub async fn carry_out(
        &self,
        settings: &CommandLineSettings,
        console: &mut Console,
    ) -> Result<u8, Failure> {
        match &self.command {
            Command::Ask(ask) => {
                let server = match &self.server {
                    Some(server) => server.clone(),
                    None => Server::of(settings)?,
                };
                let server = server.called_with(settings)?;
                return ask.carry_out(&Api::of(&server)?, console).await;
            }
            #[cfg(feature = "serve")]
            Command::Serve => containerlease_local::serve().await?,
            Command::Completion(arguments) => completion::run::<Self>(arguments, console)?,
            Command::Version => {
                let version = concat!("containerlease ", env!("CARGO_PKG_VERSION"));
                console.print_line(version)?;
            }
        }
        Ok(0)
    }
}

impl Ask {
    async fn carry_out(&self, api: &Api, console: &mut Console) -> Result<u8, Failure> {
        // Only `run` has to clean up before it ends.
        if !matches!(self, Self::Run(_)) {
            Interrupt::listen()?.ends_the_process();
        }
        match self {
            Self::Run(arguments) => return run::run(api, arguments, console).await,
            Self::Exec(arguments) => return exec::run(api, arguments, console).await,
            Self::Ls(arguments) => ls::run(api, arguments, console).await?,
            Self::Logs(arguments) => logs::run(api, arguments, console).await?,
            Self::Renew(arguments) => renew::run(api, arguments, console).await?,
            Self::Rm(arguments) => rm::run(api, arguments, console).await?,
            Self::Inspect(arguments) => inspect::run(api, arguments, console).await?,
            Self::Stats(arguments) => stats::run(api, arguments, console).await?,
            Self::Images(arguments) => images::run(api, arguments, console).await?,
            Self::Token(arguments) => token::run(api, arguments, console).await?,
            Self::Whoami(arguments) => whoami::run(api, arguments, console).await?,
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, error::ErrorKind};

    use super::*;

    const ID: &str = "0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c";

    fn refusal(arguments: &[&str]) -> clap::Error {
        let arguments = ["containerlease"].iter().chain(arguments);
        Call::try_parse_from(arguments).expect_err("it is refused")
    }

    #[test]
    fn the_definition_is_sound() {
        Call::command().debug_assert();
    }

    #[test]
    fn a_call_as_in_the_manual_is_taken() {
        for call in [
            &["logs", ID][..],
            &["logs", "-f", "--tail", "100", "--since", "15m", "-t", ID],
            &["logs", ID, "--follow", "--json", "--cursor", "5.0_0"],
            &[
                "logs",
                ID,
                "--tail",
                "all",
                "--since",
                "2026-11-24T09:30:00Z",
            ],
            &["--server", "https://example.org", "logs", ID],
            &["logs", "--server", "https://example.org", ID],
            &["logs", "redis-1"],
            &["run", "redis", "--for", "30m"],
            &[
                "run",
                "redis",
                "--for=2h",
                "-p",
                "80",
                "-p",
                "8080/http",
                "--wait",
                "--json",
            ],
            &[
                "run", "alpine", "--for", "1m", "--attach", "--", "sh", "-c", "exit 3",
            ],
            &["ls", "-a", "--label", "team=search", "--label", "ci"],
            &["ps", "-q", "--state", "running"],
            &[
                "exec",
                "-i",
                "--timeout",
                "20s",
                "cache",
                "redis-cli",
                "-x",
                "set",
                "a",
            ],
            &["exec", "cache", "--", "ls", "--all"],
            &["renew", "cache", "+15m"],
            &["rm", ID, "cache", "0193"],
            &["inspect", ID],
            &["stats", "cache", "--json"],
            &["images", "--json"],
            &[
                "token", "create", "ci", "--owner", "search", "--role", "viewer", "--scope",
                "read", "--days", "30",
            ],
            &["token", "ls", "--all"],
            &["token", "revoke", "5f0c2a9d41be", "cl_5f0c2a9d41be_0f1e"],
            &["whoami"],
            &["completion", "zsh"],
            &["version"],
        ] {
            let arguments = ["containerlease"].iter().chain(call);
            assert!(Call::try_parse_from(arguments).is_ok(), "{call:?}");
        }
    }

    #[test]
    fn what_contradicts_itself_or_is_missing_is_refused() {
        for (call, kind) in [
            (&["run", "redis"][..], ErrorKind::MissingRequiredArgument),
            (&["rm"], ErrorKind::MissingRequiredArgument),
            (&["exec", ID], ErrorKind::MissingRequiredArgument),
            (
                &["run", "redis", "--for", "1m", "--attach", "--wait"],
                ErrorKind::ArgumentConflict,
            ),
            (
                &["ls", "-a", "--state", "ended"],
                ErrorKind::ArgumentConflict,
            ),
            (&["ls", "--state", "lost"], ErrorKind::InvalidValue),
            (
                &["run", "redis", "--for", "1m", "sh"],
                ErrorKind::UnknownArgument,
            ),
        ] {
            let refusal = refusal(call);
            assert_eq!((refusal.kind(), refusal.exit_code()), (kind, 2), "{call:?}");
        }
    }

    #[test]
    fn a_wrong_value_is_refused_with_what_would_be_right() {
        for (call, said) in [
            (&["logs", ID, "--server", "8080"][..], "http:// or https://"),
            (&["run", "redis", "--for", "29s"], "30 seconds or longer"),
            (&["run", "redis", "--for", "30"], "30m is minutes"),
            (
                &["run", "redis", "--for", "1m", "-p", "http"],
                "from 1 to 65535",
            ),
            (&["run", "redis", "--for", "1m", "-e", "A B"], "KEY=VALUE"),
            (
                &["run", "redis", "--for", "1m", "--memory", "64"],
                "64m is mebibytes, 64g is gibibytes",
            ),
            (&["renew", ID, "+1s"], "30 seconds or longer"),
            (&["exec", "--timeout", "1ms", ID, "ls"], "whole seconds"),
            (
                &["token", "create", "x", "--role", "root"],
                "viewer, user or admin",
            ),
            (
                &["token", "create", "x", "--scope", "write"],
                "read, lease, exec or admin",
            ),
            (&["token", "revoke", "x"], "12 hexadecimal digits"),
            (&["token", "create", "x", "--days", "0"], "1..=366"),
        ] {
            let refusal = refusal(call);
            assert_eq!(refusal.kind(), ErrorKind::ValueValidation, "{call:?}");
            assert!(refusal.to_string().contains(said), "{refusal}");
            assert_eq!(refusal.exit_code(), 2);
        }
    }
}
