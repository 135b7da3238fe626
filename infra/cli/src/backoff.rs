//! Pauses between attempts.

use std::time::Duration;

/// Upper bound of the first pause; each later bound is twice the one before. A pause is at least
/// half its bound.
const FIRST: Duration = Duration::from_millis(500);

const LONGEST: Duration = Duration::from_secs(15);

/// Pauses between attempts, each about twice as long as the one before: from 250 ms to 15 s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    next: Duration,
}

impl Backoff {
    /// The next pause. Its random part keeps viewers that a server lost at the same moment from
    /// returning at the same moment.
    pub fn pause(&mut self) -> Duration {
        let most = self.next;
        self.next = (2 * most).min(LONGEST);
        most.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_a_quarter_of_a_second_to_fifteen_seconds() {
        for _ in 0..1_000 {
            let mut backoff = Backoff::default();
            for most in [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000] {
                let most = Duration::from_millis(most);
                let pause = backoff.pause();
                assert!(pause >= most / 2 && pause <= most, "{pause:?} of {most:?}");
            }
        }
    }

    #[test]
    fn two_viewers_do_not_wait_equally_long() {
        let pauses: std::collections::HashSet<_> =
            (0..100).map(|_| Backoff::default().pause()).collect();
        assert!(pauses.len() > 50);
    }
}
