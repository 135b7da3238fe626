//! Compares the records with what happened to the containers and with what the owners were told.

use std::{collections::HashMap, time::Instant};

use containerlease_domain::{
    capacity::{Amounts, Whose},
    lease::{Lease, Reason, State},
    time::Time,
};
use containerlease_service::{reaper::Report, store::Store};

use super::{
    OWNERS, owner,
    race::{Kind, Race, Told},
    say,
};

/// What happened to the lease's container.
#[derive(Clone, Debug, Default)]
pub(super) struct Happened {
    /// When its stop or removal was first requested.
    pub(super) touched_at: Option<Time>,
    pub(super) removed_at: Option<Time>,
    pub(super) removals: usize,
    pub(super) there: bool,
}

/// The result of all races, from the tables and the engines.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) races: usize,
    expired: usize,
    deleted: usize,
    failed: usize,
    alive: usize,
    renewals: usize,
    refusals: usize,
    early: usize,
    doubled: usize,
    leaked: usize,
    /// How late the leases without a renewal ended, in milliseconds.
    overshoots: Vec<i64>,
    /// Every fault, with its race.
    pub(super) wrong: Vec<String>,
}

impl Tally {
    /// Compares the lease's record with its owner's answers and with what happened to its
    /// container.
    pub(super) fn judge(&mut self, race: &Race, told: &Told, happened: &Happened, lease: &Lease) {
        self.races += 1;
        self.renewals += told.granted.len();
        self.refusals += race.renewals.len() - told.granted.len();
        let mut wrong = Vec::new();

        let granted = told.granted.iter().copied().max();
        let expires_at = granted.unwrap_or(race.lease.expires_at);
        if lease.expires_at != expires_at.max(race.lease.expires_at) {
            wrong.push("its end is not the one that was granted".to_owned());
        }
        if happened.removals > 1 {
            self.doubled += 1;
            wrong.push("it was removed more than once".to_owned());
        }
        let touched_at = happened.touched_at;
        if let State::Ended(receipt) = &lease.state {
            let removed_at = happened.removed_at;
            if happened.there || removed_at.is_none_or(|at| receipt.removed_at < at) {
                self.leaked += 1;
                wrong.push("it was not gone when its receipt was written".to_owned());
            }
            let taken_over = matches!(race.kind, Kind::Claimed(_));
            if receipt.attempts != 1 + u32::from(taken_over) {
                wrong.push("others have tried to end it".to_owned());
            }
            let allowed_from = match receipt.reason {
                Reason::Expired if !taken_over => lease.expires_at,
                Reason::Deleted if !taken_over => told.deleted.unwrap_or(lease.expires_at),
                _ => race.end,
            };
            if touched_at.is_none_or(|at| at < allowed_from) {
                self.early += 1;
                wrong.push("it was ended early".to_owned());
            }
            let late_by = receipt.removed_at.millis_since(lease.expires_at);
            let overshoot = (receipt.reason == Reason::Expired).then_some(late_by);
            if receipt.overshoot_ms != overshoot || overshoot.is_some_and(|late| late < 0) {
                wrong.push("its overshoot is wrong".to_owned());
            }
            match receipt.reason {
                Reason::Expired => self.expired += 1,
                Reason::Deleted => self.deleted += 1,
                _ => self.failed += 1,
            }
            let expected = match race.kind {
                Kind::Claimed(reason) => receipt.reason == reason,
                Kind::Running if told.deleted.is_none() => receipt.reason == Reason::Expired,
                Kind::Running => [Reason::Expired, Reason::Deleted].contains(&receipt.reason),
                Kind::Abandoned => [Reason::Failed, Reason::Deleted].contains(&receipt.reason),
            };
            if !expected {
                wrong.push("it ended for the wrong reason".to_owned());
            }
            // A lease that was renewed for a moment waits for the next tick, which here begins
            // after the first ones.
            if race.kind == Kind::Running && race.end == lease.expires_at {
                self.overshoots.extend(receipt.overshoot_ms);
            }
        } else {
            self.alive += 1;
            if lease.state != State::Running || granted.is_none() || told.deleted.is_some() {
                self.leaked += 1;
                wrong.push("it has not ended".to_owned());
            }
            if touched_at.is_some() || !happened.there {
                self.early += 1;
                wrong.push("its container was ended while it lives".to_owned());
            }
        }
        for what in wrong {
            let text = format!("{what}:\n  {race:?}\n  {told:?}\n  {happened:?}\n  {lease:?}");
            self.wrong.push(text);
        }
    }

