//! The level that a line says of itself.
//!
//! Programs write it in many ways; these are read: a JSON object's `level` or `severity`,
//! logfmt's `level=`, a level's word among a line's first words (Rust, Java, Go, Python,
//! nginx, postgres), and redis's mark. Where a line says nothing it is info: that something
//! came on stderr is a matter of its stream.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = LogLevel)]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// In how many first words of a line its level is looked for. Behind timestamps and names
/// of loggers there comes prose, in which such words mean nothing.
const WORDS: usize = 6;

/// Lines longer than this are not parsed as JSON for the sake of their level.
const JSON_LIMIT: usize = 16 * 1024;

impl Level {
    /// The level that `line` says of itself, or info.
    pub fn of(line: &str) -> Self {
        of_json(line)
            .or_else(|| of_logfmt(line))
            .or_else(|| of_redis(line))
            .or_else(|| of_words(line))
            .unwrap_or(Self::Info)
    }

    fn of_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "trace" | "finest" | "finer" => Self::Trace,
            "debug" | "fine" | "dbg" | "verbose" => Self::Debug,
            "info" | "information" | "informational" | "notice" | "log" | "inf" => Self::Info,
            "warn" | "warning" | "wrn" => Self::Warn,
            "error" | "err" | "fatal" | "critical" | "crit" | "severe" | "panic" | "alert"
            | "emerg" | "emergency" => Self::Error,
            _ => return None,
        })
    }
}

fn of_json(line: &str) -> Option<Level> {
    #[derive(Deserialize)]
    struct Line {
        #[serde(alias = "severity", alias = "lvl", alias = "levelname")]
        level: Option<serde_json::Value>,
    }
    if !line.starts_with('{') || line.len() > JSON_LIMIT {
        return None;
    }
    match serde_json::from_str::<Line>(line).ok()?.level? {
        serde_json::Value::String(name) => Level::of_name(&name),
        // The numbers of bunyan and pino.
        serde_json::Value::Number(number) => Some(match number.as_u64()? {
            0..20 => Level::Trace,
            20..30 => Level::Debug,
            30..40 => Level::Info,
            40..50 => Level::Warn,
            _ => Level::Error,
        }),
        _ => None,
    }
}

fn of_logfmt(line: &str) -> Option<Level> {
    let value = line.split_ascii_whitespace().find_map(|pair| {
        pair.strip_prefix("level=")
            .or_else(|| pair.strip_prefix("lvl="))
            .or_else(|| pair.strip_prefix("severity="))
    })?;
    Level::of_name(value.trim_matches('"'))
}

/// Redis writes `PID:ROLE DAY MONTH YEAR TIME MARK message`.
fn of_redis(line: &str) -> Option<Level> {
    let mut words = line.split(' ');
    let (pid, role) = words.next()?.split_once(':')?;
    let is_redis = !pid.is_empty()
        && pid.bytes().all(|byte| byte.is_ascii_digit())
        && ["M", "S", "C", "X"].contains(&role);
    if !is_redis {
        return None;
    }
    match words.nth(4)? {
        "." => Some(Level::Debug),
        "-" | "*" => Some(Level::Info),
        "#" => Some(Level::Warn),
        _ => None,
    }
}

fn of_words(line: &str) -> Option<Level> {
    let words = line.split([' ', '\t']).filter(|word| !word.is_empty());
    for (index, word) in words.take(WORDS).enumerate() {
        let bare = word.trim_matches(['[', ']', '(', ')', '<', '>', ':', '|', ',']);
        // Python's default: `WARNING:root:message`.
        let name = bare.split(':').next().unwrap_or(bare);
        let Some(level) = Level::of_name(name) else {
            continue;
        };
        let shouted = name.len() > 2 && name.bytes().all(|byte| byte.is_ascii_uppercase());
        let enclosed = word.starts_with(['[', '(', '<']);
        let heads_the_line = index == 0 && word.ends_with(':');
        if shouted || enclosed || heads_the_line {
            return Some(level);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_common_programs() {
        for (line, level) in [
            // JSON
            (r#"{"level":"warn","msg":"x"}"#, Level::Warn),
            (r#"{"severity":"ERROR","message":"x"}"#, Level::Error),
            (r#"{"level":50,"msg":"pino"}"#, Level::Error),
            (r#"{"msg":"no level"}"#, Level::Info),
            (r#"{"level":"warn""#, Level::Info),
            // logfmt
            ("ts=1 level=debug msg=\"x\"", Level::Debug),
            ("time=x level=\"error\" msg=y", Level::Error),
            // Rust
            ("2026-11-24T09:30:00.1Z  WARN app::db: slow", Level::Warn),
            ("[2026-11-24T09:30:00Z ERROR app] x", Level::Error),
            // Go
            ("2026/11/24 09:30:00 INFO started", Level::Info),
            ("panic: runtime error: index out of range", Level::Error),
            // Python
            ("WARNING:root:deprecated", Level::Warn),
            ("2026-11-24 09:30:00,123 - app - DEBUG - x", Level::Debug),
            ("CRITICAL:app:down", Level::Error),
            // Java
            (
                "2026-11-24 09:30:00.123  INFO 1 --- [main] c.e.App : Started",
                Level::Info,
            ),
            ("SEVERE: Uncaught", Level::Error),
            // nginx
            (
                "2026/11/24 09:30:00 [error] 7#7: *1 open() failed",
                Level::Error,
            ),
            (
                "2026/11/24 09:30:00 [notice] 1#1: start worker process 7",
                Level::Info,
            ),
            // redis
            (
                "1:M 24 Nov 2026 09:30:00.123 # WARNING overcommit",
                Level::Warn,
            ),
            (
                "1:M 24 Nov 2026 09:30:00.123 * Ready to accept connections",
                Level::Info,
            ),
            ("7:C 24 Nov 2026 09:30:00.123 . debug", Level::Debug),
            // postgres
            (
                "2026-11-24 09:30:00.123 UTC [1] LOG:  database system is ready",
                Level::Info,
            ),
            (
                "2026-11-24 09:30:00.123 UTC [33] FATAL:  no such role",
                Level::Error,
            ),
            (
                "2026-11-24 09:30:00.123 UTC [33] ERROR:  syntax error",
                Level::Error,
            ),
        ] {
            assert_eq!(Level::of(line), level, "{line}");
        }
    }

    #[test]
    fn prose_is_not_a_level() {
        for line in [
            "",
            "no error at all",
            "the warning light is on",
            "ready to fine tune",
            "download finished with 0 errors, please LOOK AT ERROR handling",
            "127.0.0.1 - - [24/Nov/2026:09:30:00 +0000] \"GET /error HTTP/1.1\" 200",
        ] {
            assert_eq!(Level::of(line), Level::Info, "{line}");
        }
    }
}
