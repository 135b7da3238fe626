//! Errors of the engine, translated from the client library's errors, and the time limit of every
//! call.

use std::{error::Error as _, future::Future, time::Duration};

use bollard::errors::Error as ClientError;
use thiserror::Error;

/// The engine did not do what was requested. Each says what was attempted, for the log.
#[derive(Debug, Error)]
pub enum HostError {
    /// There is no such container or network.
    #[error("{attempted}: the engine knows no such thing")]
    NotFound { attempted: &'static str },
    /// A container or network already has this name.
    #[error("the name is taken")]
    NameTaken,
    /// Somebody else is removing the container.
    #[error("the container is being removed already")]
    RemovalInProgress,
    /// The container is paused, so nothing can run in it.
    #[error("{attempted}: the container is paused")]
    Paused { attempted: &'static str },
    /// The container does not run.
    #[error("{attempted}: the container does not run")]
    NotRunning { attempted: &'static str },
    /// The engine does not have the image.
    #[error("the engine does not have the image {image}")]
    ImageMissing { image: String },
    /// The engine lacks the container's runtime, or the runtime's program.
    #[error("{attempted}: the engine does not have the runtime: {message}")]
    RuntimeMissing {
        attempted: &'static str,
        message: String,
    },
    /// The container cannot run as requested; the engine's sentence says why.
    #[error("{attempted}: {message}")]
    CannotRun {
        attempted: &'static str,
        message: String,
    },
    /// The engine cannot be reached.
    #[error("{attempted}: the engine cannot be reached: {message}")]
    Unreachable {
        attempted: &'static str,
        message: String,
    },
    /// The engine answers no call, so a failed call says nothing about its container.
    #[error("the engine does not answer: {because}")]
    Away { because: String },
    /// The engine did not answer in time. The request may still be carried out.
    #[error("{attempted}: the engine did not answer in time")]
    TimedOut { attempted: &'static str },
    /// The two sides do not trust each other.
    #[error("{attempted}: {fault}: {message}")]
    Tls {
        attempted: &'static str,
        fault: TlsFault,
        message: String,
    },
    /// A certificate or key of ours cannot be read or used.
    #[error("{0}")]
    Certificates(String),
    /// The secret with our certificate is unreadable.
    #[error("{0}")]
    Secret(String),
    /// The engine does not report the firewall that closes egress on its machine.
    #[error("the engine does not report our firewall, so egress stays open")]
    EgressStaysOpen,
    /// The engine does not report a list of that name in this firewall.
    #[error("the engine does not report that its firewall has a list '{list}'")]
    EgressListMissing { list: String },
    /// The engine has no address pool left for another network.
    #[error(
        "{attempted}: the engine has no address pool left: remove networks that nobody uses, or \
         give it more in its default-address-pools"
    )]
    NoAddresses { attempted: &'static str },
    /// The engine answered with another error.
    #[error("{attempted}: the engine answered {status}: {message}")]
    Engine {
        attempted: &'static str,
        status: u16,
        message: String,
    },
    /// The client library failed, and the cause is not known to be the engine.
    #[error("{attempted}: {message}")]
    Client {
        attempted: &'static str,
        message: String,
    },
}

impl HostError {
    /// Whether the engine refused to make a container, perhaps because of its layer's quota.
    pub(super) fn may_be_of_storage(&self) -> bool {
        matches!(self, Self::Engine { .. } | Self::CannotRun { .. })
    }

    /// Whether the engine refused a quota on a container's layer.
    pub(super) fn is_of_storage(&self) -> bool {
        match self {
            Self::Engine { message, .. } | Self::CannotRun { message, .. } => {
                ["storage-opt", "storage size", "quota"]
                    .iter()
                    .any(|word| message.contains(word))
            }
            _ => false,
        }
    }

    /// Whether the engine answered at all, even with an error.
    pub fn is_answer(&self) -> bool {
        !matches!(
            self,
            Self::Unreachable { .. }
                | Self::Away { .. }
                | Self::TimedOut { .. }
                | Self::Tls { .. }
                | Self::Certificates(_)
                | Self::Secret(_)
        )
    }
}

/// Which side's certificate was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TlsFault {
    #[error(
        "the engine refuses our client certificate (it must be signed by the engine's CA: \
         cert.pem in DOCKER_CERT_PATH, or cert in the secret)"
    )]
    OursRefused,
    #[error(
        "we do not trust the engine's certificate (it must name the host and be signed by our \
         CA: ca.pem in DOCKER_CERT_PATH, or ca in the secret)"
    )]
    TheirsUntrusted,
}

