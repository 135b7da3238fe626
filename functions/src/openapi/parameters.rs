//! The parameters of paths, queries and headers. As for the bodies in
//! [`requests`](super::requests), the bounds are the parsers' own constants, and patterns repeat
//! their code.

use containerlease_domain::{
    catalogue::Catalogue,
    idempotency,
    lease::StateName,
    logs::{Level, PAGE_DEFAULT, PAGE_LIMIT, SEARCH_LIMIT, TAIL_LIMIT},
    names::LeaseId,
    request::{
        LABELS,
        list::{Cursor, LONGEST_PAGE, PAGE},
    },
};
use serde_json::{Value, json};
use utoipa::ToSchema as _;

use super::{
    answers::{reference, schema_of},
    requests::label_key,
};

/// The lease in the path.
pub(super) fn lease_id() -> Value {
    parameter(
        "path",
        "id",
        true,
        "The lease's id.",
        &schema_of::<LeaseId>(),
    )
}

/// The token in the path.
pub(super) fn token_id() -> Value {
    let description = "The token's id, the part between its underscores.";
    parameter("path", "id", true, description, &reference("TokenId"))
}

pub(super) fn idempotency_key() -> Value {
    let schema = json!({
        "type": "string",
        "pattern": "^[!-~]+$",
        "minLength": 1,
        "maxLength": idempotency::LONGEST,
    });
    let description = "A name for this request, such as a random UUID. If you send the same body \
        again under the same key, the answer has the same lease.";
    let mut parameter = parameter("header", "Idempotency-Key", false, description, &schema);
    parameter["example"] = json!("2f1c7d0e-6a55-4f0c-9d2b-7a1e5b8c4d3f");
    parameter
}

pub(super) fn if_none_match() -> Value {
    let description = "The `ETag` of the caller's own copy.";
    let schema = json!({"type": "string"});
    parameter("header", "If-None-Match", false, description, &schema)
}

pub(super) fn of_list() -> Vec<Value> {
    let names = Catalogue::embedded();
    let names: Vec<_> = names.images().iter().map(|it| &it.image_type).collect();
    let states: Vec<_> = ["active", "all"]
        .into_iter()
        .chain(StateName::ALL.map(StateName::as_str))
        .collect();
    let query = |name, description, schema| parameter("query", name, false, description, schema);
    vec![
        query(
            "state",
            "Only leases in this state. `active` stands for every state but `ended`.",
            &json!({"type": "string", "enum": states, "default": "active", "example": "all"}),
        ),
        query(
            "imageType",
            "Only leases of this image type.",
            &json!({"type": "string", "enum": names}),
        ),
        query(
            "label",
            "Only leases with this label, `KEY` or `KEY:VALUE`. Repeat it to require several.",
            &json!({
                "type": "array",
                "maxItems": LABELS,
                "items": {"type": "string", "pattern": format!(r"^{}(:[\s\S]*)?$", label_key())},
            }),
        ),
        query(
            "limit",
            &format!(
                "The maximum number of leases on a page of the history; the default is {PAGE}. \
                 Only the history takes `limit` and `cursor`."
            ),
            &json!({"type": "integer", "minimum": 1, "maximum": LONGEST_PAGE}),
        ),
        query(
            "cursor",
            "The `cursor` of the previous page.",
            &schema_of::<Cursor>(),
        ),
    ]
}

/// The parameters of a log's page. An empty parameter counts as left out.
pub(super) fn of_log() -> Vec<Value> {
    let query = |name, description, schema| parameter("query", name, false, description, schema);
    // Nanoseconds fit into 64 bits, and counts into 32, including the greatest.
    let nanos = "([0-9]{1,18}|[1-8][0-9]{18})";
    let count = format!("([0-9]{{1,9}}|[1-3][0-9]{{9}}|{})", u32::MAX);
    // The letters after them say what the next line may belong to.
    let position = format!(r"(0|{nanos}\.{count}([tdiwe][tm]?)?)");
    vec![
        lease_id(),
        query(
            "cursor",
            "The `cursor` of a line or of the previous page, unchanged.",
            &json!({"type": "string", "pattern": format!("^({position}_{position})?$")}),
        ),
        query(
            "tail",
            "The number of last lines to begin with, or `all`, the default. Not with a cursor.",
            &json!({"type": "string", "pattern": tail()}),
        ),
        query(
            "since",
            "Only lines from this time on: a date and time, or an age such as 90s, 15m, 2h or 1d. \
             Not with a cursor.",
            &json!({"anyOf": [
                {"type": "string", "format": "date-time"},
                {"type": "string", "pattern": "^([0-9]{1,9}[smhd])?$"},
            ]}),
        ),
        query(
            "limit",
            "The maximum number of lines on the page.",
            &json!({
                "anyOf": [
                    {"type": "integer", "minimum": 1, "maximum": PAGE_LIMIT},
                    {"type": "string", "maxLength": 0},
                ],
                "default": PAGE_DEFAULT,
            }),
        ),
        query(
            "level",
            "Only lines of this level and above.",
            &json!({"anyOf": [
                reference(&Level::name()),
                {"type": "string", "maxLength": 0},
            ]}),
        ),
        query(
            "search",
            "Only lines that contain this text, in upper or lower case.",
            &json!({"type": "string", "maxLength": SEARCH_LIMIT}),
        ),
    ]
}

/// `all`, or a number up to [`TAIL_LIMIT`], which is a power of ten.
fn tail() -> String {
    debug_assert_eq!(TAIL_LIMIT, 10_u32.pow(TAIL_LIMIT.ilog10()));
    format!("^(all|[0-9]{{1,{}}}|{TAIL_LIMIT})?$", TAIL_LIMIT.ilog10())
}

fn parameter(place: &str, name: &str, required: bool, description: &str, schema: &Value) -> Value {
    json!({
        "in": place,
        "name": name,
        "required": required,
        "description": description,
        "schema": schema,
    })
}
