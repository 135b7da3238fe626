//! Why a command could not do what was asked: a sentence that says what to do, and an exit
//! code.
//!
//! | code | |
//! |---|---|
//! | 0 | it was done; or whoever read the output has closed it, as `head` does |
//! | 1 | it could not be done |
//! | 2 | the call or a setting is wrong |
//! | 3 | there is no such lease |
//! | 130 | Ctrl-C |

use std::io;

use containerlease_shared::{logs::NotAStart, settings::SettingsError};
use http::StatusCode;
use serde::Deserialize;
use thiserror::Error;
use tokio_tungstenite::tungstenite::{self, handshake::client::Response};

use crate::server::Server;

/// Why a command could not do what was asked.
#[derive(Debug, Error)]
pub enum Failure {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("{}", uncapitalised(&.0.to_string()))]
    Start(#[from] NotAStart),
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
    #[error(
        "{server} cannot be reached ({error}): start a server with `make run`, or name another \
         with --server or CONTAINERLEASE_URL"
    )]
    Unreachable { server: Server, error: String },
    #[error("{server} has not answered for {seconds} s: try again, or ask its operator")]
    NoAnswer { server: Server, seconds: u64 },
    #[error(
        "what answers at {server} is no ContainerLease server ({error}): name another with \
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
    /// The server has answered with another refusal.
    #[error("{sentence}")]
    Refused {
        status: StatusCode,
        sentence: String,
    },
    #[error("the connection was lost before all was there: try again, or follow with --follow")]
    CutOff,
}

impl Failure {
    /// What an attempt to open a connection has come to.
    pub(crate) fn to_connect(server: &Server, error: tungstenite::Error) -> Self {
        let server = server.clone();
        match error {
            tungstenite::Error::Http(response) => Self::refused(&server, &response),
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

    fn refused(server: &Server, response: &Response) -> Self {
        let status = response.status();
        if !status.is_client_error() && !status.is_server_error() {
            return Self::NotAServer {
                server: server.clone(),
                error: format!("it answers {status}"),
            };
        }
        let body = response.body().as_deref().unwrap_or_default();
        match serde_json::from_slice(body) {
            Ok(Problem {
                kind,
                title,
                detail,
            }) => {
                let sentence = format!("{}. {detail}", uncapitalised(&title));
                if kind == "urn:containerlease:problem:lease-not-found" {
                    Self::NoSuchLease(sentence)
                } else {
                    Self::Refused { status, sentence }
                }
            }
            // API Gateway answers every refusal with its status alone.
            Err(_) if status == StatusCode::NOT_FOUND => Self::NoSuchLease(format!(
                "{server} knows no such lease: it was purged, or its id is mistyped"
            )),
            Err(_) => Self::Refused {
                status,
                sentence: format!("{server} has refused with {status}"),
            },
        }
    }

    /// Whether it may be otherwise in a moment.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::NoAnswer { .. } | Self::NotAServer { .. } => true,
            Self::Refused { status, .. } => {
                status.is_server_error()
                    || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(status)
            }
            _ => false,
        }
    }

    /// Whether whoever read the output has closed it.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The exit code that tells it to scripts.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_) | Self::Start(_) => 2,
            Self::NoSuchLease(_) => 3,
            _ => 1,
        }
    }
}

/// A refusal in the server's own words, as RFC 9457 has it.
#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    detail: String,
}

/// A sentence as it stands behind the program's name and a colon.
pub(crate) fn uncapitalised(sentence: &str) -> String {
    let mut characters = sentence.chars();
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, body: &str) -> Failure {
        let mut response = Response::new(Some(body.as_bytes().to_vec()));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        let server: Server = "http://127.0.0.1:8080".parse().unwrap();
        Failure::to_connect(&server, tungstenite::Error::Http(Box::new(response)))
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
    fn a_refusal_without_words_is_told_by_its_status() {
        for body in ["", "Forbidden", r#"{"message": "Forbidden"}"#, "[1, 2"] {
            let refusal = refused(403, body);
            assert_eq!(
                refusal.to_string(),
                "http://127.0.0.1:8080 has refused with 403 Forbidden"
            );
            assert_eq!(refusal.exit_code(), 1);
        }
        let refusal = refused(404, "");
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
        for status in [400, 403, 404] {
            assert!(!refused(status, "").is_passing(), "{status}");
        }
    }

    #[test]
    fn a_closed_pipe_is_no_other_fault_of_the_output() {
        let of = |kind: io::ErrorKind| Failure::from(io::Error::from(kind));
        assert!(of(io::ErrorKind::BrokenPipe).is_closed_pipe());
        assert!(!of(io::ErrorKind::StorageFull).is_closed_pipe());
        assert_eq!(of(io::ErrorKind::StorageFull).exit_code(), 1);
    }
}
