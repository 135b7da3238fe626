//! `POST /api/provision`: what a lease is asked for with.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use serde_json::Value;

use super::{
    Notify, Refused,
    fields::{Fields, kind, quoted, whole},
    password, ports,
};
use crate::{
    catalogue::{Catalogue, Image, Port, Preset, Range},
    egress::{self, Egress},
    policy::Policy,
};

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
    pub(super) makes_password: bool,
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

impl Fields {
    pub(super) fn image_type<'c>(&mut self, catalogue: &'c Catalogue) -> Option<&'c Image> {
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

    pub(super) fn name(&mut self) -> Option<String> {
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

    pub(super) fn command(&mut self) -> Option<Vec<String>> {
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

    pub(super) fn env(&mut self) -> BTreeMap<String, String> {
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

    pub(super) fn labels(&mut self) -> BTreeMap<String, String> {
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

    pub(super) fn preset<'c>(&mut self, image: Option<&'c Image>) -> Option<&'c Preset> {
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

    pub(super) fn egress(
        &mut self,
        image: Option<&Image>,
        deployment: &[Egress],
    ) -> Option<Egress> {
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

    pub(super) fn amount(
        &mut self,
        field: &'static str,
        least: u32,
        range: Option<Range>,
    ) -> Option<u32> {
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
}

fn is_variable_name(key: &str) -> bool {
    !key.is_empty()
        && !key.starts_with(|c: char| c.is_ascii_digit())
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether `key` is a letter or digit, then letters, digits, dots, underscores, slashes and
/// hyphens; all letters small.
pub(super) fn is_label_key(key: &str) -> bool {
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
