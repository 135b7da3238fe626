//! The operations of the API: a table, and how an entry is described.

use containerlease_domain::identity::Scope;
use http::Method;
use serde_json::{Value, json};

use super::{
    answers::{self, Answer},
    examples, parameters, requests,
    security::Needs,
};
use crate::{http::problem::Kind, warning::Warning};

/// An operation of the API.
pub(super) struct Operation {
    pub(super) id: &'static str,
    pub(super) needs: Needs,
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
    pub(super) parameters: Vec<Value>,
    pub(super) body: Option<Value>,
    pub(super) answers: Vec<Answer>,
    pub(super) problems: &'static [Kind],
}

/// Every operation of the API; `http/router.rs` maps them to functions.
#[expect(clippy::too_many_lines, reason = "it is a table")]
pub(super) fn operations() -> Vec<Operation> {
    use Kind::{
        BodyTooLarge, CannotRun, ContainerPaused, EgressStaysOpen, EngineUnavailable, HostFull,
        IdempotencyConflict, ImageMissing, InvalidBody, InvalidCursor, InvalidIdempotencyKey,
        InvalidLeaseId, InvalidLogView, InvalidQuery, InvalidRequest, LeaseContended,
        LeaseNotFound, LeaseNotRunning, LeaseOver, QuotaReached, RuntimeMissing, StorageFull,
        StoreUnavailable,
    };
    vec![
        Operation {
            id: "provision",
            needs: Needs::Scope(Scope::Lease),
            method: Method::POST,
            path: "/api/provision",
            tag: "leases",
            summary: "Lease a container",
            description: "Answers once the container runs. Requests with the same \
                `Idempotency-Key` are carried out only once in 24 hours.",
            parameters: vec![parameters::idempotency_key()],
            body: Some(requests::body(
                "Provision",
                &[
                    json!({"imageType": "redis", "durationMinutes": 30}),
                    json!({
                        "imageType": "alpine", "durationMinutes": 5, "preset": "small",
                        "name": "nightly import", "labels": {"team": "search"},
                        "env": {"GREETING": "hello"}, "command": ["sh", "-c", "sleep 60"],
                        "notifyUrl": "https://example.org/hook", "warnSeconds": 60,
                        "ports": [8080, {"containerPort": 9000, "scheme": "http"}],
                    }),
                ],
            )),
            answers: vec![
                Answer::timed(201, "The lease; its container runs.", "Provisioned")
                    .example(examples::provisioned())
                    .header("Location", answers::location())
                    .links_of("$response.body#/id"),
            ],
            problems: &[
                InvalidBody,
                InvalidRequest,
                InvalidIdempotencyKey,
                LeaseNotFound,
                LeaseOver,
                LeaseNotRunning,
                LeaseContended,
                IdempotencyConflict,
                BodyTooLarge,
                CannotRun,
                EgressStaysOpen,
                QuotaReached,
                EngineUnavailable,
                StoreUnavailable,
                HostFull,
                ImageMissing,
                RuntimeMissing,
                StorageFull,
            ],
        },
        Operation {
            id: "listContainers",
            needs: Needs::Scope(Scope::Read),
            method: Method::GET,
            path: "/api/containers",
            tag: "leases",
            summary: "List leases, or page through their history",
            description: "Without `state`, lists leases that have not ended, oldest first. With \
                `state=ended` or `state=all`, lists the history, newest first, in pages; only \
                the history takes `limit` and `cursor`. A page that has a cursor may hold fewer \
                leases than `limit`, or none.",
            parameters: parameters::of_list(),
            body: None,
            answers: vec![
                Answer::timed(200, "Leases.", "Containers")
                    .example(examples::containers())
                    .next_page(
                        "listContainers",
                        &json!({"state": "all", "cursor": "$response.body#/cursor"}),
                    ),
            ],
            problems: &[InvalidQuery, StoreUnavailable],
        },
        Operation {
            id: "getContainer",
            needs: Needs::Scope(Scope::Read),
            method: Method::GET,
            path: "/api/containers/{id}",
            tag: "leases",
            summary: "Look at a lease",
            description: "Has the receipt once the lease has ended, as long as the server keeps \
                its record.",
            parameters: vec![parameters::lease_id()],
            body: None,
            answers: vec![Answer::timed(200, "The lease.", "One").example(examples::ended_one())],
            problems: &[InvalidLeaseId, LeaseNotFound, StoreUnavailable],
        },
        Operation {
            id: "renewContainer",
            needs: Needs::Scope(Scope::Lease),
            method: Method::POST,
            path: "/api/containers/{id}/renew",
            tag: "leases",
            summary: "Renew a lease",
            description: "The new end is the requested duration from now, but never after \
                `maximumExpiryTime` and never before the current end.",
            parameters: vec![parameters::lease_id()],
            body: Some(requests::body(
                "Renew",
                &[
                    json!({"durationMinutes": 30}),
                    json!({"durationSeconds": 90}),
                ],
            )),
            answers: vec![
                Answer::timed(200, "The lease, and what was granted.", "Renewed")
                    .example(examples::renewed())
                    .links_of("$response.body#/id"),
            ],
            problems: &[
                InvalidBody,
                InvalidRequest,
                InvalidLeaseId,
                LeaseNotFound,
                LeaseOver,
                LeaseNotRunning,
                LeaseContended,
                BodyTooLarge,
                StoreUnavailable,
                StorageFull,
            ],
        },
        Operation {
            id: "deleteContainer",
            needs: Needs::Scope(Scope::Lease),
            method: Method::DELETE,
            path: "/api/containers/{id}",
            tag: "leases",
            summary: "End a lease",
            description: "Accepted in every state. A lease that has ended remains readable, with \
                its receipt.",
            parameters: vec![parameters::lease_id()],
            body: None,
            answers: vec![
                Answer::timed(200, "The container is gone.", "Deleted")
                    .example(json!({"success": true, "state": "ended"})),
                Answer::timed(
                    202,
                    "The lease is ending; the reaper will finish it.",
                    "Deleted",
                )
                .example(json!({"success": true, "state": "ending"})),
            ],
            problems: &[
                InvalidLeaseId,
                LeaseNotFound,
                LeaseContended,
                StoreUnavailable,
                StorageFull,
            ],
        },
        Operation {
            id: "execInContainer",
            needs: Needs::Scope(Scope::Exec),
            method: Method::POST,
            path: "/api/containers/{id}/exec",
            tag: "inside",
            summary: "Run a command in a lease's container",
            description: "Answers 200 whatever the exit code. At its timeout the command is \
                killed with all its children.",
            parameters: vec![parameters::lease_id()],
            body: Some(requests::body(
                "Exec",
                &[
                    json!({"command": ["cat", "/etc/os-release"]}),
                    json!({"command": ["cat"], "stdin": "hello\n", "timeoutSeconds": 5}),
                ],
            )),
            answers: vec![
                Answer::timed(200, "The command's output and exit code.", "Executed")
                    .example(examples::executed()),
            ],
            problems: &[
                InvalidBody,
                InvalidRequest,
                InvalidLeaseId,
                LeaseNotFound,
                LeaseOver,
                LeaseNotRunning,
                ContainerPaused,
                BodyTooLarge,
                CannotRun,
                EngineUnavailable,
                StoreUnavailable,
            ],
        },
        Operation {
            id: "getStats",
            needs: Needs::Scope(Scope::Read),
            method: Method::GET,
            path: "/api/containers/{id}/stats",
            tag: "inside",
            summary: "See what a lease uses",
            description: "Takes half a second to measure the CPU, and up to two seconds if many \
                files count towards the disk.",
            parameters: vec![parameters::lease_id()],
            body: None,
            answers: vec![
                Answer::timed(200, "What its container uses.", "Stats").example(examples::stats()),
            ],
            problems: &[
                InvalidLeaseId,
                LeaseNotFound,
                LeaseOver,
                LeaseNotRunning,
                ContainerPaused,
                EngineUnavailable,
                StoreUnavailable,
            ],
        },
        Operation {
            id: "getLog",
            needs: Needs::Scope(Scope::Read),
            method: Method::GET,
            path: "/api/containers/{id}/logs",
            tag: "inside",
            summary: "Read a part of a lease's log",
            description: "Give either `cursor`, to continue from there, or `tail` and `since`. \
                Works after the lease's end, too, as long as the server keeps its record.",
            parameters: parameters::of_log(),
            body: None,
            answers: vec![
                Answer::timed(200, "Lines, and the cursor to continue from.", "LogPage")
                    .example(examples::log_page())
                    .next_page(
                        "getLog",
                        &json!({"id": "$request.path.id", "cursor": "$response.body#/cursor"}),
                    ),
            ],
            problems: &[
                InvalidLeaseId,
                InvalidQuery,
                InvalidCursor,
                InvalidLogView,
                LeaseNotFound,
                EngineUnavailable,
                StoreUnavailable,
            ],
        },
        Operation {
            id: "listImages",
            needs: Needs::Scope(Scope::Read),
            method: Method::GET,
            path: "/api/images",
            tag: "service",
            summary: "See what can be leased",
            description: "Has each image type's limits and sizes, and the operator's limits for \
                durations.",
            parameters: vec![],
            body: None,
            answers: vec![
                Answer::timed(200, "The catalogue.", "Images").example(examples::images()),
            ],
            problems: &[StoreUnavailable],
        },
        Operation {
            id: "getDescription",
            needs: Needs::Scope(Scope::Read),
            method: Method::GET,
            path: "/api/openapi.json",
            tag: "service",
            summary: "Read this description",
            description: "Changes only with a new version of the server.",
            parameters: vec![parameters::if_none_match()],
            body: None,
            answers: vec![
                Answer::plain(200, "The description.", json!({"type": "object"})).header(
                    "ETag",
                    json!({"required": true, "schema": {"type": "string"}}),
                ),
                Answer::empty(304, "It still matches that `ETag`."),
            ],
            problems: &[StoreUnavailable],
        },
        Operation {
            id: "getHealth",
            needs: Needs::Nothing,
            method: Method::GET,
            path: "/healthz",
            tag: "service",
            summary: "See whether the process answers",
            description: "Checks neither the table nor the engine.",
            parameters: vec![],
            body: None,
            answers: vec![
                Answer::timed(200, "It answers.", "Health").example(json!({"status": "ok"})),
            ],
            problems: &[],
        },
        Operation {
            id: "getReadiness",
            needs: Needs::Nothing,
            method: Method::GET,
            path: "/readyz",
            tag: "service",
            summary: "See whether leases can be made now",
            description: "Checks the table and the engine.",
            parameters: vec![],
            body: None,
            answers: vec![
                Answer::plain(200, "Ready.", answers::reference("Readiness")).example(json!({
                    "status": "ready", "table": {"state": "ok"}, "engine": {"state": "ok"},
                    "warnings": [Warning::FIREWALL_MISSING],
                })),
                Answer::plain(503, "Unavailable.", answers::reference("Readiness")).example(
                    json!({
                        "status": "unready",
                        "table": {"state": "ok"},
                        "engine": {"state": "error", "detail": "The engine cannot be reached."},
                        "warnings": [],
                    }),
                ),
            ],
            problems: &[],
        },
    ]
}

impl Operation {
    pub(super) fn described(self) -> Value {
        let mut responses = answers::problems(self.problems);
        for answer in self.answers {
            responses.insert(answer.status.to_string(), answer.described());
        }
        let mut described = json!({
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "description": self.description,
            "security": self.needs.requirement(),
            "responses": responses,
        });
        if !self.parameters.is_empty() {
            described["parameters"] = Value::from(self.parameters);
        }
        if let Some(body) = self.body {
            described["requestBody"] = body;
        }
        described
    }
}
