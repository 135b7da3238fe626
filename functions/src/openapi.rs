//! The description of the HTTP API, in OpenAPI 3.1.
//!
//! [`document`] generates it from the types of the answers, the parsers' own constants and
//! the table of [`operations`]. `make openapi` writes it to `docs/openapi.json`, and the
//! server serves that file: a function generates nothing at run time.
//!
//! A new field of a body needs a line in [`requests`], a new parameter of a path or a query one
//! in [`parameters`], a new field of an answer only the field of its type, and a new route an
//! entry in [`operations`].

mod answers;
#[cfg(test)]
mod clients;
mod examples;
mod operations;
mod parameters;
mod requests;
mod security;
mod tokens;

use serde::Serialize as _;
use serde_json::{Map, Serializer, Value, json, ser::PrettyFormatter};

use operations::{Operation, operations};

/// Generates the description.
pub fn document() -> String {
    let mut paths = Map::new();
    for operation in all() {
        let of_path = paths.entry(operation.path).or_insert_with(|| json!({}));
        let method = operation.method.as_str().to_lowercase();
        of_path[method] = operation.described();
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "ContainerLease",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Leases containers for a limited time. When a lease ends its \
                container is gone, to the second, and a receipt says why.\n\nTimes are RFC 3339 \
                in UTC. Errors follow RFC 9457 with a stable `type`; docs/problems.md has a \
                page for each. The live log is a WebSocket at `/ws/logs/{id}`, which OpenAPI \
                cannot describe; docs/logs.md has its protocol.\n\nMaximums are defaults: the \
                operator may have set others.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [],
        "tags": [
            {"name": "leases", "description": "Make, renew and end leases."},
            {"name": "inside", "description": "Look and work inside a lease's container."},
            {"name": "tokens", "description": "Who calls: API tokens and what they may do."},
            {"name": "service", "description": "What can be leased, and the service's state."},
        ],
        "paths": paths,
        "components": {
            "headers": answers::shared_headers(),
            "responses": answers::shared_responses(),
            "schemas": schemas(),
            "securitySchemes": security::schemes(),
        },
    });
    // One value per line keeps diffs readable; the narrow indent keeps the file small.
    let mut text = Vec::new();
    let lines = PrettyFormatter::with_indent(b" ");
    document
        .serialize(&mut Serializer::with_formatter(&mut text, lines))
        .expect("it is made of texts and numbers");
    text.push(b'\n');
    String::from_utf8(text).expect("JSON is UTF-8")
}

/// Every operation of the API; `http/router.rs` maps them to functions.
fn all() -> impl Iterator<Item = Operation> {
    operations().into_iter().chain(tokens::operations())
}

/// All schemas that have a name.
fn schemas() -> Map<String, Value> {
    let mut schemas = answers::schemas();
    schemas.extend(requests::schemas());
    schemas.extend(tokens::schemas());
    schemas
}

#[cfg(test)]
mod tests;