/// Waits at most `limit` for `call`, and translates its error.
pub(super) async fn limited<T>(
    attempted: &'static str,
    limit: Duration,
    call: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, HostError> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer.map_err(|error| translate(attempted, error)),
        Err(_) => Err(HostError::TimedOut { attempted }),
    }
}

/// Whether the connection was closed before the request was sent, so that the engine has not seen
/// it. An engine refuses our certificate only after we consider ourselves connected; then either
/// this or its alert may arrive first.
pub(super) fn was_not_sent(error: &ClientError) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            return error.is_canceled();
        }
        cause = error.source();
    }
    false
}

/// Translates the client library's error.
pub(super) fn translate(attempted: &'static str, error: ClientError) -> HostError {
    match error {
        ClientError::DockerResponseServerError {
            status_code,
            message,
        } => from_status(attempted, status_code, message),
        ClientError::RequestTimeoutError => HostError::TimedOut { attempted },
        other => from_connection(attempted, &other),
    }
}

/// Interprets the engine's status. If a status has several meanings, the engine's sentence decides;
/// those sentences have been stable for many years and versions.
fn from_status(attempted: &'static str, status: u16, message: String) -> HostError {
    match status {
        _ if is_of_a_missing_runtime(&message) => HostError::RuntimeMissing { attempted, message },
        // Docker 20.10 answers with 404, later releases with 400 and other words.
        400 | 404 if message.contains("address pool") => HostError::NoAddresses { attempted },
        404 => HostError::NotFound { attempted },
        409 if message.contains("is already in progress")
            || message.contains("marked for removal") =>
        {
            HostError::RemovalInProgress
        }
        409 if message.contains("already in use") || message.contains("already exists") => {
            HostError::NameTaken
        }
        409 if message.contains("is paused") => HostError::Paused { attempted },
        409 if message.contains("is not running") => HostError::NotRunning { attempted },
        // The runtime's own refusals: no such program, not executable, too little memory.
        400 => HostError::CannotRun { attempted, message },
        500 if message.contains("OCI runtime create failed")
            || message.contains("failed to create task")
            || message.contains("failed to create shim") =>
        {
            HostError::CannotRun { attempted, message }
        }
        _ => HostError::Engine {
            attempted,
            status,
            message,
        },
    }
}

/// Whether the message says that the runtime is missing. There are
/// several wordings. Docker up to 22 and Docker from 23 each have one for an unknown name.
/// Containerd has one for a missing program, and one for a program that failed to start and wrote
/// nothing.
fn is_of_a_missing_runtime(message: &str) -> bool {
    let says = |words: &str| message.contains(words);
    says("Unknown runtime specified")
        || says("unknown or invalid runtime name")
        || (says("runtime \"") && says("binary not installed"))
        || (says("unable to retrieve OCI runtime error")
            && (says("fork/exec") || says("executable file not found")))
}

fn from_connection(attempted: &'static str, error: &ClientError) -> HostError {
    let mut sentences = vec![error.to_string()];
    let mut tls_fault = None;
    let mut on_the_way = false;
    let mut cause = error.source();
    while let Some(error) = cause {
        let sentence = error.to_string();
        if sentences.last() != Some(&sentence) {
            sentences.push(sentence);
        }
        tls_fault = tls_fault.or(match unwrapped(error).downcast_ref::<rustls::Error>() {
            Some(rustls::Error::InvalidCertificate(_)) => Some(TlsFault::TheirsUntrusted),
            Some(rustls::Error::AlertReceived(_)) => Some(TlsFault::OursRefused),
            _ => None,
        });
        on_the_way |= error.is::<hyper::Error>()
            || error.is::<std::io::Error>()
            || error.is::<hyper_util::client::legacy::Error>();
        cause = error.source();
    }
    let message = sentences.join(": ");
    if let Some(fault) = tls_fault {
        return HostError::Tls {
            attempted,
            fault,
            message,
        };
    }
    let connection = on_the_way
        || matches!(
            error,
            ClientError::IOError { .. }
                | ClientError::HyperResponseError { .. }
                | ClientError::HyperLegacyError { .. }
        );
    if connection {
        HostError::Unreachable { attempted, message }
    } else {
        HostError::Client { attempted, message }
    }
}

