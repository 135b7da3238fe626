//! The level that a line states.
//!
//! Programs write levels in many ways. We read: a JSON object's fields, a syslog priority, klog's
//! first letter, logfmt's `level=`, redis's mark, and a level's name among the first words of a
//! line, if it is written as loggers write it. A line on stderr is not an error for that alone.

mod json;
mod words;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The level of a line.
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

/// The number of bytes of a line that we examine. We do not parse a longer JSON object for its
/// level.
const LOOKED_AT: usize = 16 * 1024;

impl Level {
    /// The level that `line` states.
    pub(super) fn said_by(line: &str) -> Option<Self> {
        if line.starts_with('{') {
            return json::level(line);
        }
        let line = without_colours(&line[..line.floor_char_boundary(LOOKED_AT)]);
        let line = line.as_ref();
        of_priority(line)
            .or_else(|| of_klog(line))
            .or_else(|| of_redis(line))
            .or_else(|| of_logfmt(line))
            .or_else(|| words::level(line))
    }

    fn of_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        // postgres: DEBUG1 to DEBUG5.
        let name = match name.strip_prefix("debug") {
            Some(number) if number.parse::<u8>().is_ok() => "debug",
            _ => &name,
        };
        Some(match name {
            "trace" | "trce" | "trac" | "trc" | "vrb" | "finest" | "finer" => Self::Trace,
            "debug" | "dbug" | "debu" | "dbg" | "fine" | "verbose" => Self::Debug,
            "info" | "information" | "informational" | "inf" | "notice" | "note" | "log" => {
                Self::Info
            }
            "warn" | "warning" | "wrn" => Self::Warn,
            "error" | "err" | "erro" | "fail" | "fatal" | "fata" | "ftl" | "critical" | "crit"
            | "severe" | "panic" | "pani" | "pnc" | "dpanic" | "alert" | "emerg" | "emergency" => {
                Self::Error
            }
            _ => return None,
        })
    }

    /// The severities of syslog.
    fn of_severity(severity: u64) -> Self {
        match severity {
            0..=3 => Self::Error,
            4 => Self::Warn,
            5 | 6 => Self::Info,
            _ => Self::Debug,
        }
    }
}

/// The line without colour sequences.
fn without_colours(line: &str) -> Cow<'_, str> {
    if !line.contains('\x1b') {
        return Cow::Borrowed(line);
    }
    let mut plain = String::new();
    let mut parts = line.split('\x1b');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let sequence = part.strip_prefix('[').and_then(|rest| {
            let end = rest.find(|c: char| ('\x40'..='\x7e').contains(&c))?;
            rest.get(end + 1..)
        });
        plain.push_str(sequence.unwrap_or(part));
    }
    Cow::Owned(plain)
}

/// `<3>disk full`: the kernel, systemd and syslog's protocols. The low bits are the severity, the
/// high bits are the facility.
fn of_priority(line: &str) -> Option<Level> {
    let (number, _) = line.strip_prefix('<')?.split_once('>')?;
    let number: u64 = (1..=3).contains(&number.len()).then(|| digits(number))??;
    (number < 192).then(|| Level::of_severity(number % 8))
}

/// `E1128 10:00:00.123456 1 main.go:1] message`: klog and glog, some with the year.
fn of_klog(line: &str) -> Option<Level> {
    let mut words = line.split_ascii_whitespace();
    let day = words.next()?;
    let letter = *day.as_bytes().first()?;
    let is_day = [5, 9].contains(&day.len()) && day.get(1..).and_then(digits).is_some();
    let time = words.next()?.as_bytes();
    if !is_day || time.len() < 8 || time[2] != b':' || time[5] != b':' || !line.contains("] ") {
        return None;
    }
    Some(match letter {
        b'I' => Level::Info,
        b'W' => Level::Warn,
        b'E' | b'F' => Level::Error,
        b'D' => Level::Debug,
        _ => return None,
    })
}

/// A `level=` pair among the first words, or anywhere in a line that begins with a pair, but not
/// inside quotes.
fn of_logfmt(line: &str) -> Option<Level> {
    let mut quoted = false;
    let begins_with_a_pair = line
        .split_ascii_whitespace()
        .next()
        .is_some_and(|word| word.contains('=') && !word.starts_with(['"', '=']));
    for (index, word) in line.split_ascii_whitespace().enumerate() {
        if index >= words::WORDS && !begins_with_a_pair {
            return None;
        }
        if !quoted {
            let pair = word.split_once('=');
            let value = pair.filter(|(key, _)| {
                ["level", "lvl", "severity", "loglevel", "log_level"].contains(key)
            });
            if let Some((_, value)) = value {
                return Level::of_name(value.trim_matches('"'));
            }
        }
        let quotes = word.matches('"').count() - word.matches("\\\"").count();
        quoted ^= quotes % 2 == 1;
    }
    None
}

/// Redis writes `PID:ROLE DAY MONTH YEAR TIME MARK message`.
fn of_redis(line: &str) -> Option<Level> {
    let mut words = line.split(' ');
    let (pid, role) = words.next()?.split_once(':')?;
    if digits(pid).is_none() || !["M", "S", "C", "X"].contains(&role) {
        return None;
    }
    match words.nth(4)? {
        "." => Some(Level::Debug),
        "-" | "*" => Some(Level::Info),
        "#" => Some(Level::Warn),
        _ => None,
    }
}

/// A number of digits only.
fn digits(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
