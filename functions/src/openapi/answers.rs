//! The answers: the schemas of the views, and the problems.

use std::collections::BTreeMap;

use containerlease_domain::{capacity::Resource, request::FieldFault, time::Time};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::examples;
use crate::{
    http::{
        problem::{Kind, faults::LISTED},
        view::{Container, Containers, Images, One, Provisioned, Renewed},
    },
    routes::{
        delete::Deleted,
        exec::Executed,
        health::{Health, Readiness},
        log_page::LogPage,
        me::Me,
        stats::Stats,
        tokens::{MadeToken, TokenView, Tokens},
    },
};

/// The problems that any request may get.
pub(super) const ANYWHERE: &[Kind] = &[
    Kind::SignInNeeded,
    Kind::InvalidToken,
    Kind::ForeignOrigin,
    Kind::UnknownCaller,
    Kind::NotAllowed,
    Kind::Internal,
];

/// An answer other than a problem.
pub(super) struct Answer {
    pub(super) status: u16,
    description: &'static str,
    schema: Option<Value>,
    is_timed: bool,
    example: Option<Value>,
    headers: Map<String, Value>,
    links: Map<String, Value>,
}

impl Answer {
    /// JSON of the named schema, with the server's time.
    pub(super) fn timed(status: u16, description: &'static str, schema: &str) -> Self {
        let schema = json!({"allOf": [reference(schema), reference("Timed")]});
        Self {
            is_timed: true,
            ..Self::plain(status, description, schema)
        }
    }

    /// JSON of that schema.
    pub(super) fn plain(status: u16, description: &'static str, schema: Value) -> Self {
        Self {
            schema: Some(schema),
            ..Self::empty(status, description)
        }
    }

    /// Nothing but a status.
    pub(super) fn empty(status: u16, description: &'static str) -> Self {
        Self {
            status,
            description,
            schema: None,
            is_timed: false,
            example: None,
            headers: headers(false),
            links: Map::new(),
        }
    }

    pub(super) fn example(mut self, mut example: Value) -> Self {
        if self.is_timed {
            example["serverTime"] = json!(examples::server_time());
        }
        self.example = Some(example);
        self
    }

    pub(super) fn header(mut self, name: &str, header: Value) -> Self {
        self.headers.insert(name.to_owned(), header);
        self
    }

    /// Links to all operations on the lease; `id` says where the answer has its id.
    pub(super) fn links_of(mut self, id: &str) -> Self {
        for (name, operation) in [
            ("get", "getContainer"),
            ("renew", "renewContainer"),
            ("delete", "deleteContainer"),
            ("exec", "execInContainer"),
            ("stats", "getStats"),
            ("logs", "getLog"),
        ] {
            let link = json!({"operationId": operation, "parameters": {"id": id}});
            self.links.insert(name.to_owned(), link);
        }
        self
    }

    /// A link to the page after this answer.
    pub(super) fn next_page(mut self, operation: &str, parameters: &Value) -> Self {
        let link = json!({"operationId": operation, "parameters": parameters});
        self.links.insert("next".to_owned(), link);
        self
    }

    pub(super) fn described(self) -> Value {
        let mut described = json!({"description": self.description, "headers": self.headers});
        if let Some(schema) = self.schema {
            let mut content = json!({"schema": schema});
            if let Some(example) = self.example {
                content["example"] = example;
            }
            described["content"] = json!({"application/json": content});
        }
        if !self.links.is_empty() {
            described["links"] = Value::from(self.links);
        }
        described
    }
}

/// The problems of an operation, by status.
pub(super) fn problems(of_operation: &[Kind]) -> Map<String, Value> {
    let mut responses = by_status(of_operation);
    for status in by_status(ANYWHERE).keys() {
        let reference = json!({"$ref": format!("#/components/responses/Problem{status}")});
        responses.entry(status).or_insert(reference);
    }
    responses
}

/// The responses that all operations share.
pub(super) fn shared_responses() -> Map<String, Value> {
    let responses = by_status(ANYWHERE).into_iter();
    responses
        .map(|(status, response)| (format!("Problem{status}"), response))
        .collect()
}

fn by_status(some: &[Kind]) -> Map<String, Value> {
    let mut by_status: BTreeMap<u16, Vec<Kind>> = BTreeMap::new();
    for kind in some {
        let of_status = by_status.entry(kind.status().as_u16()).or_default();
        of_status.push(*kind);
    }
    let responses = by_status.into_iter().map(|(status, kinds)| {
        let urns: Vec<_> = kinds.iter().map(|kind| kind.urn()).collect();
        let summaries: Vec<_> = kinds
            .iter()
            .map(|kind| format!("- `{}`: {}", kind.name(), kind.summary()))
            .collect();
        let may_pass = kinds.iter().any(|kind| kind.may_pass());
        let response = json!({
            "description": summaries.join("\n"),
            "headers": headers(may_pass),
            "content": {"application/problem+json": {"schema": reference("Problem")}},
            // One schema for all of them gives a client one type for all problems.
            "x-problem-types": urns,
        });
        (status.to_string(), response)
    });
    responses.collect()
}