/// The error inside an I/O error, which `source` skips: it returns the inner error's source. A
/// failed handshake is wrapped twice.
fn unwrapped<'e>(
    mut error: &'e (dyn std::error::Error + 'static),
) -> &'e (dyn std::error::Error + 'static) {
    while let Some(wrapped) = error
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref)
    {
        error = wrapped;
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status_code: u16, message: &str) -> HostError {
        translate(
            "testing",
            ClientError::DockerResponseServerError {
                status_code,
                message: message.to_owned(),
            },
        )
    }

    #[test]
    fn what_the_engine_says_gets_its_name() {
        assert!(matches!(
            answered(404, "No such container: x"),
            HostError::NotFound { .. }
        ));
        for (status, message) in [
            (
                404,
                "could not find an available, non-overlapping IPv4 address pool among the \
                 defaults to assign to the network",
            ),
            (
                400,
                "all predefined address pools have been fully subnetted",
            ),
        ] {
            let error = answered(status, message);
            assert!(matches!(error, HostError::NoAddresses { .. }), "{error:?}");
        }
        assert!(matches!(
            answered(409, "removal of container x is already in progress"),
            HostError::RemovalInProgress
        ));
        assert!(matches!(
            answered(
                409,
                "can not get logs from container which is dead or marked for removal"
            ),
            HostError::RemovalInProgress
        ));
        assert!(matches!(
            answered(
                409,
                "Conflict. The container name \"/x\" is already in use by container y"
            ),
            HostError::NameTaken
        ));
        assert!(matches!(
            answered(409, "network with name x already exists"),
            HostError::NameTaken
        ));
        assert!(matches!(
            answered(409, "You cannot remove a running container x"),
            HostError::Engine { status: 409, .. }
        ));
        assert!(matches!(
            answered(
                409,
                "Container x is paused, unpause the container before exec"
            ),
            HostError::Paused { .. }
        ));
        assert!(matches!(
            answered(409, "Container x is not running"),
            HostError::NotRunning { .. }
        ));
        assert!(matches!(
            answered(400, "Minimum memory limit allowed is 6MB"),
            HostError::CannotRun { .. }
        ));
        for (status, message) in [
            (400, "Unknown runtime specified runsc"),
            (400, "unknown or invalid runtime name: runsc"),
            (
                500,
                "failed to start shim: failed to resolve runtime path: runtime \
                 \"io.containerd.runsc.v1\" binary not installed \"containerd-shim-runsc-v1\": \
                 file does not exist: unknown",
            ),
            (
                400,
                "failed to create shim task: OCI runtime create failed: unable to retrieve OCI \
                 runtime error (open log.json: no such file or directory): fork/exec \
                 /usr/bin/runsc: no such file or directory: unknown",
            ),
        ] {
            let error = answered(status, message);
            assert!(
                matches!(error, HostError::RuntimeMissing { .. }),
                "{error:?}"
            );
        }
        assert!(matches!(
            answered(500, "OCI runtime create failed: exec: \"x\": not found"),
            HostError::CannotRun { .. }
        ));
        assert!(matches!(
            answered(500, "driver failed programming external connectivity"),
            HostError::Engine { status: 500, .. }
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_does_not_return_is_given_up() {
        let never = std::future::pending::<Result<(), ClientError>>();
        let error = limited("testing", Duration::from_secs(5), never).await;
        assert!(matches!(error, Err(HostError::TimedOut { .. })));
    }
}
