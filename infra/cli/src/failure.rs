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

use containerlease_shared::{logs::NotAStart, names::LeaseId, settings::SettingsError};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use thiserror::Error;
use tokio_tungstenite::tungstenite;

use crate::{duration::spell, server::Server};

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
mod tests {
    use http::HeaderName;

    use super::*;

    fn refused_with(status: u16, headers: &[(HeaderName, &str)], body: &str) -> Failure {
        let server: Server = "http://127.0.0.1:8080".parse().unwrap();
        let headers = headers.iter().cloned();
        let headers = headers.map(|(name, value)| (name, value.parse().unwrap()));
        let status = StatusCode::from_u16(status).unwrap();
        Failure::refused(&server, status, &headers.collect(), body.as_bytes())
    }

    fn refused(status: u16, body: &str) -> Failure {
        refused_with(status, &[], body)
    }

    fn problem(status: u16, kind: &str) -> Failure {
        let body = format!(
            r#"{{"type": "urn:containerlease:problem:{kind}", "title": "It is refused",
                "detail": "Ask for less."}}"#
        );
        refused_with(status, &[(header::RETRY_AFTER, "90")], &body)
    }

    #[test]
    fn a_refusal_is_told_in_the_servers_words() {
        let refusal = refused(
            404,
            r#"{"type": "urn:containerlease:problem:lease-not-found", "status": 404,
                "title": "There is no such lease", "detail": "It was purged."}"#,
        );
        assert_eq!(
            refusal.to_string(),
            "there is no such lease. It was purged."
        );
        assert_eq!(refusal.exit_code(), 3);
    }

    #[test]
    fn a_refusal_of_fields_names_what_was_given_here() {
        let refusal = refused(
            400,
            r#"{"type": "urn:containerlease:problem:invalid-request", "status": 400,
                "title": "Fields are wrong", "detail": "memoryMB: Less. env.A: None.",
                "errors": [{"field": "memoryMB", "detail": "Less."},
                           {"field": "env.A", "detail": "None."}]}"#,
        );
        assert_eq!(
            refusal.to_string(),
            "fields are wrong. --memory, in mebibytes: Less. env.A: None."
        );
        assert_eq!(refusal.exit_code(), 2);
    }

    #[test]
    fn a_refusal_without_words_is_told_by_its_status() {
        for body in ["", "Forbidden", r#"{"message": "Forbidden"}"#, "[1, 2"] {
            let refusal = refused(403, body);
            assert_eq!(
                refusal.to_string(),
                "http://127.0.0.1:8080 has refused with 403 Forbidden"
            );
            assert_eq!(refusal.exit_code(), 1);
        }
    }

    #[test]
    fn a_gateway_that_refuses_a_websocket_says_no_more_than_not_found() {
        let mut response = http::Response::new(Some(Vec::new()));
        *response.status_mut() = StatusCode::NOT_FOUND;
        let server: Server = "http://127.0.0.1:8080".parse().unwrap();
        let response = tungstenite::Error::Http(Box::new(response));
        let refusal = Failure::to_connect(&server, response);
        assert!(refusal.to_string().contains("knows no such lease"));
        assert_eq!(refusal.exit_code(), 3);
    }

    #[test]
    fn what_speaks_another_language_is_no_server() {
        let page = refused(200, "<!doctype html>");
        assert!(page.to_string().contains("(it answers 200 OK)"), "{page}");
        let elsewhere = refused(
            404,
            r#"{"type": "urn:containerlease:problem:route-not-found",
                "title": "There is nothing at this path", "detail": "Use another."}"#,
        );
        assert_eq!(elsewhere.exit_code(), 1);
    }

    #[test]
    fn what_may_pass_is_told_from_what_stays() {
        for status in [408, 429, 500, 502, 503] {
            assert!(refused(status, "").is_passing(), "{status}");
        }
        for status in [400, 403] {
            assert!(!refused(status, "").is_passing(), "{status}");
        }
    }

    #[test]
    fn a_wait_that_helps_is_told() {
        let full = problem(429, "quota-reached");
        assert_eq!(
            full.to_string(),
            "it is refused. Ask for less. Try again in 1m 30s."
        );
    }

    #[test]
    fn scripts_can_tell_refusals_apart() {
        for (status, kind, code) in [
            (400, "invalid-request", 2),
            (404, "lease-not-found", 3),
            (429, "quota-reached", 4),
            (503, "host-full", 4),
            (503, "engine-unavailable", 1),
            (422, "cannot-run", 1),
        ] {
            assert_eq!(problem(status, kind).exit_code(), code, "{kind}");
        }
        let not_run = |kind| Failure::NotRun(Box::new(problem(422, kind))).exit_code();
        assert_eq!(not_run("cannot-run"), CANNOT_RUN);
        assert_eq!(not_run("lease-over"), NOT_RUN);
    }

    #[test]
    fn what_may_have_been_carried_out_is_told_from_what_was_not() {
        for (status, kind) in [(500, "internal"), (409, "lease-not-running")] {
            assert!(problem(status, kind).leaves_open(), "{kind}");
        }
        assert!(refused(502, "<html>").leaves_open());
        for (status, kind) in [(503, "host-full"), (400, "invalid-request")] {
            assert!(!problem(status, kind).leaves_open(), "{kind}");
        }
        assert!(!refused(403, "").leaves_open());
    }

    #[test]
    fn of_many_leases_some_are_named() {
        let leases = (0..7).map(|_| LeaseId::generate()).collect();
        let failure = Failure::Ambiguous {
            wanted: "web".to_owned(),
            leases,
        };
        let said = failure.to_string();
        assert!(said.starts_with("\"web\" fits 7 leases ("), "{said}");
        assert!(said.contains(" and 2 more)"), "{said}");
        assert_eq!(failure.exit_code(), 2);
    }

    #[test]
    fn a_closed_pipe_is_no_other_fault_of_the_output() {
        let of = |kind: io::ErrorKind| Failure::from(io::Error::from(kind));
        assert!(of(io::ErrorKind::BrokenPipe).is_closed_pipe());
        assert!(!of(io::ErrorKind::StorageFull).is_closed_pipe());
        assert_eq!(of(io::ErrorKind::StorageFull).exit_code(), 1);
    }
}