    /// Compares the reports with the records. A lease ends once, so the sum of the reports must
    /// match the records.
    pub(super) fn judge_reports(&mut self, races: &[Race], records: &[Lease], reports: &[Report]) {
        // Whether a reaper or the owner took over a claimed end is unknown.
        let mut sure: HashMap<Reason, usize> = HashMap::new();
        let mut perhaps: HashMap<Reason, usize> = HashMap::new();
        for (race, record) in races.iter().zip(records) {
            let State::Ended(receipt) = &record.state else {
                continue;
            };
            let counts = match race.kind {
                Kind::Claimed(_) if !race.deletes.is_empty() => &mut perhaps,
                Kind::Running | Kind::Abandoned if receipt.reason == Reason::Deleted => continue,
                _ => &mut sure,
            };
            *counts.entry(receipt.reason).or_default() += 1;
        }
        let sum = |count: fn(&Report) -> usize| reports.iter().map(count).sum::<usize>();
        let reported = [
            (Reason::Expired, sum(|report| report.expired)),
            (Reason::Deleted, sum(|report| report.deleted)),
            (Reason::Completed, sum(|report| report.completed)),
            (Reason::Failed, sum(|report| report.failed)),
            (Reason::Lost, sum(|report| report.lost)),
        ];
        for (reason, reported) in reported {
            let least = sure.get(&reason).copied().unwrap_or_default();
            let most = least + perhaps.get(&reason).copied().unwrap_or_default();
            if !(least..=most).contains(&reported) {
                let what = format!("{reported} {reason:?}, and the records {least} to {most}");
                self.wrong
                    .push(format!("the reports have {what}:\n  {reports:?}"));
            }
        }
        let in_the_way = sum(|it| it.attempts_failed + it.orphans_removed + it.orphans_left);
        if in_the_way > 0 || reports.iter().any(|report| report.engine_unseen) {
            let what = format!("something was in the reapers' way:\n  {reports:?}");
            self.wrong.push(what);
        }
    }

    /// Compares the containers, the counts and the sightings with the leases that have not
    /// ended.
    pub(super) async fn judge_counts(&mut self, there: usize, store: &Store) {
        let mut active = 0;
        let mut on_host = Amounts::default();
        for owner in (0..OWNERS).map(owner) {
            let leases = store.active_of(&owner).await;
            let leases = leases.expect("the table can be read");
            let counted = store.counted(&owner).await;
            let counted = counted.expect("the table can be read");
            let counts = leases.iter().map(|lease| Whose::Owner.counts(lease));
            let held = counts.fold(Amounts::default(), Amounts::plus);
            if held != counted {
                let what = format!("{owner:?} holds {held:?} and is counted {counted:?}");
                self.wrong.push(what);
            }
            let counts = leases.iter().map(|lease| Whose::Host.counts(lease));
            on_host = counts.fold(on_host, Amounts::plus);
            active += leases.len();
        }
        let counted = store.counted_on_host().await;
        let counted = counted.expect("the table can be read");
        if on_host != counted {
            let what = format!("the host holds {on_host:?} and is counted {counted:?}");
            self.wrong.push(what);
        }
        if there != active {
            self.leaked += there.saturating_sub(active);
            let what = format!("{there} containers are there for {active} leases");
            self.wrong.push(what);
        }
        let sightings = store.sightings().await;
        if !sightings.expect("the table can be read").items.is_empty() {
            let what = "a container was taken for one without a lease";
            self.wrong.push(what.to_owned());
        }
    }

    /// Adds to a batch's faults how to run it again.
    pub(super) fn name_seed(&mut self, before: usize, seed: u64, count: usize) {
        for wrong in &mut self.wrong[before..] {
            let again = format!("CONTAINERLEASE_RACE_SEED={seed}, batch of {count}");
            *wrong = format!("[{again}] {wrong}");
        }
    }

    /// Whether ends, deletes and renewals have each won a race and lost one.
    fn decides(&self) -> bool {
        [
            self.expired,
            self.deleted,
            self.alive,
            self.renewals,
            self.refusals,
        ]
        .iter()
        .all(|count| *count > 0)
    }

    /// Whether `races` were too few to decide, so that more are needed.
    pub(super) fn wants_more(&self, races: usize) -> bool {
        !self.decides() && self.races < 4 * races
    }

    /// Prints the result of the races, and panics on any fault.
    pub(super) fn conclude(mut self, where_: &str, seed: u64, begun: Instant) {
        self.overshoots.sort_unstable();
        let late = |share: usize| {
            let last = self.overshoots.len().saturating_sub(1);
            self.overshoots.get(last * share / 100).copied()
        };
        let (median, p99, most) = (late(50), late(99), late(100));
        say(&format!(
            "{} races {where_} in {:.1} s, seed {seed}: {} expired, {} deleted, {} failed, {} \
                 alive; {} renewals granted, {} refused; {} early, {} doubled, {} leaked; ms late: \
                 median {median:?}, p99 {p99:?}, most {most:?}",
            self.races,
            begun.elapsed().as_secs_f64(),
            self.expired,
            self.deleted,
            self.failed,
            self.alive,
            self.renewals,
            self.refusals,
            self.early,
            self.doubled,
            self.leaked,
        ));
        assert!(
            self.wrong.is_empty(),
            "{} of {} races went wrong; the first of them:\n{}",
            self.wrong.len(),
            self.races,
            self.wrong[..self.wrong.len().min(5)].join("\n"),
        );
        assert!(self.decides(), "the machine is too busy for these races");
    }
}
