//! What the command line takes.

use std::io::Write;

use clap::{Parser, Subcommand};

use crate::{failure::Failure, logs, server::Server};

/// Lease containers for a limited time.
#[derive(Clone, Debug, Parser)]
#[command(name = "containerlease", version)]
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
    Logs(logs::Arguments),
}

impl Call {
    /// Does what was asked, and writes what there is to see to `stdout` and `stderr`.
    pub async fn carry_out(&self, stdout: impl Write, stderr: impl Write) -> Result<(), Failure> {
        let server = match &self.server {
            Some(server) => server.clone(),
            None => Server::from_env()?,
        };
        match &self.command {
            Command::Logs(arguments) => logs::run(&server, arguments, stdout, stderr).await,
        }
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
        ] {
            let arguments = ["containerlease"].iter().chain(call);
            assert!(Call::try_parse_from(arguments).is_ok(), "{call:?}");
        }
    }

    #[test]
    fn a_wrong_value_is_refused_with_what_would_be_right() {
        for (call, said) in [
            (&["logs", "redis-1"][..], "a lease id looks like"),
            (&["logs", &ID.to_uppercase()], "a lease id looks like"),
            (&["logs", ID, "--server", "8080"], "http:// or https://"),
        ] {
            let refusal = refusal(call);
            assert_eq!(refusal.kind(), ErrorKind::ValueValidation, "{call:?}");
            assert!(refusal.to_string().contains(said), "{refusal}");
            assert_eq!(refusal.exit_code(), 2);
        }
    }
}
