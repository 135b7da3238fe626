//! The level in a JSON object.

use std::{borrow::Cow, fmt};

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::{LOOKED_AT, Level, digits};

/// The names of the level field. The first one in the object counts. Elastic's loggers write it
/// with a dot or as an object.
const NAMES: [&str; 16] = [
    "level",
    "Level",
    "severity",
    "Severity",
    "lvl",
    "levelname",
    "level_name",
    "log.level",
    "log",
    "@l",
    "@level",
    "LogLevel",
    "loglevel",
    "log_level",
    "SeverityText",
    "PRIORITY",
];

/// The level that a JSON object states.
pub(super) fn level(line: &str) -> Option<Level> {
    if line.len() > LOOKED_AT {
        return None;
    }
    let mut parser = serde_json::Deserializer::from_str(line);
    let level = parser.deserialize_map(Fields).ok()?;
    parser.end().ok()?;
    level
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Option<Level>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Option<Level>, A::Error> {
        let mut level = None;
        while let Some(name) = fields.next_key::<Cow<'de, str>>()? {
            if level.is_none() && NAMES.contains(&name.as_ref()) {
                level = of_value(&fields.next_value()?);
            } else if level.is_none() && name == "s" {
                level = of_mongodb(&fields.next_value()?);
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(level)
    }
}

fn of_value(value: &Value) -> Option<Level> {
    match value {
        Value::Number(number) => Some(of_number(number.as_u64()?)),
        Value::String(name) => match digits(name) {
            Some(number) => Some(of_number(number)),
            // Go's slog has levels in between: `INFO+2`.
            None => Level::of_name(name.split(['+', '-']).next().unwrap_or(name)),
        },
        Value::Object(log) => of_value(log.get("level")?),
        _ => None,
    }
}

/// The level numbers of syslog (GELF, the journal), of bunyan and pino, and of monolog.
fn of_number(number: u64) -> Level {
    match number {
        0..10 => Level::of_severity(number),
        10..20 => Level::Trace,
        20..30 | 100..200 => Level::Debug,
        30..40 | 200..300 => Level::Info,
        40..50 | 300..400 => Level::Warn,
        _ => Level::Error,
    }
}

/// `MongoDB` writes a letter, and a number after the letter of debug.
fn of_mongodb(value: &Value) -> Option<Level> {
    match value.as_str()? {
        "F" | "E" => Some(Level::Error),
        "W" => Some(Level::Warn),
        "I" => Some(Level::Info),
        "D" | "D1" | "D2" | "D3" | "D4" | "D5" => Some(Level::Debug),
        _ => None,
    }
}
