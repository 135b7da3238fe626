//! Why a command failed: a sentence that says what to do, and an exit code.
//!
//! | code | |
//! |---|---|
//! | 0 | it was done, or the reader closed the output, as `head` does |
//! | 1 | it failed |
//! | 2 | an argument, a setting or the request is invalid, or fits several leases |
//! | 3 | there is no such lease |
//! | 4 | there is no room: the owner's quota is reached, or the host is full |
//! | 129, 130, 143 | ended by a signal: the terminal is gone, Ctrl-C, TERM |
//!
//! `exec` and `run --attach` end with the exit code of the program in the container. If it has
//! none, they end with one of these, as docker and timeout do:
//!
//! | code | |
//! |---|---|
//! | 124 | it was killed at its time limit |
//! | 125 | it was not run, or its outcome is unknown |
//! | 126 | it cannot be run |

use std::{error::Error as _, io, time::Duration};

use containerlease_domain::{logs::NotAStart, names::LeaseId};
use containerlease_settings::SettingsError;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use thiserror::Error;
use tokio_tungstenite::tungstenite::{self, error::ProtocolError};

use crate::{
    duration::spell,
    server::{NobodyTrusted, Server},
};

/// The program in the container was killed at its time limit.
pub const TIMED_OUT: u8 = 124;

/// The program in the container was not run, or its outcome is unknown.
pub const NOT_RUN: u8 = 125;

/// The program in the container cannot be run.
pub const CANNOT_RUN: u8 = 126;

/// Why a command failed.
#[derive(Debug, Error)]
pub enum Failure {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("{}", uncapitalised(&.0.to_string()))]
    Start(#[from] NotAStart),
    /// An argument that is found invalid only after the command line was parsed.
    #[error("{0}")]
    Given(String),
    #[error("{what} cannot be read: {error}")]
    Unreadable { what: String, error: io::Error },
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
    #[error("cannot listen for signals: {0}")]
    Signals(io::Error),
    #[error(
        "{server} cannot be reached ({error}): start a server with `containerlease serve`, or \
         name another with --server or CONTAINERLEASE_URL"
    )]
    Unreachable { server: Server, error: String },
    #[error("{server} did not answer within {seconds} s: try again, or ask its operator")]
    NoAnswer { server: Server, seconds: u64 },
    /// The request was on its way; whether the server carried it out is unknown.
    #[error("the connection to {server} was lost before it answered ({error}): try again")]
    AnswerLost { server: Server, error: String },
    #[error(
        "{server} is not a ContainerLease server ({error}): name another with \
         --server or CONTAINERLEASE_URL"
    )]
    NotAServer { server: Server, error: String },
    #[error(
        "this machine trusts no certificate authority: install its ca-certificates, or name a \
         file of them with SSL_CERT_FILE"
    )]
    NobodyTrusted,
    #[error("{0}")]
    NoSuchLease(String),
    #[error(
        "{wanted:?} fits {}: give more of the id, which `containerlease ls -aq` shows",
        listed(.leases)
    )]
    Ambiguous {
        wanted: String,
        leases: Vec<LeaseId>,
    },
    /// The server refused for another reason.
    #[error("{0}")]
    Refused(Refusal),
    /// The lease exists, but is not ready.
    #[error("{0}")]
    NotReady(String),
    #[error(
        "it is unknown whether the lease was made ({last}): `containerlease ls` shows it once the \
         server answers"
    )]
    Unsettled { last: Box<Self> },
    #[error(
        "lease {lease} could not be ended ({why}): end it with `containerlease rm {lease}`, or \
         let it end on time"
    )]
    NotEnded { lease: LeaseId, why: Box<Self> },
    /// Some of several leases failed; each failure was already shown.
    #[error("{failed} of {all} failed")]
    Some { failed: usize, all: usize, code: u8 },
    /// A failure of a command whose exit code would be that of a program in a container.
    #[error("{0}")]
    NotRun(Box<Self>),
    #[cfg(feature = "serve")]
    #[error(transparent)]
    Serve(#[from] containerlease_local::ServeError),
}

