//! Problems: every error that a caller can see, in the format of RFC 9457.
//!
//! A problem has a stable `type` (`urn:containerlease:problem:NAME`), a sentence that says
//! what to do, and the request's id. An adapter's own message goes to the log under that id,
//! never to the caller.

pub(crate) mod faults;
mod from;

use std::time::Duration;

use containerlease_domain::request::{BODY_LIMIT, FieldFault};
use http::StatusCode;
use serde_json::Value;

/// Translates a word of the table below: whether a problem may pass by itself.
macro_rules! passes {
    (passes) => {
        true
    };
    (stays) => {
        false
    };
}

/// Generates [`Kind`] and its properties from one table, so that no kind lacks one.
macro_rules! kinds {
    ($($kind:ident = $status:ident, $name:literal, $course:ident, $summary:literal;)*) => {
        /// A kind of problem, one for each `type`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind {
            $(#[doc = $summary] $kind,)*
        }

        impl Kind {
            /// All kinds, ordered by status.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The status of the answer.
            pub const fn status(self) -> StatusCode {
                match self {
                    $(Self::$kind => StatusCode::$status,)*
                }
            }

            /// The last part of the problem's type.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            /// Whether the same request may succeed later.
            pub const fn may_pass(self) -> bool {
                match self {
                    $(Self::$kind => passes!($course),)*
                }
            }

            /// One sentence that says when a request fails with this problem.
            pub const fn summary(self) -> &'static str {
                match self {
                    $(Self::$kind => $summary,)*
                }
            }
        }
    };
}

kinds! {
    InvalidBody = BAD_REQUEST, "invalid-body", stays,
        "The body is not a JSON object.";
    InvalidRequest = BAD_REQUEST, "invalid-request", stays,
        "Fields of the body are wrong; `errors` names each with a sentence.";
    InvalidLeaseId = BAD_REQUEST, "invalid-lease-id", stays,
        "The id in the path is not a lease id.";
    InvalidIdempotencyKey = BAD_REQUEST, "invalid-idempotency-key", stays,
        "The `Idempotency-Key` is malformed, or there are two.";
    InvalidQuery = BAD_REQUEST, "invalid-query", stays,
        "Parameters of the query are wrong; `errors` names each with a sentence.";
    InvalidCursor = BAD_REQUEST, "invalid-cursor", stays,
        "The log cursor is malformed.";
    InvalidLogView = BAD_REQUEST, "invalid-log-view", stays,
        "The log's `tail`, `since`, `limit`, `level` or `search` is invalid, or does not go with `cursor`.";
    SignInNeeded = UNAUTHORIZED, "sign-in-needed", stays,
        "The request does not identify its caller.";
    InvalidToken = UNAUTHORIZED, "invalid-token", stays,
        "The token is malformed or unknown, or it has expired or was revoked.";
    ForeignOrigin = FORBIDDEN, "foreign-origin", stays,
        "The request names another host, or comes from another site's page.";
    UnknownCaller = FORBIDDEN, "unknown-caller", stays,
        "The authorizer did not identify the caller.";
    NotAllowed = FORBIDDEN, "not-allowed", stays,
        "The caller's role, or the scopes of its token, do not allow it.";
    LeaseNotFound = NOT_FOUND, "lease-not-found", stays,
        "There is no such lease, or it is somebody else's.";
    TokenNotFound = NOT_FOUND, "token-not-found", stays,
        "There is no such token, or it is somebody else's.";
    RouteNotFound = NOT_FOUND, "route-not-found", stays,
        "There is nothing at this path.";
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method-not-allowed", stays,
        "The path takes other methods; `Allow` names them.";
    TooSlow = REQUEST_TIMEOUT, "too-slow", passes,
        "The body did not arrive in time.";
    LeaseOver = CONFLICT, "lease-over", stays,
        "The lease is ending or has ended, or its program has ended.";
    LeaseNotRunning = CONFLICT, "lease-not-running", passes,
        "The lease is still being provisioned.";
    LeaseContended = CONFLICT, "lease-contended", passes,
        "Others changed the lease at the same moment.";
    IdempotencyConflict = CONFLICT, "idempotency-conflict", stays,
        "The `Idempotency-Key` was used for another request.";
    ContainerPaused = CONFLICT, "container-paused", stays,
        "The operator has paused the container, and nothing can be run in it.";
    TooManyTokens = CONFLICT, "too-many-tokens", stays,
        "The owner has as many tokens as are allowed.";
    BodyTooLarge = PAYLOAD_TOO_LARGE, "body-too-large", stays,
        "The body is larger than the server accepts.";
    TargetTooLong = URI_TOO_LONG, "target-too-long", stays,
        "The path and the query are longer than the server accepts.";
    CannotRun = UNPROCESSABLE_ENTITY, "cannot-run", stays,
        "The container could not be started as asked, or the command is not in it.";
    EgressStaysOpen = UNPROCESSABLE_ENTITY, "egress-stays-open", stays,
        "The engine does not report the firewall that restricts a lease's outgoing connections, or that firewall lacks the requested list.";
    WebsocketExpected = UPGRADE_REQUIRED, "websocket-expected", stays,
        "The path accepts only WebSocket connections.";
    QuotaReached = TOO_MANY_REQUESTS, "quota-reached", passes,
        "Your quota leaves no room for the lease; `full` names what is used up, `freesUpAt` says when there is room.";
    Internal = INTERNAL_SERVER_ERROR, "internal", stays,
        "The server failed; its log has the cause under the request id.";
    EngineUnavailable = SERVICE_UNAVAILABLE, "engine-unavailable", passes,
        "The Docker engine cannot be used; `/readyz` says why.";
    StoreUnavailable = SERVICE_UNAVAILABLE, "store-unavailable", passes,
        "The table cannot be used.";
    HostFull = SERVICE_UNAVAILABLE, "host-full", passes,
        "The Docker host has no room for the lease; `full` and `freesUpAt` are as with `quota-reached`.";
    TooManyLogs = SERVICE_UNAVAILABLE, "too-many-logs", passes,
        "The maximum number of logs is being watched.";
    ImageMissing = SERVICE_UNAVAILABLE, "image-missing", stays,
        "The image is not on the Docker host.";
    RuntimeMissing = SERVICE_UNAVAILABLE, "runtime-missing", stays,
        "The Docker engine does not have the runtime that this image type needs.";
    StorageFull = INSUFFICIENT_STORAGE, "storage-full", passes,
        "On one machine, the table's disk is full or cannot be written; `/readyz` says which.";
}

