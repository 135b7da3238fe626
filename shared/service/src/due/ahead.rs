//! What a run of the reaper sends ahead: everything that came within reach since the last run.
//!
//! The runs record how far they have sent, so that each sends from there to its own reach. A late
//! run, or one after lost runs, sends more; two concurrent runs send the same, which is harmless.
//! What provision and renew sent themselves was within reach then, and is below that mark.

use std::time::Duration;

use containerlease_domain::time::Time;

use super::{Due, Queues, REACH};
use crate::store::{Store, StoreError};

/// Each run sends again what earlier runs covered in this time. A lease may have reached the index
/// just after they read it, and clocks differ.
const OVERLAP: Duration = Duration::from_secs(10);

/// What a run sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ahead {
    pub ends: usize,
    pub notifications: usize,
    /// Messages that could not be sent. The next run tries them again.
    pub unsent: usize,
}

impl Queues {
    /// Sends everything that is within reach at `now`.
    pub async fn ahead(&self, store: &Store, now: Time) -> Result<Ahead, StoreError> {
        let until = now.plus(REACH);
        let from = window_from(store.sent_until().await?, now);
        let (ends, notifications) = tokio::try_join!(
            store.ends_between(from, until),
            store.notifications_between(from, until),
        )?;
        let notifications: Vec<_> = notifications.iter().filter_map(Due::notification).collect();
        let sent = (ends.len(), notifications.len());
        let ends = ends.iter().map(Due::end_of).collect();
        let (ends, notifications) = tokio::join!(
            self.ends.send_all(ends, now),
            self.deliveries.send_all(notifications, now),
        );
        let first_unsent = ends
            .iter()
            .chain(&notifications)
            .map(|due| due.due_at)
            .min();
        store.note_sent_until(first_unsent.unwrap_or(until)).await?;
        Ok(Ahead {
            ends: sent.0 - ends.len(),
            notifications: sent.1 - notifications.len(),
            unsent: ends.len() + notifications.len(),
        })
    }
}

/// The start of the range to send at `now`. Overdue work is handled by the same run itself.
fn window_from(sent_until: Option<Time>, now: Time) -> Time {
    let sent = sent_until.map_or(now, |until| until.min(now.plus(REACH)).minus(OVERLAP));
    sent.max(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_millis(1_800_000_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_run_goes_on_where_the_last_one_was_whenever_it_comes() {
        // How long ago the last run was, and how far ahead this run's range begins.
        for (ago, ahead) in [
            (0, 890),
            (60, 830),
            (119, 771),
            (600, 290),
            (900, 0),
            (86_400, 0),
        ] {
            let sent_until = NOW.minus(ago * SECOND).plus(REACH);
            let from = window_from(Some(sent_until), NOW);
            assert_eq!(NOW.until(from).as_secs(), ahead, "{ago}");
        }
        assert_eq!(window_from(None, NOW), NOW, "the first run sends all");
    }

    #[test]
    fn a_mark_from_a_wrong_clock_keeps_nothing_back_for_long() {
        let from = window_from(Some(NOW.plus(86_400 * SECOND)), NOW);
        assert_eq!(NOW.until(from).as_secs(), 890);
    }
}