/// A refusal in the server's words, if it gave any.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{sentence}{}", advice(*.wait))]
pub struct Refusal {
    pub status: StatusCode,
    /// The problem's name, such as `quota-reached`; empty if the server gave none.
    pub kind: String,
    sentence: String,
    /// From `Retry-After`: when to try again.
    pub wait: Option<Duration>,
}

impl From<NobodyTrusted> for Failure {
    fn from(_: NobodyTrusted) -> Self {
        Self::NobodyTrusted
    }
}

impl Failure {
    /// The failure of an attempt to open a WebSocket.
    pub(crate) fn to_connect(server: &Server, error: tungstenite::Error) -> Self {
        let server = server.clone();
        match error {
            tungstenite::Error::Http(response) => {
                let body = response.body().as_deref().unwrap_or_default();
                // API Gateway refuses a WebSocket with a status alone.
                if response.status() == StatusCode::NOT_FOUND && body.is_empty() {
                    return Self::NoSuchLease(format!(
                        "{server} knows no such lease: it was purged, or its id is mistyped"
                    ));
                }
                Self::refused(&server, response.status(), response.headers(), body)
            }
            tungstenite::Error::Io(error) => Self::Unreachable {
                server,
                error: error.to_string(),
            },
            // The connection was cut in the middle of the answer.
            tungstenite::Error::Protocol(ProtocolError::HandshakeIncomplete) => Self::Unreachable {
                server,
                error: "the connection was cut".to_owned(),
            },
            error => Self::NotAServer {
                server,
                error: error.to_string(),
            },
        }
    }

    /// The failure of a request that got no answer.
    pub(crate) fn to_ask(server: &Server, error: &hyper_util::client::legacy::Error) -> Self {
        let server = server.clone();
        // The outermost error only says that the request failed.
        let mut cause = error.source();
        while let Some(inner) = cause.and_then(|cause| cause.source()) {
            cause = Some(inner);
        }
        let said = cause.map_or_else(|| error.to_string(), ToString::to_string);
        let spoken = error.source().and_then(|it| it.downcast_ref());
        if error.is_connect() {
            Self::Unreachable {
                server,
                error: said,
            }
        } else if spoken.is_some_and(hyper::Error::is_parse) {
            Self::NotAServer {
                server,
                error: said,
            }
        } else {
            Self::AnswerLost {
                server,
                error: said,
            }
        }
    }

    /// The failure that an unsuccessful answer means.
    pub(crate) fn refused(
        server: &Server,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Self {
        if !status.is_client_error() && !status.is_server_error() {
            return Self::NotAServer {
                server: server.clone(),
                error: format!("it answers {status}"),
            };
        }
        let wait = headers.get(header::RETRY_AFTER);
        let wait = wait.and_then(|wait| wait.to_str().ok()?.parse().ok());
        let wait = wait.map(Duration::from_secs);
        let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
            if status == StatusCode::NOT_FOUND {
                return Self::NotAServer {
                    server: server.clone(),
                    error: format!("it answers {status}"),
                };
            }
            return Self::Refused(Refusal {
                status,
                kind: String::new(),
                sentence: format!("{server} has refused with {status}"),
                wait,
            });
        };
        let sentence = format!(
            "{}. {}",
            uncapitalised(&problem.title),
            problem.in_our_words()
        );
        match problem.kind.strip_prefix("urn:containerlease:problem:") {
            Some("lease-not-found") => Self::NoSuchLease(sentence),
            kind => Self::Refused(Refusal {
                status,
                kind: kind.unwrap_or_default().to_owned(),
                sentence,
                wait,
            }),
        }
    }

