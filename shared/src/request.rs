//! Parsers of request bodies. They return the checked inputs of the verbs.
//!
//! A parser collects all faults of a body before it answers, so that a caller can correct them
//! all at once. Its result is checked; no deeper code checks again. [`list`] does the same for
//! the query of a list.

mod duration;
pub mod exec;
mod json;
pub mod list;
mod notify;
mod password;
pub mod ports;

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use serde_json::{Map, Number, Value};
use utoipa::ToSchema;

pub use duration::{SHORTEST_LEASE_SECONDS, SHORTEST_MINUTES};
pub use exec::Exec;
pub use notify::Notify;

use crate::{
    catalogue::{Catalogue, Image, Port, Preset, Range},
    egress::{self, Egress},
    settings::Policy,
};

/// The largest request body, in bytes.
pub const BODY_LIMIT: usize = 64 * 1024;

/// The dashboard's default duration, in minutes.
pub const DEFAULT_MINUTES: u64 = 15;

pub const NAME_LENGTH: usize = 63;
pub const COMMAND_PARTS: usize = 64;
pub const COMMAND_BYTES: usize = 8 * 1024;
pub const ENV_ENTRIES: usize = 64;
pub const ENV_BYTES: usize = 16 * 1024;
pub const LABELS: usize = 16;
pub const LABEL_KEY_LENGTH: usize = 63;
pub const LABEL_VALUE_LENGTH: usize = 255;
pub const LEAST_CPU_MILLI: u32 = 10;
/// The engine itself refuses less.
pub const LEAST_MEMORY_MB: u32 = 6;
/// A database writes about 40 MiB when it starts.
pub const LEAST_DISK_MB: u32 = 64;

/// A checked `POST /api/provision`.
#[derive(Clone, Debug, PartialEq)]
pub struct Provision {
    pub image: Image,
    pub duration: Duration,
    pub name: Option<String>,
    pub cpu_milli: u32,
    pub memory_mb: u32,
    /// Mebibytes of the host's disk.
    pub disk_mb: u32,
    pub egress: Egress,
    /// The command to run; none for the image's own.
    pub command: Option<Vec<String>>,
    /// The image's variables, overridden by the caller's.
    pub env: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    /// The image's ports, and then the caller's own.
    pub ports: Vec<Port>,
    /// Whether we generate a password for its service.
    makes_password: bool,
    /// The owner's webhook, optional.
    pub notify: Option<Notify>,
    /// The request in canonical form, to compare it with others.
    pub canonical: Canonical,
}

/// A request in canonical form: the same for every spelling of the same request. It contains `env`
/// and the webhook's secret, so it is only for comparison, and never stored or printed.
#[derive(Clone, PartialEq)]
pub struct Canonical(String);

impl Canonical {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Canonical {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Canonical")
    }
}

/// A checked `POST /api/containers/{id}/renew`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renew {
    pub duration: Duration,
}

/// Why a body is refused.
#[derive(Clone, Debug, PartialEq)]
pub enum Refused {
    /// The body is not a JSON object; the text says why.
    NotAnObject(String),
    /// All wrong fields, ordered by name.
    Fields(Vec<FieldFault>),
}

/// What is wrong with one field, as a sentence for the caller.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
pub struct FieldFault {
    /// The field of the body, or the parameter of the query.
    pub field: String,
    pub detail: String,
}

impl FieldFault {
    /// The query has an unknown parameter; `known` are the existing ones.
    pub fn unknown_parameter(name: &str, known: &[&str]) -> Self {
        let known = known.join(", ");
        Self {
            field: short(name),
            detail: format!("There is no such parameter; the parameters are {known}."),
        }
    }

    /// The body repeats a key. Programs disagree on which of the values counts.
    fn repeated_key(field: &str, key: &str) -> Self {
        Self {
            field: short(field),
            detail: format!("The key {} is given more than once.", quoted(key)),
        }
    }

    /// The query repeats a parameter that is allowed only once.
    pub fn repeated_parameter(name: &str) -> Self {
        Self {
            field: name.to_owned(),
            detail: "It is given more than once.".to_owned(),
        }
    }
}

