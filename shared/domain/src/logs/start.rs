//! Where a view of a log begins, as the caller requests it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Cursor, NotACursor};
use crate::time::Time;

/// The greatest number of last lines that a caller can ask for, except for all.
pub const TAIL_LIMIT: u32 = 10_000;

/// Where a view begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Start {
    /// After a line that the viewer already has.
    After(Cursor),
    /// With the last lines, among those written since a time.
    With { tail: Tail, since: Option<Time> },
}

/// How many of the last lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Tail {
    All,
    Lines(u32),
}

/// Why a start is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotAStart {
    #[error(transparent)]
    Cursor(#[from] NotACursor),
    #[error("Give tail as a number from 0 to {TAIL_LIMIT}, or as all.")]
    Tail,
    #[error("Give since as a time such as 2026-11-24T09:30:00Z, or as how long ago: 90s, 15m, 2h.")]
    Since,
    #[error("Give either cursor, or tail and since: a cursor already sets the start.")]
    CursorAndMore,
}

impl Start {
    /// With the whole log.
    pub fn with_all() -> Self {
        Self::With {
            tail: Tail::All,
            since: None,
        }
    }

    /// The cursor after which a view begins if its log does not exist, or not yet.
    pub fn without_a_log(&self) -> Cursor {
        match self {
            Self::After(cursor) => *cursor,
            Self::With { since, .. } => since.map_or_else(Cursor::default, |since| {
                Cursor::before(since.as_millis().saturating_mul(1_000_000))
            }),
        }
    }

    /// Parses a caller's request. An empty text counts as absent. A relative `since` counts back
    /// from `now`.
    pub fn parse(
        cursor: Option<&str>,
        tail: Option<&str>,
        since: Option<&str>,
        now: Time,
    ) -> Result<Self, NotAStart> {
        let given = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        let (cursor, tail, since) = (given(cursor), given(tail), given(since));
        if let Some(cursor) = cursor {
            if tail.is_some() || since.is_some() {
                return Err(NotAStart::CursorAndMore);
            }
            return Ok(Self::After(cursor.parse()?));
        }
        let tail = match tail.as_deref() {
            None | Some("all") => Tail::All,
            Some(text) => Tail::Lines(number(text).ok_or(NotAStart::Tail)?),
        };
        if matches!(tail, Tail::Lines(lines) if lines > TAIL_LIMIT) {
            return Err(NotAStart::Tail);
        }
        let since = since
            .map(|text| time(&text, now).ok_or(NotAStart::Since))
            .transpose()?;
        Ok(Self::With { tail, since })
    }
}

/// A time, or a duration before `now`.
fn time(text: &str, now: Time) -> Option<Time> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(Time::from_millis(time.as_millisecond().max(0)));
    }
    let unit = text.chars().last()?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return None,
    };
    let count = u64::from(number(&text[..text.len() - unit.len_utf8()])?);
    let ago = Duration::from_secs(count.checked_mul(seconds)?);
    // No log begins before the epoch.
    Some(now.minus(ago).max(Time::from_millis(0)))
}

/// A number of digits only: the number parser would also accept a sign.
pub(super) fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(cursor: &str, tail: &str, since: &str) -> Result<Start, NotAStart> {
        let now = Time::from_millis(10_000_000);
        Start::parse(Some(cursor), Some(tail), Some(since), now)
    }

    #[test]
    fn what_is_not_given_means_all() {
        assert_eq!(parse("", "", ""), Ok(Start::with_all()));
        assert_eq!(parse("", "all", ""), Ok(Start::with_all()));
        let none = Start::parse(None, None, None, Time::from_millis(0));
        assert_eq!(none, Ok(Start::with_all()));
    }

    #[test]
    fn a_view_begins_after_a_cursor_with_last_lines_or_at_a_time() {
        assert_eq!(
            parse("5.0_0", "", ""),
            Ok(Start::After("5.0_0".parse().unwrap()))
        );
        let with = |tail, since| {
            let since = Some(Time::from_millis(since));
            Ok(Start::With { tail, since })
        };
        assert_eq!(parse("", "100", "90s"), with(Tail::Lines(100), 9_910_000));
        assert_eq!(parse("", "0", "1h"), with(Tail::Lines(0), 6_400_000));
        assert_eq!(
            parse("", "", "1970-01-01T00:00:05Z"),
            with(Tail::All, 5_000)
        );
    }

    #[test]
    fn whatever_else_is_named_and_refused() {
        for (cursor, tail, since, why) in [
            ("x", "", "", NotAStart::Cursor(NotACursor)),
            ("5.0_0", "1", "", NotAStart::CursorAndMore),
            ("5.0_0", "", "1s", NotAStart::CursorAndMore),
            ("", "-1", "", NotAStart::Tail),
            ("", "+1", "", NotAStart::Tail),
            ("", "10001", "", NotAStart::Tail),
            ("", "99999999999", "", NotAStart::Tail),
            ("", "some", "", NotAStart::Tail),
            ("", "", "yesterday", NotAStart::Since),
            ("", "", "s", NotAStart::Since),
            ("", "", "-5m", NotAStart::Since),
            ("", "", "5ä", NotAStart::Since),
        ] {
            assert_eq!(
                parse(cursor, tail, since),
                Err(why),
                "{cursor} {tail} {since}"
            );
        }
        // A time before the epoch counts as the epoch.
        assert!(parse("", "", "4294967295d").is_ok());
    }
}
