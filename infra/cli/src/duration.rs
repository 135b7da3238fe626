//! Durations, as people write and read them; pure.

use std::{fmt, str::FromStr, time::Duration};

use jiff::{Span, SpanRelativeTo};
use thiserror::Error;

/// How long a lease is to be: whole minutes, as the API takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minutes(u64);

/// Until when a lease is to be renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// So long from now on: `15m`.
    FromNow(Minutes),
    /// So much longer than it has: `+15m`.
    Longer(Minutes),
}

/// How long a command may take: whole seconds, as the API takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds(u64);

/// Why a text is not a duration that can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotADuration {
    #[error("a duration looks like 30m, 2h or 1h30m")]
    Unreadable,
    #[error("a duration has a unit: {0}m is minutes, {0}h is hours")]
    NoUnit(String),
    #[error("a lease lasts a minute or longer: ask for 1m")]
    NoMinute,
    #[error("a lease lasts whole minutes: ask for {0}m or {next}m", next = .0 + 1)]
    PartOfAMinute(u64),
    #[error("a command's time is in whole seconds, from 1s on")]
    PartOfASecond,
}

impl Minutes {
    /// As a number.
    pub fn count(self) -> u64 {
        self.0
    }
}

impl Renewal {
    /// The minutes to ask for, counted from now, for a lease that has `left` still. Where they
    /// are not whole, one more.
    pub fn minutes_from_now(self, left: Duration) -> u64 {
        match self {
            Self::FromNow(minutes) => minutes.0,
            Self::Longer(minutes) => {
                let left = left.as_millis().div_ceil(60_000);
                minutes.0 + u64::try_from(left).unwrap_or(u64::MAX - minutes.0)
            }
        }
    }
}

impl Seconds {
    /// As a number.
    pub fn count(self) -> u64 {
        self.0
    }
}

impl FromStr for Minutes {
    type Err = NotADuration;

    fn from_str(text: &str) -> Result<Self, NotADuration> {
        let duration = parse(text)?;
        let seconds = duration.as_secs();
        let whole = seconds.is_multiple_of(60) && duration.subsec_nanos() == 0;
        match seconds / 60 {
            0 => Err(NotADuration::NoMinute),
            minutes if whole => Ok(Self(minutes)),
            minutes => Err(NotADuration::PartOfAMinute(minutes)),
        }
    }
}

impl FromStr for Renewal {
    type Err = NotADuration;

    fn from_str(text: &str) -> Result<Self, NotADuration> {
        match text.strip_prefix('+') {
            Some(longer) => longer.parse().map(Self::Longer),
            None => text.parse().map(Self::FromNow),
        }
    }
}

impl FromStr for Seconds {
    type Err = NotADuration;

    fn from_str(text: &str) -> Result<Self, NotADuration> {
        let duration = parse(text)?;
        if duration.as_secs() == 0 || duration.subsec_nanos() != 0 {
            return Err(NotADuration::PartOfASecond);
        }
        Ok(Self(duration.as_secs()))
    }
}

impl fmt::Display for Minutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&spell(Duration::from_secs(self.0.saturating_mul(60))))
    }
}

/// A day has 24 hours here: a lease knows no calendar.
fn parse(text: &str) -> Result<Duration, NotADuration> {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if number(text) {
        return Err(NotADuration::NoUnit(text.to_owned()));
    }
    // A sign has a meaning of its own here.
    if text.starts_with(['+', '-']) {
        return Err(NotADuration::Unreadable);
    }
    let span: Span = text.parse().map_err(|_| NotADuration::Unreadable)?;
    // Of months and years nobody knows how long they are: they are refused here.
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours());
    let duration = duration.map_err(|_| NotADuration::Unreadable)?;
    Duration::try_from(duration).map_err(|_| NotADuration::Unreadable)
}

/// A duration in its two largest units, such as `1h 5m`, and whole seconds at the least.
pub fn spell(duration: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(24 * 60 * 60, "d"), (60 * 60, "h"), (60, "m"), (1, "s")];
    let mut rest = duration.as_secs();
    let mut parts = Vec::new();
    for (length, name) in UNITS {
        let count = rest / length;
        rest %= length;
        if count > 0 {
            parts.push(format!("{count}{name}"));
        } else if !parts.is_empty() {
            // `1h 5s` would look more exact than it is of use.
            break;
        }
        if parts.len() == 2 {
            break;
        }
    }
    if parts.is_empty() {
        "0s".to_owned()
    } else {
        parts.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_asked_for_as_people_say_it() {
        for (text, minutes) in [
            ("1m", 1),
            ("30m", 30),
            ("2h", 120),
            ("1h30m", 90),
            ("1h 30m", 90),
            ("1.5h", 90),
            ("120s", 2),
            ("1d", 1440),
            ("30 minutes", 30),
            ("PT30M", 30),
        ] {
            assert_eq!(text.parse(), Ok(Minutes(minutes)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_of_a_lease_is_refused_with_what_is() {
        for (text, said) in [
            ("", "looks like 30m"),
            ("soon", "looks like 30m"),
            ("m", "looks like 30m"),
            ("-5m", "looks like 30m"),
            ("5 parsecs", "looks like 30m"),
            ("1mo", "looks like 30m"),
            ("1y", "looks like 30m"),
            ("30", "30m is minutes"),
            ("0m", "ask for 1m"),
            ("59s", "ask for 1m"),
            ("90s", "ask for 1m or 2m"),
            ("61m1ms", "ask for 61m or 62m"),
            ("99999999999999999999m", "looks like 30m"),
        ] {
            let refused = text.parse::<Minutes>().expect_err(text);
            assert!(refused.to_string().contains(said), "{text}: {refused}");
        }
    }

    #[test]
    fn a_renewal_counts_from_now_or_from_the_end() {
        let from_now: Renewal = "15m".parse().unwrap();
        let longer: Renewal = "+15m".parse().unwrap();
        assert!("++15m".parse::<Renewal>().is_err());
        for (left, minutes) in [(0, 15), (60_000, 16), (60_001, 17), (599_000, 25)] {
            let left = Duration::from_millis(left);
            assert_eq!(from_now.minutes_from_now(left), 15);
            assert_eq!(longer.minutes_from_now(left), minutes, "{left:?}");
        }
    }

    #[test]
    fn a_commands_time_is_in_seconds() {
        assert_eq!("20s".parse(), Ok(Seconds(20)));
        for wrong in ["0s", "500ms", "1.5s"] {
            assert_eq!(
                wrong.parse::<Seconds>(),
                Err(NotADuration::PartOfASecond),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_duration_is_told_in_its_two_largest_units() {
        for (seconds, said) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (61, "1m 1s"),
            (3_600, "1h"),
            (3_605, "1h"),
            (3_900, "1h 5m"),
            (3_999, "1h 6m"),
            (90_000, "1d 1h"),
        ] {
            assert_eq!(spell(Duration::from_secs(seconds)), said);
        }
    }
}