impl Provision {
    /// Parses the body of a provision under the operator's policy.
    pub fn parse(body: &[u8], catalogue: &Catalogue, policy: &Policy) -> Result<Self, Refused> {
        let mut fields = Fields::parse(body)?;
        let image = fields.image_type(catalogue);
        let duration = fields.duration(policy.longest_lease);
        let name = fields.name();
        let command = fields.command();
        let env = fields.env();
        let labels = fields.labels();
        let ports = fields.ports();
        let password = fields.password(image, command.as_deref(), &env);
        let notify = fields.notify(duration, policy.private_webhooks);
        // The limits depend on the image type. Without one they cannot be checked.
        let preset = fields.preset(image);
        let range = |of: fn(&Image) -> Range| image.map(of);
        let cpu_milli = fields.amount("cpuMilli", LEAST_CPU_MILLI, range(|i| i.cpu_milli));
        let memory_mb = fields.amount("memoryMB", LEAST_MEMORY_MB, range(|i| i.memory_mb));
        let disk_mb = fields.amount("diskMB", LEAST_DISK_MB, range(|i| i.disk_mb));
        let egress = fields.egress(image, &policy.egress);
        fields.finish()?;

        let (Some(image), Some(duration)) = (image.cloned(), duration) else {
            unreachable!("a field that is missing is a fault")
        };
        let asked = Asked {
            image_type: image.image_type.as_str(),
            duration,
            name: name.as_deref(),
            preset: preset.map(|preset| preset.name.as_str()),
            cpu_milli,
            memory_mb,
            disk_mb,
            egress: egress.as_ref(),
            command: command.as_deref(),
            env: &env,
            labels: &labels,
            ports: &ports,
            password,
            notify: notify.as_ref(),
        };
        let canonical = serde_json::to_string(&asked).expect("it is made of texts and numbers");
        let canonical = Canonical(canonical);
        let makes_password = password::is_made(password, &image, command.as_deref(), &env);
        let mut all_env = image.env.clone();
        all_env.extend(env);
        // A single value wins over the preset's.
        let cpu_milli = cpu_milli.or(preset.map(|preset| preset.cpu_milli));
        let memory_mb = memory_mb.or(preset.map(|preset| preset.memory_mb));
        Ok(Self {
            duration,
            name,
            cpu_milli: cpu_milli.unwrap_or(image.cpu_milli.default),
            memory_mb: memory_mb.unwrap_or(image.memory_mb.default),
            disk_mb: disk_mb.unwrap_or(image.disk_mb.default),
            egress: egress.unwrap_or_else(|| egress::by_default(&image.egress, &policy.egress)),
            command: command.or_else(|| image.command.clone()),
            env: all_env,
            labels,
            ports: ports::all(&image.ports, ports),
            makes_password,
            notify,
            canonical,
            image,
        })
    }
}

/// The caller's own values, without our defaults, so that a changed catalogue does not turn a
/// repeated request into a different one.
#[derive(Serialize)]
struct Asked<'a> {
    image_type: &'a str,
    duration: Duration,
    name: Option<&'a str>,
    preset: Option<&'a str>,
    cpu_milli: Option<u32>,
    memory_mb: Option<u32>,
    /// Omitted if not given, so that requests from before disk limits existed stay the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    disk_mb: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    egress: Option<&'a Egress>,
    command: Option<&'a [String]>,
    env: &'a BTreeMap<String, String>,
    labels: &'a BTreeMap<String, String>,
    ports: &'a [Port],
    /// Omitted if not given, so that requests from before passwords existed stay the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<bool>,
    /// Omitted if not given, so that requests from before notifications existed stay the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    notify: Option<&'a Notify>,
}

impl Renew {
    /// Parses the body of a renewal. `longest` is the maximum lifetime of a lease.
    pub fn parse(body: &[u8], longest: Duration) -> Result<Self, Refused> {
        let mut fields = Fields::parse(body)?;
        let duration = fields.duration(longest);
        fields.finish()?;
        let Some(duration) = duration else {
            unreachable!("a duration that is missing is a fault")
        };
        Ok(Self { duration })
    }
}

