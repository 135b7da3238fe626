//! Points in time, in UTC, to the millisecond.
//!
//! Rules never read the clock: they take `now: Time`. Only code that waits or talks to the
//! outside calls [`Time::now`].

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::ToSchema;

use crate::clock;

/// A point in time in UTC, as milliseconds since 1970-01-01T00:00:00Z.
///
/// It is written as RFC 3339 with exactly three decimals (`2026-11-24T09:30:00.000Z`), so
/// that its text sorts as the time does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-11-24T09:30:00.000Z")]
pub struct Time(i64);

impl Time {
    /// The current time by this process's clock: the wall clock, or the one of [`clock::hold`].
    pub fn now() -> Self {
        Self(i64::try_from(clock::since_epoch().as_millis()).unwrap_or(i64::MAX))
    }

    /// The time that is `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded up: DynamoDB's TTL must never come early.
    pub const fn as_secs_rounded_up(self) -> i64 {
        self.0.div_euclid(1000) + if self.0.rem_euclid(1000) > 0 { 1 } else { 0 }
    }

    /// This time plus `duration`, or the last representable time.
    pub fn plus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// This time minus `duration`, or the first representable time.
    pub fn minus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// The time from `self` to `later`; zero if `later` is the earlier one.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0))
    }

    /// Milliseconds from `earlier` to `self`; negative if `earlier` is the later one.
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timestamp = jiff::Timestamp::from_millisecond(self.0).map_err(|_| fmt::Error)?;
        write!(f, "{timestamp:.3}")
    }
}

impl FromStr for Time {
    type Err = jiff::Error;

    /// Reads RFC 3339, with or without decimals.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let timestamp: jiff::Timestamp = text.parse()?;
        Ok(Self(timestamp.as_millisecond()))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_three_decimals_whatever_the_value() {
        assert_eq!(Time::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(
            Time::from_millis(1_795_516_200_120).to_string(),
            "2026-11-24T10:30:00.120Z"
        );
    }

    #[test]
    fn text_and_back_is_the_same_time() {
        let time = Time::from_millis(1_795_513_800_007);
        let text = serde_json::to_string(&time).unwrap();
        assert_eq!(serde_json::from_str::<Time>(&text).unwrap(), time);
    }

    #[test]
    fn ttl_seconds_are_never_early() {
        assert_eq!(Time::from_millis(1_000).as_secs_rounded_up(), 1);
        assert_eq!(Time::from_millis(1_001).as_secs_rounded_up(), 2);
        assert_eq!(Time::from_millis(1_999).as_secs_rounded_up(), 2);
    }

    #[test]
    fn a_moment_in_the_past_is_no_time_away() {
        let now = Time::from_millis(5_000);
        assert_eq!(now.until(Time::from_millis(4_000)), Duration::ZERO);
        assert_eq!(
            now.until(Time::from_millis(5_250)),
            Duration::from_millis(250)
        );
        assert_eq!(Time::from_millis(4_000).millis_since(now), -1_000);
    }
}
