//! Positions in a log.
//!
//! The lines of one stream are in the order of the engine's timestamps, in nanoseconds. The two
//! streams have no common order, and several lines may share a timestamp. So a [`Cursor`] has
//! one position per stream. A position has three parts: a timestamp, how many earlier lines of the
//! stream share it, and the [context](super::trace) for the next line.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Stream, trace::Context};

/// How far lines of the two streams may be out of order in the log, in nanoseconds. The engine
/// stamps a line right before it writes it; this bound is a thousand times as long.
pub(super) const DISORDER: i64 = 2_000_000_000;

pub(super) const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// A position in a container's log, after which reading can continue.
///
/// Its text is `NANOS.COUNT_NANOS.COUNT`, stdout first, each with the letters of a
/// [`Context`] if there is one. Callers should treat it as opaque.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cursor {
    stdout: Option<Position>,
    stderr: Option<Position>,
}

/// The text is not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a cursor must come from an earlier entry, unchanged")]
pub struct NotACursor;

/// The position of a line in one stream.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    /// Nanoseconds since the epoch.
    pub nanos: i64,
    /// The number of earlier lines of the stream with the same timestamp.
    pub(super) count: u32,
    /// The context that the stream's next line may belong to. Comparisons ignore it, because a
    /// reading that began later may know less.
    pub(super) context: Option<Context>,
}

impl Position {
    fn place(&self) -> (i64, u32) {
        (self.nanos, self.count)
    }

    /// Whether this is the position of a line, and not before or after all lines of a timestamp.
    pub(super) fn is_of_a_line(&self) -> bool {
        self.count < u32::MAX
    }
}

impl PartialEq for Position {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for Position {}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Position {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

impl Hash for Position {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.place().hash(state);
    }
}

impl Cursor {
    /// The position before the first line with a timestamp of `nanos` (Unix nanoseconds) or later.
    pub fn before(nanos: i64) -> Self {
        let last_before = Some(Position {
            nanos: nanos.saturating_sub(1),
            count: u32::MAX,
            context: None,
        });
        Self {
            stdout: last_before,
            stderr: last_before,
        }
    }

    /// The position before the first line with a timestamp in this Unix second or later.
    pub fn before_second(second: i64) -> Self {
        Self::before(second.saturating_mul(NANOS_PER_SECOND))
    }

    /// The newer of the two streams' timestamps, in Unix nanoseconds.
    pub fn newest(&self) -> Option<i64> {
        self.newest_position().map(|newest| newest.nanos)
    }

    pub(super) fn newest_position(&self) -> Option<Position> {
        self.stdout.max(self.stderr)
    }

    /// Whether this cursor is at or past `other` in both streams.
    pub fn covers(&self, other: &Self) -> bool {
        self.stdout >= other.stdout && self.stderr >= other.stderr
    }

    /// The later position in each stream.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        Self {
            stdout: self.stdout.max(other.stdout),
            stderr: self.stderr.max(other.stderr),
        }
    }

    /// Moves past a line; returns false if the cursor is past it already.
    pub fn pass(&mut self, stream: Stream, position: Position) -> bool {
        let passed = self.of(stream);
        let is_new = passed.is_none_or(|passed| passed < position);
        if is_new {
            *passed = Some(position);
        }
        is_new
    }

    /// Whether the cursor is at or past a line.
    pub fn has(mut self, stream: Stream, position: Position) -> bool {
        self.of(stream).is_some_and(|passed| passed >= position)
    }

    /// The Unix second to read the engine's log from so that no line after this cursor is missed.
    pub fn since_second(&self) -> i64 {
        let newest = self.stdout.max(self.stderr);
        let oldest = match (self.stdout, self.stderr) {
            (Some(a), Some(b)) => Some(a.min(b)),
            _ => None,
        };
        let Some(newest) = newest else { return 0 };
        // If one stream was silent for an hour, do not read the whole hour again.
        let horizon = newest.nanos.saturating_sub(DISORDER);
        let nanos = oldest.map_or(horizon, |oldest| oldest.nanos.max(horizon));
        nanos.div_euclid(NANOS_PER_SECOND).max(0)
    }

    pub(super) fn of(&mut self, stream: Stream) -> &mut Option<Position> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let write = |f: &mut fmt::Formatter<'_>, position| match position {
            None => f.write_str("0"),
            Some(Position {
                nanos,
                count,
                context,
            }) => {
                write!(f, "{nanos}.{count}")?;
                context.map_or(Ok(()), |context| write!(f, "{context}"))
            }
        };
        write(f, self.stdout)?;
        f.write_str("_")?;
        write(f, self.stderr)
    }
}

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let (stdout, stderr) = text.split_once('_').ok_or(NotACursor)?;
        let position = |text: &str| {
            if text == "0" {
                return Ok(None);
            }
            let (nanos, rest) = text.split_once('.').ok_or(NotACursor)?;
            let letters = rest.find(|c: char| !c.is_ascii_digit());
            let (count, letters) = rest.split_at(letters.unwrap_or(rest.len()));
            if !nanos.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(NotACursor);
            }
            let context = match letters {
                "" => None,
                letters => Some(letters.parse().map_err(|_| NotACursor)?),
            };
            Ok(Some(Position {
                nanos: nanos.parse().map_err(|_| NotACursor)?,
                count: count.parse().map_err(|_| NotACursor)?,
                context,
            }))
        };
        Ok(Self {
            stdout: position(stdout)?,
            stderr: position(stderr)?,
        })
    }
}

impl Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_covers_what_lies_before_it_in_both_streams() {
        let cursor = |text: &str| text.parse::<Cursor>().unwrap();
        let (early, late) = (cursor("5.0_7.1"), cursor("5.1_7.1"));
        assert!(late.covers(&early) && late.covers(&late) && !early.covers(&late));
        let ahead_in_one = cursor("9.0_0");
        assert!(!ahead_in_one.covers(&early) && !early.covers(&ahead_in_one));
        assert_eq!(ahead_in_one.joined(early), cursor("9.0_7.1"));
    }

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is_one() {
        for text in ["0_0", "5.0_0", "0_7.1", "5.0e_7.1wt", "5.4294967295im_7.1"] {
            let cursor: Cursor = text.parse().unwrap();
            assert_eq!(cursor.to_string(), text);
        }
        for wrong in [
            "",
            "_",
            "0",
            "0_",
            "1_1",
            "1.1",
            "-1.0_0",
            "1.-1_0",
            "1.0_0_0",
            "+1.0_0",
            "99999999999999999999.0_0",
            "1.99999999999_0",
            "x.y_z.w",
            "1.0x_0",
            "1.0ex_0",
            "1.0tt1_0",
            "1.e_0",
        ] {
            assert_eq!(wrong.parse::<Cursor>(), Err(NotACursor), "{wrong}");
        }
    }

    #[test]
    fn the_engine_is_read_from_a_second_before_all_that_may_be_missing() {
        let since = |text: &str| text.parse::<Cursor>().unwrap().since_second();
        assert_eq!(since("0_0"), 0);
        assert_eq!(since("100900000000.0_100100000000.2"), 100);
        assert_eq!(since("100900000000.0_0"), 98);
        assert_eq!(since("3600000000000.0_5000000000.0"), 3598);
    }
}