/// The fields of a body that no parser has taken yet, and the faults found so far.
struct Fields {
    rest: Map<String, Value>,
    known: Vec<&'static str>,
    faults: Vec<FieldFault>,
}

impl Fields {
    fn parse(body: &[u8]) -> Result<Self, Refused> {
        let (value, faults) = json::read(body).map_err(|error| {
            Refused::NotAnObject(if body.is_empty() {
                "The body is empty; send a JSON object.".to_owned()
            } else {
                format!("The body is not JSON: {error}.")
            })
        })?;
        let Value::Object(rest) = value else {
            return Err(Refused::NotAnObject(format!(
                "The body is {}; send a JSON object.",
                kind(&value)
            )));
        };
        Ok(Self {
            rest,
            known: Vec::new(),
            faults,
        })
    }

    /// Refuses the remaining fields: we must not ignore a misspelt one.
    fn finish(mut self) -> Result<(), Refused> {
        let known = self.known.join(", ");
        for field in std::mem::take(&mut self.rest).keys() {
            let detail = format!("There is no such field; the fields are {known}.");
            self.fault(&short(field), detail);
        }
        if self.faults.is_empty() {
            Ok(())
        } else {
            self.faults.sort();
            self.faults.dedup();
            Err(Refused::Fields(self.faults))
        }
    }

    fn fault(&mut self, field: &str, detail: String) {
        self.faults.push(FieldFault {
            field: field.to_owned(),
            detail,
        });
    }

    /// Takes a field out. `null` counts as absent.
    fn take(&mut self, field: &'static str) -> Option<Value> {
        self.known.push(field);
        self.rest.remove(field).filter(|value| !value.is_null())
    }