impl Kind {
    /// The problem's `type`.
    pub fn urn(self) -> String {
        format!("urn:containerlease:problem:{}", self.name())
    }
}

/// What went wrong, for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub kind: Kind,
    pub title: &'static str,
    /// A sentence that says what to do.
    pub detail: String,
    /// When it is worth trying again.
    pub retry_after: Option<Duration>,
    /// The methods that the path takes, if the request used another.
    pub allowed_methods: Option<Box<str>>,
    /// Members that only this kind of problem has.
    pub members: Vec<(&'static str, Value)>,
    /// What an adapter said. It goes to the log, never to the caller.
    pub cause: Option<Box<str>>,
}

impl Problem {
    fn new(kind: Kind, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind,
            title,
            detail: detail.into(),
            retry_after: None,
            allowed_methods: None,
            members: Vec::new(),
            cause: None,
        }
    }

    fn caused_by(self, cause: impl std::fmt::Display) -> Self {
        Self {
            cause: Some(cause.to_string().into()),
            ..self
        }
    }

    fn retry_after(self, seconds: u64) -> Self {
        Self {
            retry_after: Some(Duration::from_secs(seconds)),
            ..self
        }
    }

    /// The lease does not exist, or is somebody else's. The caller must not learn which.
    pub fn lease_not_found() -> Self {
        Self::new(
            Kind::LeaseNotFound,
            "There is no such lease",
            "It was purged, or its id is mistyped; GET /api/containers lists your leases.",
        )
    }

    /// The id in the path is not a lease id.
    pub fn invalid_id() -> Self {
        Self::new(
            Kind::InvalidLeaseId,
            "This is not a lease id",
            "Use the id that POST /api/provision has answered; it looks like \
             0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c.",
        )
    }

    /// The log cursor in the query is malformed.
    pub fn invalid_cursor() -> Self {
        Self::new(
            Kind::InvalidCursor,
            "This is not a log cursor",
            "Use the cursor of an earlier log entry, unchanged, or leave it out.",
        )
    }

    /// The parameters of a log's view are invalid.
    pub fn invalid_log_view(why: &impl std::fmt::Display) -> Self {
        Self::new(
            Kind::InvalidLogView,
            "The log cannot be shown from there",
            why.to_string(),
        )
    }

    /// The request's `Idempotency-Key` is malformed.
    pub fn invalid_idempotency_key() -> Self {
        Self::new(
            Kind::InvalidIdempotencyKey,
            "This is not an idempotency key",
            "Send one Idempotency-Key of 1 to 255 visible ASCII characters without spaces, such \
             as a random UUID, or none.",
        )
    }

    /// The parameters of a query are wrong.
    pub fn invalid_query(fields: &[FieldFault]) -> Self {
        Self::of_fields(
            Kind::InvalidQuery,
            "Some parameters of the query are wrong",
            fields,
        )
    }

    /// The body is larger than the server accepts.
    pub fn body_too_large() -> Self {
        Self::new(
            Kind::BodyTooLarge,
            "The body is too large",
            format!("Send at most {} KiB.", BODY_LIMIT / 1024),
        )
    }

    /// The request has no valid token or session.
    pub fn sign_in_needed() -> Self {
        Self::new(
            Kind::SignInNeeded,
            "Sign in first",
            "Send the token as `Authorization: Bearer TOKEN`, or open in a browser the link that \
             the server printed at its start. The user who runs the server needs neither if the \
             operating system identifies the caller.",
        )
    }

    /// The token cannot be used. The caller must not learn why.
    pub fn invalid_token() -> Self {
        Self::new(
            Kind::InvalidToken,
            "The token cannot be used",
            "It is malformed or unknown, or it has expired or was revoked; send one token, as \
             `Authorization: Bearer TOKEN`, or make another one.",
        )
    }

    /// The caller's role or scopes do not allow it; `detail` says what they lack.
    pub fn not_allowed(detail: &str) -> Self {
        Self::new(Kind::NotAllowed, "You may not do this", detail)
    }

    /// The owner has as many tokens as are allowed.
    pub fn too_many_tokens(most: usize) -> Self {
        Self::new(
            Kind::TooManyTokens,
            "The owner has too many tokens",
            format!("It has {most} that can be used; revoke those that nobody needs any more."),
        )
    }

    /// The token does not exist, or is somebody else's. The caller must not learn which.
    pub fn token_not_found() -> Self {
        Self::new(
            Kind::TokenNotFound,
            "There is no such token",
            "It was removed, or its id is mistyped; GET /api/tokens lists your tokens.",
        )
    }

    /// The body is incomplete, or its chunks are malformed.
    pub fn broken_body() -> Self {
        Self::new(
            Kind::InvalidBody,
            "The body cannot be read",
            "Send the whole body, with a matching Content-Length or in chunks of HTTP/1.1.",
        )
    }

    /// The body did not arrive in time.
    pub fn too_slow() -> Self {
        Self::new(
            Kind::TooSlow,
            "The body did not arrive in time",
            "Send the request again, and its whole body at once.",
        )
        .retry_after(1)
    }

    /// The path and the query are longer than the server accepts.
    pub fn target_too_long() -> Self {
        Self::new(
            Kind::TargetTooLong,
            "The path and the query are too long",
            "Keep them below 8 KiB together.",
        )
    }

    /// The API has no such path.
    pub fn route_not_found() -> Self {
        Self::new(
            Kind::RouteNotFound,
            "There is nothing at this path",
            "The API's paths begin with /api/containers, /api/provision and /api/images.",
        )
    }

    /// The path exists, but does not take this method.
    pub fn method_not_allowed(allowed: &str) -> Self {
        Self {
            allowed_methods: Some(allowed.into()),
            ..Self::new(
                Kind::MethodNotAllowed,
                "This path does not take this method",
                format!("Use {allowed}."),
            )
        }
    }

    /// A plain request to a path that accepts only WebSocket connections.
    pub fn websocket_expected() -> Self {
        Self::new(
            Kind::WebsocketExpected,
            "This path opens a WebSocket",
            "Connect with a WebSocket client, such as new WebSocket(url) in a browser.",
        )
    }

    /// The request comes from another site's page, or names another host.
    pub fn foreign_origin() -> Self {
        Self::new(
            Kind::ForeignOrigin,
            "The request does not come from this server's own page",
            "Use the address that the server has printed, without a proxy or another name.",
        )
    }

    /// The authorizer did not identify the caller.
    pub fn unknown_caller() -> Self {
        Self::new(
            Kind::UnknownCaller,
            "The caller is not known",
            "Sign in again.",
        )
    }

    /// An unexpected failure; the log has the cause.
    pub fn internal() -> Self {
        Self::new(
            Kind::Internal,
            "Something went wrong on our side",
            "Try again; if it fails again, give the operator the request id.",
        )
    }

    /// The maximum number of logs is being watched.
    pub fn too_many_logs() -> Self {
        Self::new(
            Kind::TooManyLogs,
            "Too many logs are being watched just now",
            "Try again in a minute, or read the log by request, without watching it.",
        )
        .retry_after(60)
    }
}
