//! What a run did, for the log and the metrics.

use std::fmt;

use containerlease_domain::lease::Reason;
use serde::Serialize;

use super::ends::Done;
use crate::notify::deliver::Deliveries;

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Leases that this run began to end.
    pub due: usize,
    /// Leases that it ended, by reason.
    pub expired: usize,
    pub deleted: usize,
    pub completed: usize,
    pub failed: usize,
    pub lost: usize,
    pub evicted: usize,
    /// Leases that another process renewed, deleted or ended first.
    pub left_to_others: usize,
    /// Ends that failed and will be tried again.
    pub attempts_failed: usize,
    /// Ends that found the engine away for as long as this run could wait.
    pub waiting: usize,
    /// Leases put in quarantine, among those whose ends failed.
    pub quarantined: usize,
    /// Leases that were in quarantine when this run began.
    pub in_quarantine: usize,
    /// Containers without a lease that were removed.
    pub orphans_removed: usize,
    /// Containers without a lease that could not be removed, or whose time is not proven to be
    /// over.
    pub orphans_left: usize,
    /// Ends due after this run's time.
    pub left_to_next_run: usize,
    /// Unreadable records that this run met: leases, sightings, notifications.
    pub unreadable: usize,
    /// Wrong counts of owners or of the host that were corrected.
    pub counts_mended: usize,
    /// Whether listing the engine failed, so that nothing was reconciled.
    pub engine_unseen: bool,
    /// Milliseconds from `expiresAt` to the removal, for each lease that expired.
    pub overshoot_ms: Vec<i64>,
    /// Deliveries of notifications to owners.
    pub deliveries: Deliveries,
}

/// How late leases were removed, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overshoot {
    pub p50: i64,
    pub p99: i64,
    pub max: i64,
}

impl Report {
    /// Leases that this run ended, for whatever reason.
    pub fn ended(&self) -> usize {
        self.expired + self.deleted + self.completed + self.failed + self.lost + self.evicted
    }

    /// How late expired leases were removed, in milliseconds; none if none expired.
    pub fn overshoot(&self) -> Option<Overshoot> {
        let mut sorted = self.overshoot_ms.clone();
        sorted.sort_unstable();
        // With few values the 99th percentile is the greatest.
        let at = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).max(1) - 1);
        Some(Overshoot {
            p50: *at(50)?,
            p99: *at(99)?,
            max: *sorted.last()?,
        })
    }

    /// Whether there was nothing to do and nothing in the way.
    pub fn is_idle(&self) -> bool {
        *self == Self::default()
    }

    /// Adds the ends of a look at the disk that ran beside this run.
    pub(super) fn add(&mut self, looked: Self) {
        self.due += looked.due;
        self.evicted += looked.evicted;
        // A lease keeps the first reason for its end, and another process may have been first.
        self.expired += looked.expired;
        self.deleted += looked.deleted;
        self.completed += looked.completed;
        self.failed += looked.failed;
        self.lost += looked.lost;
        self.left_to_others += looked.left_to_others;
        self.attempts_failed += looked.attempts_failed;
        self.quarantined += looked.quarantined;
        self.waiting += looked.waiting;
        self.left_to_next_run += looked.left_to_next_run;
        self.engine_unseen |= looked.engine_unseen;
        self.overshoot_ms.extend(looked.overshoot_ms);
    }

    pub(super) fn count(&mut self, done: Done) {
        match done {
            Done::Ended(receipt) => {
                match receipt.reason {
                    Reason::Expired => self.expired += 1,
                    Reason::Deleted => self.deleted += 1,
                    Reason::Lost => self.lost += 1,
                    Reason::Completed => self.completed += 1,
                    Reason::Failed => self.failed += 1,
                    Reason::Evicted => self.evicted += 1,
                }
                self.overshoot_ms.extend(receipt.overshoot_ms);
            }
            Done::AttemptFailed { quarantined } => {
                self.attempts_failed += 1;
                self.quarantined += usize::from(quarantined);
            }
            Done::EngineAway => {
                self.waiting += 1;
                self.engine_unseen = true;
            }
            Done::LeftToOthers => self.left_to_others += 1,
            Done::LeftToNextRun => self.left_to_next_run += 1,
        }
    }
}

impl fmt::Display for Report {
    /// All numbers above zero, in words: `2 due, 2 expired, at most 190 ms late`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.due, "due"),
            (self.expired, "expired"),
            (self.deleted, "deleted"),
            (self.completed, "completed"),
            (self.failed, "failed"),
            (self.lost, "lost"),
            (self.evicted, "evicted"),
            (self.left_to_others, "left to others"),
            (self.attempts_failed, "to be tried again"),
            (self.waiting, "waiting for the engine"),
            (self.quarantined, "quarantined"),
            (self.in_quarantine, "in quarantine before"),
            (self.orphans_removed, "orphans removed"),
            (self.orphans_left, "orphans left"),
            (self.left_to_next_run, "left to the next run"),
            (self.unreadable, "unreadable"),
            (self.counts_mended, "counts mended"),
            (self.deliveries.delivered, "delivered"),
            (self.deliveries.attempts_failed, "deliveries failed"),
            (self.deliveries.given_up, "deliveries given up"),
        ];
        let mut words: Vec<_> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if let Some(late) = self.overshoot() {
            words.push(format!("at most {} ms late", late.max));
        }
        if self.engine_unseen {
            words.push("the engine could not be listed".to_owned());
        }
        if words.is_empty() {
            words.push("nothing to do".to_owned());
        }
        f.write_str(&words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_how_late_its_ends_were() {
        let late = |overshoot_ms: Vec<i64>| {
            let report = Report {
                overshoot_ms,
                ..Report::default()
            };
            report
                .overshoot()
                .map(|late| (late.p50, late.p99, late.max))
        };
        assert_eq!(late(vec![]), None);
        assert_eq!(late(vec![7]), Some((7, 7, 7)));
        assert_eq!(late(vec![30, 10, 20]), Some((20, 30, 30)));
        assert_eq!(late((1..=200).collect()), Some((100, 198, 200)));
    }

    #[test]
    fn a_report_says_what_was_more_than_nothing() {
        assert_eq!(Report::default().to_string(), "nothing to do");
        let report = Report {
            due: 2,
            expired: 1,
            left_to_others: 1,
            overshoot_ms: vec![190],
            ..Report::default()
        };
        assert!(!report.is_idle());
        assert_eq!(
            report.to_string(),
            "2 due, 1 expired, 1 left to others, at most 190 ms late"
        );
    }
}
