//! The duration of a lease, in minutes or in seconds.

use std::time::Duration;

use serde_json::Value;

use super::{Fields, kind, whole};

const MINUTES: &str = "durationMinutes";
const SECONDS: &str = "durationSeconds";

/// The shortest lease, if given in minutes.
pub const SHORTEST_MINUTES: u64 = 1;

/// The shortest lease, if given in seconds.
pub const SHORTEST_LEASE_SECONDS: u64 = 30;

impl Fields {
    /// Takes whichever of the two fields is present. `longest` is the maximum lifetime of a lease.
    pub(super) fn duration(&mut self, longest: Duration) -> Option<Duration> {
        let (minutes, seconds) = (self.take(MINUTES), self.take(SECONDS));
        let most = longest.as_secs();
        let (field, value, unit, bounds) = match (minutes, seconds) {
            (Some(_), Some(_)) => {
                let detail = format!("Give {MINUTES} or {SECONDS}, not both.");
                self.fault(SECONDS, detail);
                return None;
            }
            (None, Some(seconds)) => {
                let bounds =
                    format!("a whole number of seconds from {SHORTEST_LEASE_SECONDS} to {most}");
                (SECONDS, Some(seconds), (1, SHORTEST_LEASE_SECONDS), bounds)
            }
            (minutes, None) => {
                let most = most / 60;
                let bounds = format!("a whole number of minutes from {SHORTEST_MINUTES} to {most}");
                (MINUTES, minutes, (60, SHORTEST_MINUTES), bounds)
            }
        };
        let (length, least) = unit;
        let duration = match value {
            None => Err(format!("It is missing; give {bounds}.")),
            Some(Value::Number(number)) => whole(&number)
                .filter(|count| (least..=most / length).contains(count))
                .map(|count| Duration::from_secs(count * length))
                .ok_or_else(|| format!("It is {number}; give {bounds}.")),
            Some(other) => Err(format!("It is {}; give {bounds}.", kind(&other))),
        };
        self.keep(field, duration)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::request::{Refused, Renew};

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn asked(body: &Value) -> Result<Duration, (String, String)> {
        match Renew::parse(body.to_string().as_bytes(), DAY) {
            Ok(renew) => Ok(renew.duration),
            Err(Refused::Fields(mut faults)) => {
                assert_eq!(faults.len(), 1, "{faults:?}");
                let fault = faults.remove(0);
                Err((fault.field, fault.detail))
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_wrong_number_of_minutes_is_told_its_bounds() {
        for (wrong, said) in [
            (json!(0), "It is 0; "),
            (json!(-5), "It is -5; "),
            (json!(1.5), "It is 1.5; "),
            (json!("ten"), "It is text; "),
            (json!(1441), "It is 1441; "),
            (
                json!(18_446_744_073_709_551_615_u64),
                "It is 18446744073709551615; ",
            ),
            (json!([1]), "It is a list; "),
            (json!(null), "It is missing; "),
        ] {
            assert_eq!(
                asked(&json!({MINUTES: wrong})),
                Err((
                    MINUTES.to_owned(),
                    format!("{said}give a whole number of minutes from 1 to 1440.")
                ))
            );
        }
    }

    #[test]
    fn seconds_have_their_own_bounds() {
        for (seconds, lasts) in [(json!(30), 30), (json!(90.0), 90), (json!(86_400), 86_400)] {
            let body = json!({SECONDS: seconds, MINUTES: null});
            assert_eq!(asked(&body), Ok(Duration::from_secs(lasts)));
        }
        for wrong in [
            json!(29),
            json!(86_401),
            json!(30.5),
            json!("90"),
            json!(-90),
        ] {
            let (field, detail) = asked(&json!({SECONDS: wrong})).unwrap_err();
            assert_eq!(field, SECONDS);
            let bounds = "; give a whole number of seconds from 30 to 86400.";
            assert!(detail.ends_with(bounds), "{detail}");
        }
    }

    #[test]
    fn both_are_too_many_even_where_they_say_the_same() {
        let said = "Give durationMinutes or durationSeconds, not both.";
        for seconds in [json!(60), json!("x")] {
            assert_eq!(
                asked(&json!({MINUTES: 1, SECONDS: seconds})),
                Err((SECONDS.to_owned(), said.to_owned()))
            );
        }
    }
}