    /// Whether a retry may succeed.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::NoAnswer { .. }
            | Self::AnswerLost { .. }
            | Self::NotAServer { .. } => true,
            Self::Refused(Refusal { status, .. }) => {
                status.is_server_error()
                    || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(status)
            }
            _ => false,
        }
    }

    /// Whether the request may have been carried out although no outcome was received. Repeating
    /// the request, if that is safe, tells.
    pub(crate) fn leaves_open(&self) -> bool {
        match self {
            Self::NoAnswer { .. } | Self::AnswerLost { .. } => true,
            Self::Refused(refusal) => match refusal.kind.as_str() {
                // A gateway's own answer.
                "" => refusal.status.is_server_error(),
                kind => [
                    "internal",
                    "store-unavailable",
                    "lease-contended",
                    "lease-not-running",
                ]
                .contains(&kind),
            },
            _ => false,
        }
    }

    /// Whether the server named this problem.
    pub(crate) fn is_problem(&self, name: &str) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.kind == name)
    }

    /// Whether the reader closed the output.
    pub fn is_closed_pipe(&self) -> bool {
        match self {
            Self::Output(error) => error.kind() == io::ErrorKind::BrokenPipe,
            Self::NotRun(why) => why.is_closed_pipe(),
            _ => false,
        }
    }

    /// The exit code, for scripts.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_) | Self::Start(_) | Self::Given(_) | Self::Ambiguous { .. } => 2,
            Self::NoSuchLease(_) => 3,
            Self::Refused(refusal) => match refusal.kind.as_str() {
                "quota-reached" | "host-full" => 4,
                _ if refusal.status == StatusCode::BAD_REQUEST => 2,
                _ => 1,
            },
            Self::Some { code, .. } => *code,
            Self::NotRun(why) if why.is_problem("cannot-run") => CANNOT_RUN,
            Self::NotRun(_) => NOT_RUN,
            _ => 1,
        }
    }
}

/// A problem of the server, as RFC 9457 defines it.
#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    detail: String,
    #[serde(default)]
    errors: Vec<Fault>,
}

/// An invalid field of a request.
#[derive(Deserialize)]
struct Fault {
    field: String,
    detail: String,
}

impl Problem {
    /// The detail, with the API's field names replaced by this command's options.
    fn in_our_words(&self) -> String {
        let faults = self
            .errors
            .iter()
            .map(|fault| (fault, option_of(&fault.field)));
        // If the list may be cut off, only the detail gives the number of errors.
        let many = self.errors.len() >= LISTED;
        if many || faults.clone().all(|(_, option)| option.is_none()) {
            return self.detail.clone();
        }
        let sentences = faults.map(|(fault, option)| {
            let option = option.unwrap_or(&fault.field);
            format!("{option}: {}", fault.detail)
        });
        sentences.collect::<Vec<_>>().join(" ")
    }
}

/// The server lists at most this many errors.
const LISTED: usize = 20;

fn option_of(field: &str) -> Option<&'static str> {
    Some(match field {
        "imageType" => "IMAGE",
        "durationMinutes" | "durationSeconds" => "the duration",
        "preset" => "--size",
        "cpuMilli" => "--cpu, in thousandths",
        "memoryMB" => "--memory, in mebibytes",
        "diskMB" => "--disk, in mebibytes",
        "egress" => "--egress",
        "name" => "--name",
        "command" => "COMMAND",
        _ => return None,
    })
}

fn advice(wait: Option<Duration>) -> String {
    wait.filter(|wait| !wait.is_zero())
        .map(|wait| format!(" Try again in {}.", spell(wait)))
        .unwrap_or_default()
}

/// As many as a person can choose from.
fn listed(leases: &[LeaseId]) -> String {
    const MOST: usize = 5;
    let shown: Vec<_> = leases.iter().take(MOST).map(ToString::to_string).collect();
    let more = match leases.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{} leases ({}{more})", leases.len(), shown.join(", "))
}

/// A sentence that follows the program's name and a colon.
pub(crate) fn uncapitalised(sentence: &str) -> String {
    let mut characters = sentence.chars();
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests;
