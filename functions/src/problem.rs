//! Problems: every error that a caller can see, in the format of RFC 9457.
//!
//! A problem has a stable `type` (`urn:containerlease:problem:NAME`), a sentence that says
//! what to do, and the request's id. An adapter's own message goes to the log under that id,
//! never to the caller.

pub(crate) mod faults;

use std::time::Duration;

use containerlease_shared::{
    capacity::{Resource, Shortage, Whose},
    delete::DeleteError,
    host::HostError,
    inside::InsideError,
    lease::RenewRefused,
    log_page::LogPageError,
    provision::ProvisionError,
    renew::RenewError,
    request::{BODY_LIMIT, FieldFault, Refused},
    store::{StoreError, StoreErrorKind},
    time::Time,
};
use http::StatusCode;
use serde_json::{Value, json};

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
        "The request does not identify its caller, or its token or session is unknown.";
    ForeignOrigin = FORBIDDEN, "foreign-origin", stays,
        "The request names another host, or comes from another site's page.";
    UnknownCaller = FORBIDDEN, "unknown-caller", stays,
        "The authorizer did not identify the caller.";
    LeaseNotFound = NOT_FOUND, "lease-not-found", stays,
        "There is no such lease, or it is somebody else's.";
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

    fn store_unavailable() -> Self {
        Self::new(
            Kind::StoreUnavailable,
            "The leases cannot be read or written just now",
            "Try again in a moment; existing leases stay, and end on time.",
        )
        .retry_after(5)
    }

    fn storage_full() -> Self {
        Self::new(
            Kind::StorageFull,
            "The server's disk cannot be written",
            "Nothing was changed; try again once the operator has made room. Existing leases \
             end on time.",
        )
        .retry_after(30)
    }

    fn store_busy() -> Self {
        Self {
            detail: "The table is busy; try again in a moment. Existing leases stay, and end on \
                     time."
                .to_owned(),
            ..Self::store_unavailable()
        }
        .retry_after(2)
    }

    fn engine_unavailable() -> Self {
        Self::new(
            Kind::EngineUnavailable,
            "The Docker engine cannot be used just now",
            "Nothing was leased; try again in a moment. GET /readyz tells the operator more.",
        )
        .retry_after(10)
    }

    /// There is no room for a lease, in its owner's quota or on the host.
    fn full(shortage: &Shortage, now: Time) -> Self {
        let short: Vec<_> = shortage
            .full
            .iter()
            .map(|it| amount(shortage, *it))
            .collect();
        let short = short.join(" and ");
        let advice = if shortage.never {
            "this request exceeds that: ask for less."
        } else {
            "delete a lease, ask for less, or wait until one ends."
        };
        let problem = match shortage.whose {
            Whose::Owner => Self::new(
                Kind::QuotaReached,
                "Your quota leaves no room for this lease",
                format!("At most {short} at once; {advice}"),
            ),
            Whose::Host => Self::new(
                Kind::HostFull,
                "The Docker host has no room for this lease",
                format!("It has {short} for all leases together; {advice}"),
            ),
        };
        let wait = match shortage.frees_up_at {
            // Two seconds more, since the room is free only once the container is gone.
            Some(end) => Some(now.until(end) + Duration::from_secs(2)),
            None if shortage.never => None,
            None => Some(Duration::from_secs(15)),
        };
        Self {
            retry_after: wait,
            members: vec![
                ("full", json!(shortage.full)),
                ("freesUpAt", json!(shortage.frees_up_at)),
            ],
            ..problem
        }
    }

    /// The engine could not carry out a request other than a provision.
    fn cannot_reach_inside(error: &HostError) -> Self {
        tracing::error!(%error, "the engine did not do what was asked");
        Self {
            detail: "Try again in a moment; GET /readyz tells the operator more.".to_owned(),
            ..Self::engine_unavailable()
        }
    }

    fn not_yet_running() -> Self {
        Self::new(
            Kind::LeaseNotRunning,
            "The lease's container does not run yet",
            "Try again when its state is running.",
        )
        .retry_after(2)
    }

    fn contended() -> Self {
        Self::new(
            Kind::LeaseContended,
            "Others were changing the lease at the same moment",
            "Try again.",
        )
        .retry_after(1)
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotAnObject(sentence) => {
                Self::new(Kind::InvalidBody, "The body cannot be read", sentence)
            }
            Refused::Fields(fields) => {
                Self::of_fields(Kind::InvalidRequest, "Some fields are wrong", &fields)
            }
        }
    }
}

impl From<&StoreError> for Problem {
    fn from(error: &StoreError) -> Self {
        tracing::error!(%error, kind = ?error.kind, "the table could not be used");
        match error.kind {
            StoreErrorKind::Busy => Self::store_busy(),
            StoreErrorKind::Unwritable | StoreErrorKind::NoRoom(_) => Self::storage_full(),
            // A retry does not help.
            StoreErrorKind::Corrupt => Self::internal(),
            _ => Self::store_unavailable(),
        }
    }
}