    fn image_type<'c>(&mut self, catalogue: &'c Catalogue) -> Option<&'c Image> {
        const FIELD: &str = "imageType";
        let names: Vec<_> = catalogue
            .images()
            .iter()
            .map(|image| image.image_type.as_str())
            .collect();
        let choice = format!("choose one of {}", names.join(", "));
        let image = match self.take(FIELD) {
            None => Err(format!("It is missing; {choice}.")),
            Some(Value::String(name)) => catalogue
                .get(&name)
                .ok_or_else(|| format!("There is no image type {}; {choice}.", quoted(&name))),
            Some(other) => Err(format!("It is {}, not text; {choice}.", kind(&other))),
        };
        self.keep(FIELD, image)
    }

    fn name(&mut self) -> Option<String> {
        const FIELD: &str = "name";
        let name = match self.take(FIELD)? {
            Value::String(name) => {
                let allowed = |c: char| c.is_alphanumeric() || " ._-".contains(c);
                let length = name.chars().count();
                if (1..=NAME_LENGTH).contains(&length)
                    && name.chars().all(allowed)
                    && name.trim() == name
                {
                    Ok(name)
                } else {
                    Err(format!(
                        "It must be 1 to {NAME_LENGTH} letters, digits, spaces, dots, \
                         underscores or hyphens, without a space at either end."
                    ))
                }
            }
            other => Err(format!("It is {}, not text.", kind(&other))),
        };
        self.keep(FIELD, name)
    }

    fn command(&mut self) -> Option<Vec<String>> {
        const FIELD: &str = "command";
        let value = self.take(FIELD)?;
        let command = match serde_json::from_value::<Vec<String>>(value) {
            Err(_) => Err("It must be a list of texts, the program first.".to_owned()),
            Ok(parts) => {
                let bytes: usize = parts.iter().map(String::len).sum();
                let program = parts.first().is_some_and(|part| !part.is_empty());
                if !program {
                    Err("It must name a program.".to_owned())
                } else if parts.len() > COMMAND_PARTS || bytes > COMMAND_BYTES {
                    Err(format!(
                        "It must have at most {COMMAND_PARTS} parts and {COMMAND_BYTES} bytes."
                    ))
                } else if parts.iter().any(|part| part.contains('\0')) {
                    Err("It must not hold a NUL character.".to_owned())
                } else {
                    Ok(parts)
                }
            }
        };
        self.keep(FIELD, command)
    }

    fn env(&mut self) -> BTreeMap<String, String> {
        const FIELD: &str = "env";
        let Some(value) = self.take(FIELD) else {
            return BTreeMap::new();
        };
        // A value may be a secret, so no error here repeats one.
        let env = match serde_json::from_value::<BTreeMap<String, String>>(value) {
            Err(_) => {
                Err("It must be an object of texts, such as {\"KEY\": \"value\"}.".to_owned())
            }
            Ok(env) => {
                let bytes: usize = env.iter().map(|(key, value)| key.len() + value.len()).sum();
                if env.len() > ENV_ENTRIES || bytes > ENV_BYTES {
                    Err(format!(
                        "It must have at most {ENV_ENTRIES} variables and {ENV_BYTES} bytes."
                    ))
                } else if let Some(key) = env.keys().find(|key| !is_variable_name(key)) {
                    Err(format!(
                        "{} is no variable's name; use letters, digits and underscores, \
                         and no digit first.",
                        quoted(key)
                    ))
                } else if env.values().any(|value| value.contains('\0')) {
                    Err("No value may hold a NUL character.".to_owned())
                } else {
                    Ok(env)
                }
            }
        };
        self.keep(FIELD, env).unwrap_or_default()
    }

    fn labels(&mut self) -> BTreeMap<String, String> {
        const FIELD: &str = "labels";
        let Some(value) = self.take(FIELD) else {
            return BTreeMap::new();
        };
        let labels = match serde_json::from_value::<BTreeMap<String, String>>(value) {
            Err(_) => {
                Err("It must be an object of texts, such as {\"team\": \"search\"}.".to_owned())
            }
            Ok(labels) if labels.len() > LABELS => {
                Err(format!("It must have at most {LABELS} labels."))
            }
            Ok(labels) => match labels.iter().find_map(label_fault) {
                Some(fault) => Err(fault),
                None => Ok(labels),
            },
        };
        self.keep(FIELD, labels).unwrap_or_default()
    }

    fn preset<'c>(&mut self, image: Option<&'c Image>) -> Option<&'c Preset> {
        const FIELD: &str = "preset";
        let value = self.take(FIELD)?;
        let image = image?;
        let names: Vec<_> = image.presets.iter().map(|it| it.name.as_str()).collect();
        let choice = format!("choose one of {}", names.join(", "));
        let preset = match value {
            Value::String(name) => image
                .preset(&name)
                .ok_or_else(|| format!("There is no preset {}; {choice}.", quoted(&name))),
            other => Err(format!("It is {}, not text; {choice}.", kind(&other))),
        };
        self.keep(FIELD, preset)
    }

    fn egress(&mut self, image: Option<&Image>, deployment: &[Egress]) -> Option<Egress> {
        const FIELD: &str = "egress";
        let value = self.take(FIELD)?;
        let choices = egress::choices(&image?.egress, deployment);
        let names: Vec<_> = choices.iter().map(Egress::as_str).collect();
        let choice = format!("choose one of {}", names.join(", "));
        let egress = match value {
            Value::String(name) => choices
                .iter()
                .find(|egress| egress.as_str() == name)
                .cloned()
                .ok_or_else(|| format!("There is no egress {} here; {choice}.", quoted(&name))),
            other => Err(format!("It is {}, not text; {choice}.", kind(&other))),
        };
        self.keep(FIELD, egress)
    }

    fn amount(&mut self, field: &'static str, least: u32, range: Option<Range>) -> Option<u32> {
        let value = self.take(field)?;
        let range = range?;
        let amount = value
            .as_number()
            .and_then(whole)
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| (least..=range.maximum).contains(number))
            .ok_or_else(|| {
                format!(
                    "It must be a whole number from {least} to {} for this image type.",
                    range.maximum
                )
            });
        self.keep(field, amount)
    }

    fn keep<T>(&mut self, field: &'static str, parsed: Result<T, String>) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(detail) => {
                self.fault(field, detail);
                None
            }
        }
    }
}

