//! The JSON Schema of requests' bodies. The bounds are the parsers' own constants. Rules that
//! a parser has as code, such as which characters a name may have, are repeated here as
//! patterns, and `make fuzz-api` compares the two.
//!
//! The schema uses only keywords that client generators understand; `clients.rs` has the
//! list. Rules beyond those are in descriptions, and `infra/openapi/checks.py` applies them.

use containerlease_domain::{
    catalogue::{Catalogue, Image},
    egress,
    policy::LONGEST_MINUTES,
    request::{
        COMMAND_BYTES, COMMAND_PARTS, ENV_BYTES, ENV_ENTRIES, LABEL_KEY_LENGTH, LABEL_VALUE_LENGTH,
        LABELS, LEAST_CPU_MILLI, LEAST_DISK_MB, LEAST_MEMORY_MB, NAME_LENGTH,
        SHORTEST_LEASE_SECONDS, SHORTEST_MINUTES,
        exec::{DEFAULT_SECONDS, LONGEST_SECONDS, SHORTEST_SECONDS, STDIN_BYTES},
        ports::{PORTS, SCHEMES},
    },
    webhook::LONGEST_URL,
};
use serde_json::{Map, Value, json};

use super::answers::reference;

/// Text without a NUL character.
const NO_NUL: &str = "^[^\\u0000]*$";

/// The bodies of requests, each under its name.
pub(super) fn schemas() -> Map<String, Value> {
    let catalogue = Catalogue::embedded();
    let schemas = [
        ("Provision", provision(&catalogue)),
        ("Renew", renew()),
        ("Exec", exec()),
        ("PortAsked", port()),
    ];
    let schemas = schemas.map(|(name, schema)| (name.to_owned(), schema));
    schemas.into_iter().collect()
}

/// The body of an operation, with the named schema.
pub(super) fn body(name: &str, examples: &[Value]) -> Value {
    let examples: Map<_, _> = examples
        .iter()
        .enumerate()
        .map(|(index, value)| (format!("example{}", index + 1), json!({"value": value})))
        .collect();
    json!({
        "required": true,
        "content": {"application/json": {"schema": reference(name), "examples": examples}},
    })
}

fn provision(catalogue: &Catalogue) -> Value {
    let images = catalogue.images();
    let names: Vec<_> = images.iter().map(|it| it.image_type.as_str()).collect();
    let mut presets: Vec<&str> = Vec::new();
    for preset in images.iter().flat_map(|image| &image.presets) {
        if !presets.contains(&preset.name.as_str()) {
            presets.push(&preset.name);
        }
    }
    // The greatest of all image types; GET /api/images has each type's own maximum.
    let most = |of: fn(&Image) -> u32| images.iter().map(of).max();
    let (cpu, memory, disk) = (
        most(|it| it.cpu_milli.maximum),
        most(|it| it.memory_mb.maximum),
        most(|it| it.disk_mb.maximum),
    );
    let mut schema = json!({
        "type": "object",
        "required": ["imageType"],
        "additionalProperties": false,
        "properties": {
            "imageType": {
                "type": "string",
                "enum": names,
                "description": "What to lease; GET /api/images lists all image types.",
            },
            "durationMinutes": minutes(),
            "durationSeconds": seconds(),
            "preset": {
                "oneOf": [{"type": "string", "enum": presets}, {"type": "null"}],
                "description": "One of the image type's sizes. cpuMilli and memoryMB override it.",
            },
            "cpuMilli": amount(LEAST_CPU_MILLI, cpu, "Thousandths of a CPU."),
            "memoryMB": amount(LEAST_MEMORY_MB, memory, "Mebibytes."),
            "diskMB": amount(
                LEAST_DISK_MB,
                disk,
                "Mebibytes of the host's disk, for the container's writes and its volumes \
                 together. If the engine cannot enforce this, the reaper evicts a lease that uses \
                 more.",
            ),
            "egress": egress(),
            "command": command(true),
            "env": {
                "type": ["object", "null"],
                "maxProperties": ENV_ENTRIES,
                "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
                "additionalProperties": {"type": "string", "pattern": NO_NUL},
                "description": format!(
                    "Variables, which override the image type's own: at most {ENV_BYTES} bytes of \
                     UTF-8 together. No answer contains them."
                ),
            },
            "ports": {
                "type": ["array", "null"],
                "maxItems": PORTS,
                "items": reference("PortAsked"),
                "description": "Ports to publish in addition to the image type's own, each once.",
            },
            "password": {
                "type": ["boolean", "null"],
                "description": "Whether redis or postgres gets a password, which the URL of its \
                    port then contains. The default is true, unless redis has a command of your \
                    own or env sets a password.",
            },
            "name": {
                "type": ["string", "null"],
                "minLength": 1,
                "maxLength": NAME_LENGTH,
                "pattern": name(),
                "description": "Your name for the lease: letters and digits of any script, \
                    spaces, dots, underscores and hyphens, without a space at either end.",
            },
            "labels": {
                "type": ["object", "null"],
                "maxProperties": LABELS,
                "propertyNames": {"pattern": format!("^{}$", label_key())},
                "additionalProperties": {
                    "type": "string",
                    "maxLength": LABEL_VALUE_LENGTH,
                    "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$",
                },
                "description": "Your own notes on the lease; the container does not see them.",
            },
        },
    });
    let properties = schema["properties"].as_object_mut();
    properties.expect("it was made above").extend(of_notify());
    schema
}