impl From<&HostError> for Problem {
    fn from(error: &HostError) -> Self {
        tracing::error!(%error, "the engine did not do what was asked");
        match error {
            HostError::ImageMissing { image } => Self::new(
                Kind::ImageMissing,
                "The image is not on the Docker host",
                format!("Nothing was leased; the operator must pull {image} there first."),
            ),
            HostError::RuntimeMissing { .. } => Self::new(
                Kind::RuntimeMissing,
                "The Docker host does not have the runtime",
                "Nothing was leased; the operator must install the runtime that this image type \
                 needs. GET /readyz tells the operator more.",
            ),
            HostError::EgressStaysOpen => Self::new(
                Kind::EgressStaysOpen,
                "The Docker host cannot restrict egress",
                "Nothing was leased; leave out egress, or have the operator set up the host's \
                 firewall.",
            ),
            HostError::EgressListMissing { list } => Self::new(
                Kind::EgressStaysOpen,
                "The Docker host's firewall does not have this list",
                format!(
                    "Nothing was leased; choose another egress than {list}, or have the operator \
                     add the list to the host's firewall."
                ),
            ),
            // The engine's message is about the caller's own command, but may name paths of
            // the host. The caller learns only the kind of fault.
            HostError::CannotRun { .. } => Self::new(
                Kind::CannotRun,
                "The container could not be started as asked",
                "Nothing was leased; check that the command exists in the image, and the \
                 memory and CPU asked for.",
            ),
            _ => Self::engine_unavailable(),
        }
    }
}

/// The limit of a resource, in words.
fn amount(shortage: &Shortage, resource: Resource) -> String {
    let bound = shortage.bounds.of(resource).unwrap_or_default();
    match resource {
        Resource::Leases if shortage.whose == Whose::Host => {
            format!("places for {bound} containers")
        }
        Resource::Leases if bound == 1 => "1 lease".to_owned(),
        Resource::Leases => format!("{bound} leases"),
        Resource::CpuMilli => format!("{bound} thousandths of a CPU"),
        Resource::MemoryMb => format!("{bound} MiB of memory"),
        Resource::DiskMb => format!("{bound} MiB of disk"),
    }
}

impl From<ProvisionError> for Problem {
    fn from(error: ProvisionError) -> Self {
        match error {
            ProvisionError::Full(shortage) => Self::full(&shortage, Time::now()),
            ProvisionError::KeyConflict => Self::new(
                Kind::IdempotencyConflict,
                "This idempotency key was used for another request",
                "Send each new request with a new Idempotency-Key; this one belongs to its \
                 first request for a day.",
            ),
            ProvisionError::StillProvisioning => Self::new(
                Kind::LeaseNotRunning,
                "The lease's container does not run yet",
                "An earlier request with this Idempotency-Key is still in progress; send this \
                 one again.",
            )
            .retry_after(5),
            ProvisionError::Purged => Self::lease_not_found(),
            ProvisionError::Contended => Self::contended(),
            ProvisionError::Host(error) => (&error).into(),
            ProvisionError::Store(error) => (&error).into(),
            ProvisionError::EndedMeanwhile => Self::new(
                Kind::LeaseOver,
                "The lease was ended while it was being provisioned",
                "Lease again.",
            ),
        }
    }
}

impl From<RenewError> for Problem {
    fn from(error: RenewError) -> Self {
        match error {
            RenewError::NotFound => Self::lease_not_found(),
            RenewError::Refused(RenewRefused::Over) => Self::new(
                Kind::LeaseOver,
                "The lease is over",
                "It cannot be renewed any more; lease again.",
            ),
            RenewError::Refused(RenewRefused::NotYetRunning) => Self::not_yet_running(),
            RenewError::Contended => Self::contended(),
            RenewError::Store(error) => (&error).into(),
        }
    }
}

impl From<DeleteError> for Problem {
    fn from(error: DeleteError) -> Self {
        match error {
            DeleteError::NotFound => Self::lease_not_found(),
            DeleteError::Contended => Self::contended(),
            DeleteError::Store(error) => (&error).into(),
        }
    }
}

impl From<InsideError> for Problem {
    fn from(error: InsideError) -> Self {
        match error {
            InsideError::NotFound => Self::lease_not_found(),
            InsideError::NotYetRunning => Self::not_yet_running(),
            InsideError::Over => Self::new(
                Kind::LeaseOver,
                "The lease is over",
                "Its container is gone or being removed; lease again.",
            ),
            InsideError::Stopped => Self::new(
                Kind::LeaseOver,
                "The lease's program has ended",
                "The lease ends with it; GET /api/containers/{id}/logs has its last lines.",
            ),
            InsideError::Paused => Self::new(
                Kind::ContainerPaused,
                "The container is paused",
                "Nothing can be run in it until the operator has unpaused it.",
            ),
            // As with a provision, the runtime's message may name paths of the host.
            InsideError::CannotRun(message) => {
                tracing::info!(message, "a command cannot be run");
                Self::new(
                    Kind::CannotRun,
                    "The command could not be run as asked",
                    "Check that the program exists in the image and may be executed, and that \
                     the container is not at its limit of processes.",
                )
            }
            InsideError::Store(error) => (&error).into(),
            InsideError::Host(error) => Self::cannot_reach_inside(&error),
        }
    }
}

impl From<LogPageError> for Problem {
    fn from(error: LogPageError) -> Self {
        match error {
            LogPageError::NotFound => Self::lease_not_found(),
            LogPageError::Store(error) => (&error).into(),
            LogPageError::Host(error) => Self::cannot_reach_inside(&error),
        }
    }
}