fn is_variable_name(key: &str) -> bool {
    !key.is_empty()
        && !key.starts_with(|c: char| c.is_ascii_digit())
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether `key` is a letter or digit, then letters, digits, dots, underscores, slashes and
/// hyphens; all letters small.
fn is_label_key(key: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=LABEL_KEY_LENGTH).contains(&key.len())
        && key.starts_with(plain)
        && key.chars().all(|c| plain(c) || "._/-".contains(c))
}

fn label_fault((key, value): (&String, &String)) -> Option<String> {
    if !is_label_key(key) {
        return Some(format!(
            "{} is not a label key; use 1 to {LABEL_KEY_LENGTH} small letters, digits, dots, \
             underscores, slashes and hyphens, and a letter or digit first.",
            quoted(key)
        ));
    }
    let long = value.chars().count() > LABEL_VALUE_LENGTH;
    (long || value.chars().any(char::is_control)).then(|| {
        format!(
            "The value of {key} must be at most {LABEL_VALUE_LENGTH} characters without control \
             characters."
        )
    })
}

/// A caller's text, safe to repeat in an answer: short, with control characters escaped.
fn quoted(text: &str) -> String {
    format!("\"{}\"", short(text))
}

fn short(text: &str) -> String {
    const LONGEST: usize = 40;
    let short: String = text.chars().take(LONGEST).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("{}{more}", short.escape_debug())
}

