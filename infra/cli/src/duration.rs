//! Durations as people write and read them; pure.

use std::{str::FromStr, time::Duration};

use containerlease_domain::request::SHORTEST_LEASE_SECONDS;
use jiff::{Span, SpanRelativeTo};
use thiserror::Error;

/// A lease's duration: whole seconds, at least 30, as the API takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term(u64);

/// The new end of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Counted from now: `15m`.
    FromNow(Term),
    /// Added to the time left: `+15m`.
    Longer(Term),
}

/// A command's time limit: whole seconds, as the API takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds(u64);

/// Why a text is not a valid duration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotADuration {
    #[error("a duration looks like 90s, 30m, 2h or 1h30m")]
    Unreadable,
    #[error("a duration has a unit: {0}s is seconds, {0}m is minutes, {0}h is hours")]
    NoUnit(String),
    #[error("a lease lasts {} seconds or longer", SHORTEST_LEASE_SECONDS)]
    TooShort,
    #[error("a lease lasts whole seconds")]
    Uneven,
    #[error("a command's time limit is in whole seconds, at least 1s")]
    PartOfASecond,
}

impl Term {
    /// The request's field and its value: minutes if they are whole, since every server takes
    /// those.
    pub fn asked(self) -> (&'static str, u64) {
        if self.0.is_multiple_of(60) {
            ("durationMinutes", self.0 / 60)
        } else {
            ("durationSeconds", self.0)
        }
    }
}

impl Renewal {
    /// The duration to request, counted from now, for a lease that has `left` left and at most
    /// `most` with renewals. Rounds up to whole seconds.
    pub fn from_now(self, left: Duration, most: Duration) -> Term {
        let whole =
            |time: Duration| u64::try_from(time.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX);
        match self {
            Self::FromNow(term) => term,
            Self::Longer(term) => {
                let longer = term.0.saturating_add(whole(left));
                Term(longer.min(whole(most)).max(SHORTEST_LEASE_SECONDS))
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

impl FromStr for Term {
    type Err = NotADuration;

    fn from_str(text: &str) -> Result<Self, NotADuration> {
        let duration = parse(text)?;
        if duration.as_secs() < SHORTEST_LEASE_SECONDS {
            return Err(NotADuration::TooShort);
        }
        if duration.subsec_nanos() != 0 {
            return Err(NotADuration::Uneven);
        }
        Ok(Self(duration.as_secs()))
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

/// A day has 24 hours here: leases ignore daylight saving time.
fn parse(text: &str) -> Result<Duration, NotADuration> {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if number(text) {
        return Err(NotADuration::NoUnit(text.to_owned()));
    }
    // A sign has its own meaning here.
    if text.starts_with(['+', '-']) {
        return Err(NotADuration::Unreadable);
    }
    let span: Span = text.parse().map_err(|_| NotADuration::Unreadable)?;
    // Months and years vary in length, so this fails for them.
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours());
    let duration = duration.map_err(|_| NotADuration::Unreadable)?;
    Duration::try_from(duration).map_err(|_| NotADuration::Unreadable)
}

/// A duration in its two largest units, such as `1h 5m`, down to whole seconds.
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
            // `1h 5s` would look more exact than useful.
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
        for (text, seconds) in [
            ("30s", 30),
            ("90s", 90),
            ("1m", 60),
            ("1m30s", 90),
            ("0.5m", 30),
            ("30m", 1_800),
            ("2h", 7_200),
            ("1h30m", 5_400),
            ("1h 30m", 5_400),
            ("1.5h", 5_400),
            ("1d", 86_400),
            ("30 minutes", 1_800),
            ("PT30M", 1_800),
        ] {
            assert_eq!(text.parse(), Ok(Term(seconds)), "{text}");
        }
        assert_eq!(Term(5_400).asked(), ("durationMinutes", 90));
        assert_eq!(Term(90).asked(), ("durationSeconds", 90));
    }

    #[test]
    fn what_is_no_time_of_a_lease_is_refused_with_what_is() {
        for (text, said) in [
            ("", "looks like 90s"),
            ("soon", "looks like 90s"),
            ("m", "looks like 90s"),
            ("-5m", "looks like 90s"),
            ("5 parsecs", "looks like 90s"),
            ("1mo", "looks like 90s"),
            ("1y", "looks like 90s"),
            ("30", "30s is seconds, 30m is minutes"),
            ("0m", "lasts 30 seconds or longer"),
            ("29s", "lasts 30 seconds or longer"),
            ("29.999s", "lasts 30 seconds or longer"),
            ("61m1ms", "lasts whole seconds"),
            ("99999999999999999999m", "looks like 90s"),
        ] {
            let refused = text.parse::<Term>().expect_err(text);
            assert!(refused.to_string().contains(said), "{text}: {refused}");
        }
    }

    #[test]
    fn a_renewal_counts_from_now_or_from_the_end() {
        let from_now: Renewal = "15m".parse().unwrap();
        let longer: Renewal = "+90s".parse().unwrap();
        assert!("++15m".parse::<Renewal>().is_err());
        for (left, seconds) in [(0, 90), (60_000, 150), (60_001, 151), (599_000, 689)] {
            let left = Duration::from_millis(left);
            let most = Duration::from_secs(86_400);
            assert_eq!(from_now.from_now(left, most), Term(900));
            assert_eq!(longer.from_now(left, most), Term(seconds), "{left:?}");
        }
        // The longest lifetime caps the request.
        let (left, most) = (Duration::from_secs(50), Duration::from_millis(99_500));
        assert_eq!(longer.from_now(left, most), Term(100));
        assert_eq!(longer.from_now(left, left), Term(50));
        let second = Duration::from_secs(1);
        assert_eq!(longer.from_now(second, second), Term(30));
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