fn headers(may_pass: bool) -> Map<String, Value> {
    let mut names = vec!["X-Request-Id"];
    if may_pass {
        names.push("Retry-After");
    }
    let headers = names.into_iter().map(|name| {
        let reference = json!({"$ref": format!("#/components/headers/{name}")});
        (name.to_owned(), reference)
    });
    headers.collect()
}

/// The headers that several answers share.
pub(super) fn shared_headers() -> Value {
    json!({
        "X-Request-Id": {
            "description": "The request's id in the server's log.",
            "required": true,
            "schema": {"type": "string"},
        },
        "Retry-After": {
            "description": "The number of seconds to wait before trying again.",
            "schema": {"type": "integer", "minimum": 0},
        },
    })
}

pub(super) fn location() -> Value {
    let description = "The path of the lease.";
    json!({"description": description, "required": true, "schema": {"type": "string"}})
}

/// The schemas of all answers, by name.
pub(super) fn schemas() -> Map<String, Value> {
    let mut schemas = Vec::new();
    collect::<Container>(&mut schemas);
    collect::<Provisioned>(&mut schemas);
    collect::<One>(&mut schemas);
    collect::<Containers>(&mut schemas);
    collect::<Renewed>(&mut schemas);
    collect::<Deleted>(&mut schemas);
    collect::<Executed>(&mut schemas);
    collect::<Stats>(&mut schemas);
    collect::<LogPage>(&mut schemas);
    collect::<Images>(&mut schemas);
    collect::<Me>(&mut schemas);
    collect::<TokenView>(&mut schemas);
    collect::<MadeToken>(&mut schemas);
    collect::<Tokens>(&mut schemas);
    collect::<Health>(&mut schemas);
    collect::<Readiness>(&mut schemas);
    collect::<FieldFault>(&mut schemas);
    collect::<Resource>(&mut schemas);
    let schemas = schemas.into_iter().map(|(name, schema)| {
        let schema = serde_json::to_value(schema).expect("a schema is JSON");
        (name, schema)
    });
    let mut schemas: Map<_, _> = schemas.collect();
    schemas.insert("Timed".to_owned(), timed());
    schemas.insert("ProblemType".to_owned(), problem_type());
    schemas.insert("Problem".to_owned(), problem());
    schemas
}

/// The server's time, by which a client counts down.
fn timed() -> Value {
    json!({
        "type": "object",
        "required": ["serverTime"],
        "properties": {"serverTime": reference(&Time::name())},
    })
}

fn problem_type() -> Value {
    let urns: Vec<_> = Kind::ALL.iter().map(|kind| kind.urn()).collect();
    // Generators name the constants by these; otherwise they would use the whole URNs.
    let names = Kind::ALL.iter().map(|kind| kind.name());
    let names: Vec<_> = names
        .map(|it| it.replace('-', "_").to_uppercase())
        .collect();
    json!({
        "type": "string",
        "enum": urns,
        "x-enum-varnames": names,
        "description": "docs/problems.md describes each.",
    })
}

fn problem() -> Value {
    json!({
        "type": "object",
        "description": "What went wrong, in the format of RFC 9457.",
        "required": ["type", "title", "status", "detail", "requestId"],
        "properties": {
            "type": reference("ProblemType"),
            "title": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string", "description": "A sentence that says what to do."},
            "requestId": {
                "type": "string",
                "description": "The request's id in the server's log.",
            },
            "errors": {
                "type": "array",
                "items": reference(&FieldFault::name()),
                "maxItems": LISTED,
                "description": "The first wrong fields, each with what is wrong.",
            },
            "full": {
                "type": "array",
                "items": reference(&Resource::name()),
                "description": "The resources that are used up.",
            },
            "freesUpAt": {
                "anyOf": [reference(&Time::name()), {"type": "null"}],
                "description": "The earliest lease end that makes room, if nothing else changes.",
            },
        },
    })
}

/// A reference to the named schema.
pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// The schema of a type.
pub(super) fn schema_of<T: ToSchema>() -> Value {
    serde_json::to_value(T::schema()).expect("a schema is JSON")
}

fn collect<T: ToSchema>(
    schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>,
) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}