/// The number, if it is whole. In JSON, 5 and 5.0 are the same number, and some clients know only
/// floating-point numbers.
fn whole(number: &Number) -> Option<u64> {
    /// The largest number up to which a floating-point number represents every whole number.
    const LARGEST: f64 = 9_007_199_254_740_991.0;
    number.as_u64().or_else(|| {
        let float = number.as_f64().filter(|it| (0.0..=LARGEST).contains(it))?;
        if float.fract() != 0.0 {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "both types represent this whole number"
        )]
        Some(float as u64)
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn policy() -> Policy {
        let settings = crate::settings::Settings::parse(|_| None);
        settings.unwrap().policy
    }

    fn provision(body: &Value) -> Result<Provision, Refused> {
        Provision::parse(
            body.to_string().as_bytes(),
            &Catalogue::embedded(),
            &policy(),
        )
    }

    fn faults(body: &Value) -> Vec<(String, String)> {
        match provision(body) {
            Err(Refused::Fields(faults)) => {
                faults.into_iter().map(|f| (f.field, f.detail)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_founding_body_is_enough() {
        let parsed = provision(&json!({"imageType": "ubuntu", "durationMinutes": 5})).unwrap();
        assert_eq!(parsed.image.image_type.as_str(), "ubuntu");
        assert_eq!(parsed.duration, Duration::from_secs(300));
        assert_eq!(parsed.cpu_milli, parsed.image.cpu_milli.default);
        assert_eq!(parsed.command, parsed.image.command);
    }

    #[test]
    fn every_optional_field_is_taken() {
        let parsed = provision(&json!({
            "imageType": "redis", "durationMinutes": 1, "name": "cache for Zoë",
            "cpuMilli": 250, "memoryMB": 64, "diskMB": 100, "egress": "none",
            "command": ["redis-server", "--save", ""],
            "env": {"TOKEN": "x"}, "labels": {"team/a": "Zoë: search", "tmp": ""},
            "ports": [8080, {"containerPort": 9, "scheme": "http"}, {"containerPort": 6379}],
        }))
        .unwrap();
        assert_eq!(parsed.name.as_deref(), Some("cache for Zoë"));
        assert_eq!(parsed.labels["team/a"], "Zoë: search");
        assert_eq!(parsed.labels["tmp"], "");
        let ports = parsed.ports.iter().map(|port| {
            assert_eq!(port.protocol, "tcp");
            (port.container_port, port.scheme.as_deref())
        });
        let expected = [(6379, Some("redis")), (8080, None), (9, Some("http"))];
        assert_eq!(ports.collect::<Vec<_>>(), expected);
        assert_eq!((parsed.cpu_milli, parsed.memory_mb), (250, 64));
        assert_eq!((parsed.disk_mb, parsed.egress), (100, Egress::None));
        assert_eq!(parsed.command.unwrap().len(), 3);
        assert_eq!(parsed.env["TOKEN"], "x");
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        let body = r#"{"imageType": "redis", "durationMinutes": 5.0, "cpuMilli": 2.5e2,
                       "memoryMB": 64.0, "ports": [8080.0]}"#;
        let parsed = Provision::parse(body.as_bytes(), &Catalogue::embedded(), &policy()).unwrap();
        assert_eq!(parsed.duration, Duration::from_secs(300));
        assert_eq!((parsed.cpu_milli, parsed.memory_mb), (250, 64));
        assert_eq!(parsed.ports[1].container_port, 8080);
        for none in ["1.5", "-1.0", "-0.5", "1e300", "9007199254740992.5"] {
            assert_eq!(whole(&none.parse().unwrap()), None, "{none}");
        }
    }

    #[test]
    fn an_unknown_image_type_is_told_the_choice() {
        for wrong in [
            json!("windows"),
            json!(""),
            json!("../redis"),
            json!(7),
            json!(null),
        ] {
            let faults = faults(&json!({"imageType": wrong, "durationMinutes": 5}));
            assert_eq!(faults.len(), 1);
            assert_eq!(faults[0].0, "imageType");
            assert!(
                faults[0].1.contains("choose one of ubuntu, "),
                "{}",
                faults[0].1
            );
        }
    }

    #[test]
    fn all_faults_come_at_once() {
        let fields: Vec<_> = faults(&json!({
            "imageTyp": "redis", "durationMinutes": 0, "name": " x", "command": [],
            "env": {"1A": "x"}, "cpuMilli": 1,
        }))
        .into_iter()
        .map(|(field, _)| field)
        .collect();
        assert_eq!(
            fields,
            [
                "command",
                "durationMinutes",
                "env",
                "imageTyp",
                "imageType",
                "name"
            ]
        );
    }

    #[test]
    fn amounts_are_held_against_the_image() {
        let image = Catalogue::embedded().get("redis").unwrap().clone();
        let body = |field: &str, value: Value| {
            let mut body = json!({"imageType": "redis", "durationMinutes": 5});
            body[field] = value;
            body
        };
        for (field, most) in [
            ("cpuMilli", image.cpu_milli.maximum),
            ("memoryMB", image.memory_mb.maximum),
            ("diskMB", image.disk_mb.maximum),
        ] {
            assert!(provision(&body(field, json!(most))).is_ok());
            for wrong in [
                json!(0),
                json!(most + 1),
                json!(-1),
                json!(99.5),
                json!("64"),
            ] {
                assert_eq!(faults(&body(field, wrong))[0].0, field);
            }
        }
    }

    #[test]
    fn egress_is_open_or_none_where_the_operator_says_nothing() {
        assert_eq!(provision(&redis(&json!({}))).unwrap().egress, Egress::Open);
        for wrong in [json!("closed"), json!(""), json!(1), json!([])] {
            let [(field, sentence)] = &faults(&redis(&json!({"egress": wrong})))[..] else {
                panic!("{wrong} is one fault");
            };
            assert_eq!(field, "egress");
            assert!(sentence.contains("choose one of open, none."), "{sentence}");
        }
    }

    #[test]
    fn a_list_is_taken_where_the_operator_allows_it_and_his_first_is_for_who_says_nothing() {
        let policy = Policy {
            egress: vec!["web".parse().unwrap(), Egress::Open],
            ..policy()
        };
        let parse = |more: &Value| {
            let body = redis(more).to_string();
            Provision::parse(body.as_bytes(), &Catalogue::embedded(), &policy)
        };
        let of = |more: &Value| parse(more).unwrap().egress;
        assert_eq!(of(&json!({})).as_str(), "web");
        assert_eq!(of(&json!({"egress": "web"})).as_str(), "web");
        assert_eq!(of(&json!({"egress": "open"})), Egress::Open);
        assert_eq!(of(&json!({"egress": "none"})), Egress::None);
        assert!(parse(&json!({"egress": "db"})).is_err());
    }

    fn redis(more: &Value) -> Value {
        let mut body = json!({"imageType": "redis", "durationMinutes": 5});
        let more = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        body
    }

    #[test]
    fn a_preset_is_a_size_and_what_is_asked_for_by_itself_wins() {
        let image = Catalogue::embedded().get("redis").unwrap().clone();
        for preset in &image.presets {
            let parsed = provision(&redis(&json!({"preset": preset.name}))).unwrap();
            assert_eq!(parsed.cpu_milli, preset.cpu_milli);
            assert_eq!(parsed.memory_mb, preset.memory_mb);
        }
        let parsed = provision(&redis(&json!({"preset": "large", "memoryMB": 77}))).unwrap();
        assert_eq!(parsed.memory_mb, 77);
        assert_eq!(parsed.cpu_milli, image.preset("large").unwrap().cpu_milli);
        for wrong in [json!("huge"), json!(""), json!(1), json!(["small"])] {
            let faults = faults(&redis(&json!({"preset": wrong})));
            assert_eq!(faults[0].0, "preset");
            assert!(
                faults[0].1.ends_with("choose one of small, medium, large."),
                "{faults:?}"
            );
        }
    }

    #[test]
    fn labels_have_their_bounds() {
        let many = |count: usize| {
            let labels = (0..count).map(|index| (format!("l{index}"), json!("")));
            Value::Object(labels.collect())
        };
        for good in [
            json!({}),
            json!({"0": "", &*"k".repeat(63): "v".repeat(255)}),
            json!({"a.b_c/d-e": "é".repeat(255)}),
            many(16),
        ] {
            assert!(
                provision(&redis(&json!({"labels": good}))).is_ok(),
                "{good}"
            );
        }
        for wrong in [
            json!([]),
            json!("a=b"),
            json!({"a": 1}),
            json!({"a": null}),
            json!({"": ""}),
            json!({"A": ""}),
            json!({"-a": ""}),
            json!({"a b": ""}),
            json!({"a:b": ""}),
            json!({"é": ""}),
            json!({&*"k".repeat(64): ""}),
            json!({"a": "v".repeat(256)}),
            json!({"a": "x\ny"}),
            many(17),
        ] {
            let faults = faults(&redis(&json!({"labels": wrong})));
            assert_eq!(faults[0].0, "labels", "{wrong}");
        }
    }

    #[test]
    fn the_same_request_is_the_same_however_it_is_written() {
        let canonical = |body: &str| {
            let parsed = Provision::parse(body.as_bytes(), &Catalogue::embedded(), &policy());
            parsed.unwrap().canonical
        };
        let one = canonical(
            r#"{"imageType": "redis", "durationMinutes": 5, "env": {"A": "1", "B": "2"},
                "ports": [80]}"#,
        );
        let other = canonical(
            r#"{"name": null, "env": {"B": "2", "A": "\u0031"}, "durationMinutes": 5,
                "ports": [{"scheme": null, "containerPort": 80}], "imageType": "redis"}"#,
        );
        assert_eq!(one, other);
        // A request that names today's defaults differs from one that names none.
        let default = redis(&json!({"memoryMB": 256})).to_string();
        assert_ne!(
            canonical(&redis(&json!({})).to_string()),
            canonical(&default)
        );
        for different in [
            json!({"durationMinutes": 6}),
            json!({"name": "x"}),
            json!({"preset": "small"}),
            json!({"cpuMilli": 500}),
            json!({"command": ["redis-server"]}),
            json!({"env": {"A": "1"}}),
            json!({"labels": {"a": ""}}),
            json!({"ports": [6379]}),
        ] {
            let different = canonical(&redis(&different).to_string());
            assert_ne!(canonical(&redis(&json!({})).to_string()), different);
        }
    }

    #[test]
    fn a_key_that_is_there_twice_is_named_at_every_depth() {
        for (body, named) in [
            (
                r#"{"imageType":"redis","durationMinutes":5,"durationMinutes":500}"#,
                "durationMinutes",
            ),
            (
                r#"{"imageType":"redis","image\u0054ype":"redis","durationMinutes":5}"#,
                "imageType",
            ),
            (
                r#"{"name":null,"name":"x","imageType":"redis","durationMinutes":5}"#,
                "name",
            ),
            (
                r#"{"imageType":"redis","durationMinutes":5,"env":{"A":"1","A":"1"}}"#,
                "env A",
            ),
            (
                r#"{"imageType":"redis","durationMinutes":5,"labels":{"a":"","b":"","a":""}}"#,
                "labels a",
            ),
            (
                r#"{"imageType":"redis","durationMinutes":5,"ports":[80,{"scheme":null,"containerPort":1,"scheme":"http"}]}"#,
                "ports scheme",
            ),
        ] {
            let refused = Provision::parse(body.as_bytes(), &Catalogue::embedded(), &policy());
            let Err(Refused::Fields(faults)) = refused else {
                panic!("{body}: {refused:?}")
            };
            let (field, key) = named.split_once(' ').unwrap_or((named, named));
            let detail = format!("The key \"{key}\" is given more than once.");
            let expected = FieldFault {
                field: field.to_owned(),
                detail,
            };
            assert_eq!(faults, [expected], "{body}");
        }
        let twice =
            br#"{"durationMinutes": 5, "durationMinutes": 5, "durationMinutes": 5, "x": 1}"#;
        let Err(Refused::Fields(faults)) = Renew::parse(twice, DAY) else {
            panic!("it was taken")
        };
        assert_eq!(faults.len(), 2, "{faults:?}");
    }

    #[test]
    fn json_is_read_as_ever() {
        for text in [
            "null",
            "true",
            "-1",
            "18446744073709551615",
            "1e300",
            "5.0",
            r#""\ud83d\ude00""#,
            "[]",
            r#"[1,[{"a":{}}],"x"]"#,
            r#"{"a":[null,false,-0.5],"":{"b":"c"}}"#,
        ] {
            let (value, faults) = json::read(text.as_bytes()).unwrap();
            assert_eq!(
                value,
                serde_json::from_str::<Value>(text).unwrap(),
                "{text}"
            );
            assert_eq!(faults, [], "{text}");
        }
        for wrong in ["", "{", "{}x", "[1,]", "\"\\ud800\"", &"[".repeat(1_000)] {
            assert!(json::read(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_secret_is_never_repeated() {
        let said = faults(&json!({
            "imageType": "redis", "durationMinutes": 5, "env": {"KEY": "hunter2\u{0}"},
        }));
        assert!(!format!("{said:?}").contains("hunter2"));
    }

    #[test]
    fn what_is_not_an_object_is_told_so() {
        for (body, said) in [
            ("", "The body is empty; send a JSON object."),
            ("[]", "The body is a list; send a JSON object."),
            ("\"x\"", "The body is text; send a JSON object."),
        ] {
            assert_eq!(
                Renew::parse(body.as_bytes(), DAY),
                Err(Refused::NotAnObject(said.to_owned()))
            );
        }
        let Err(Refused::NotAnObject(said)) = Renew::parse(b"{\"durationMinutes\": 5", DAY) else {
            panic!("half a body was taken")
        };
        assert!(said.starts_with("The body is not JSON: "), "{said}");
        assert!(Renew::parse(&[0xff, 0xfe], DAY).is_err());
    }

    #[test]
    fn a_long_text_is_cut_before_it_is_repeated() {
        let long = "é".repeat(50_000);
        let said = &faults(&json!({"imageType": long, "durationMinutes": 5}))[0].1;
        assert!(said.len() < 300, "{}", said.len());
    }
}