/// The fields of a provision for notifications to the lease's owner.
fn of_notify() -> Map<String, Value> {
    let fields = json!({
        "notifyUrl": {
            "type": ["string", "null"],
            "format": "uri",
            "pattern": "^https://",
            "maxLength": LONGEST_URL,
            "description": "The webhook for the lease's end: a URL on the public internet \
                without a user name or a fragment. No answer contains it.",
        },
        "warnSeconds": {
            "type": ["integer", "null"],
            "minimum": 1,
            "maximum": 60 * LONGEST_MINUTES - 1,
            "description": "How many seconds before the end to send a warning as well. Less \
                than the lease's duration, and only with a notifyUrl.",
        },
        "notifySecret": {
            "type": ["string", "null"],
            "pattern": secret(),
            "description": "The secret that signs notifications: whsec_ and the base64 of 24 to \
                64 bytes. Without it the server generates one and returns it in the answer. \
                Only with a notifyUrl.",
        },
    });
    match fields {
        Value::Object(fields) => fields,
        _ => unreachable!("it was made above"),
    }
}

/// Excludes the ASCII characters that a name must not have. Which other characters are
/// letters or digits, a pattern for all dialects cannot say.
pub(super) fn name() -> String {
    let other = r"\u0000-\u001f!-,/:-@\[-^`{-\u009f";
    format!("^[^ {other}]([^{other}]*[^ {other}])?$")
}

/// Base64 of 24 to 64 bytes; before a padding of `=`, the unused bits are 0.
fn secret() -> String {
    let one = "[A-Za-z0-9+/]";
    let four = format!("(?:{one}{{4}})");
    format!(
        "^whsec_(?:{four}{{8,21}}|{four}{{8,20}}{one}{{2}}[AEIMQUYcgkosw048]=\
         |{four}{{8,21}}{one}[AQgw]==)$"
    )
}

fn renew() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {"durationMinutes": minutes(), "durationSeconds": seconds()},
    })
}

fn exec() -> Value {
    json!({
        "type": "object",
        "required": ["command"],
        "additionalProperties": false,
        "properties": {
            "command": command(false),
            "timeoutSeconds": {
                "type": ["integer", "null"],
                "minimum": SHORTEST_SECONDS,
                "maximum": LONGEST_SECONDS,
                "default": DEFAULT_SECONDS,
                "description": "The command is killed after this many seconds.",
            },
            "stdin": {
                "type": ["string", "null"],
                "maxLength": STDIN_BYTES,
                "description": format!("Its standard input: at most {STDIN_BYTES} bytes of UTF-8."),
            },
        },
    })
}

fn minutes() -> Value {
    json!({
        "type": ["integer", "null"],
        "minimum": SHORTEST_MINUTES,
        "maximum": LONGEST_MINUTES,
        "description": "The duration in minutes. Give exactly one of this and durationSeconds. \
            The operator may have set another maximum, which GET /api/images has.",
    })
}

fn seconds() -> Value {
    json!({
        "type": ["integer", "null"],
        "minimum": SHORTEST_LEASE_SECONDS,
        "maximum": 60 * LONGEST_MINUTES,
        "description": "The duration in seconds, in place of durationMinutes.",
    })
}

/// An amount of a resource; `most` is the greatest maximum of all image types.
fn amount(least: u32, most: Option<u32>, unit: &str) -> Value {
    json!({
        "type": ["integer", "null"],
        "minimum": least,
        "maximum": most,
        "description": format!(
            "{unit} An image type may have a lower maximum, which GET /api/images has."
        ),
    })
}

fn egress() -> Value {
    json!({
        "type": ["string", "null"],
        "pattern": egress::PATTERN,
        "description": "Where the container's programs may open connections to: `open`, \
            everywhere; `none`, nowhere, though its published ports stay reachable; or the name of \
            one of the operator's lists. GET /api/images has the choices of each image type; the \
            first is the default. All but `open` require a firewall on the Docker host.",
    })
}

fn command(may_be_left_out: bool) -> Value {
    let kind = if may_be_left_out {
        json!(["array", "null"])
    } else {
        json!("array")
    };
    json!({
        "type": kind,
        "minItems": 1,
        "maxItems": COMMAND_PARTS,
        "items": {"type": "string", "pattern": NO_NUL},
        "description": format!(
            "The program, which must not be empty, and its arguments: at most {COMMAND_BYTES} \
             bytes of UTF-8 together."
        ),
    })
}

fn port() -> Value {
    let number = json!({"type": "integer", "minimum": 1, "maximum": u16::MAX});
    json!({
        "description": "A port of the container: its number, or an object that may add a scheme.",
        "oneOf": [
            number,
            {
                "type": "object",
                "required": ["containerPort"],
                "additionalProperties": false,
                "properties": {
                    "containerPort": number,
                    "scheme": {
                        "type": ["string", "null"],
                        "pattern": format!("^({})$", SCHEMES.join("|")),
                        "description": "The scheme of the port's URL.",
                    },
                },
            },
        ],
    })
}

/// The pattern of a label's key, without `^` and `$`.
pub(super) fn label_key() -> String {
    format!("[a-z0-9][a-z0-9._/-]{{0,{}}}", LABEL_KEY_LENGTH - 1)
}
