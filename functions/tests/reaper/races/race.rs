//! A lease whose end is near, what its owner asks around that end, and the reapers that end it.

use std::time::Duration;

use containerlease_domain::{
    lease::{CLAIM_LIMIT, Ending, Facts, Lease, PROVISION_LIMIT, Reason, State},
    time::Time,
};
use containerlease_service::{
    leasing::{
        delete::delete,
        renew::{RenewError, renew},
    },
    reaper::Report,
};
use fastrand::Rng;
use futures_util::future::join_all;

use super::{MILLISECOND, PROCESSES};
use crate::{MINUTE, Process, SECOND};

/// The maximum number of ticks after the first ones.
const LATER_TICKS: usize = 20;

/// A lease, and the requests around its end.
#[derive(Clone, Debug)]
pub(super) struct Race {
    pub(super) lease: Lease,
    pub(super) kind: Kind,
    /// When it falls due, unless it is renewed.
    pub(super) end: Time,
    /// When each renewal is requested, in milliseconds after the end, and for how long.
    pub(super) renewals: Vec<(i64, Duration)>,
    /// When each delete is requested, in milliseconds after the end.
    pub(super) deletes: Vec<i64>,
}

/// The kind of lease to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A lease whose time is over soon.
    Running,
    /// An end that a process claimed for this reason and did not finish.
    Claimed(Reason),
    /// A provision that was abandoned.
    Abandoned,
}

/// The answers that the lease's owner got.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// The ends that renewals granted.
    pub(super) granted: Vec<Time>,
    /// When the first accepted delete was requested.
    pub(super) deleted: Option<Time>,
}

/// Sends all requests at their times, and runs the reaper until nothing more falls due soon.
/// Returns the answers that each owner got, and the reaper's reports.
pub(super) async fn race(
    races: &[Race],
    processes: &[Process],
    random: &mut Rng,
    spread: Duration,
) -> (Vec<Told>, Vec<Report>) {
    let all_ahead = 2 * spread + 2 * SECOND;
    let reapers = processes.iter().enumerate().map(|(index, process)| {
        // All but the last one run before the first end, and the last one during the ends.
        let longest = if index + 1 < PROCESSES {
            SECOND / 4
        } else {
            spread
        };
        let process = process.clone();
        let pause = longest.mul_f64(random.f64());
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            process.reap(all_ahead).await
        })
    });
    let reapers = join_all(reapers.collect::<Vec<_>>());
    let owners = races.iter().enumerate().map(|(index, race)| {
        let process = processes[index % PROCESSES].clone();
        tokio::spawn(race.clone().ask(process))
    });
    let owners = join_all(owners.collect::<Vec<_>>());
    let (reports, told) = tokio::join!(reapers, owners);
    let mut reports: Vec<_> = (reports.into_iter())
        .map(|report| report.expect("no reaper panics"))
        .collect();
    let told = told.into_iter().map(|told| told.expect("no owner panics"));

    // A lease that was renewed for a moment falls due in a later tick.
    for _ in 0..LATER_TICKS {
        let active = processes[0].store.active().await;
        let active = active.expect("the table can be read");
        let soon = Time::now().plus(2 * SECOND);
        let falls_due = |lease: &Lease| lease.due_at().is_some_and(|due| due <= soon);
        if !active.items.iter().any(falls_due) {
            break;
        }
        let ticks = processes[..2].iter().cloned();
        reports.extend(join_all(ticks.map(|process| process.reap(2 * SECOND))).await);
    }
    (told.collect(), reports)
}

impl Race {
    pub(super) fn draw(random: &mut Rng, lease: Lease, begin: Time, spread: Duration) -> Self {
        let end = begin.plus(spread.mul_f64(random.f64()));
        let kind = match random.u32(0..100) {
            0..80 => Kind::Running,
            80..85 => Kind::Claimed(Reason::Deleted),
            85..90 => Kind::Claimed(Reason::Expired),
            _ => Kind::Abandoned,
        };
        let (created_at, expires_at, state) = match kind {
            Kind::Running => (end.minus(10 * MINUTE), end, State::Running),
            Kind::Abandoned => (
                end.minus(PROVISION_LIMIT),
                end.plus(10 * MINUTE),
                State::Provisioning,
            ),
            Kind::Claimed(reason) => {
                let requested_at = end.minus(CLAIM_LIMIT);
                let ending = Ending {
                    reason,
                    requested_at,
                    attempts: 1,
                    next_attempt_at: end,
                    holder: None,
                    facts: Facts::default(),
                };
                let created_at = end.minus(10 * MINUTE);
                (created_at, requested_at, State::Ending(ending))
            }
        };
        let renewals = (0..random.u32(0..=2)).map(|_| {
            let duration = if random.u32(0..3) == 0 {
                MILLISECOND * random.u32(20..400)
            } else {
                10 * MINUTE
            };
            (random.i64(-50..=15), duration)
        });
        let renewals = renewals.collect();
        let deletes = match random.u32(0..10) {
            0..6 => 0,
            6..9 => 1,
            _ => 2,
        };
        let deletes = (0..deletes).map(|_| random.i64(-50..=30)).collect();
        Self {
            lease: Lease {
                created_at,
                expires_at,
                hard_deadline: created_at.plus(60 * MINUTE),
                state,
                ..lease
            },
            kind,
            end,
            renewals,
            deletes,
        }
    }

    /// Sends all requests, each at its time.
    pub(super) async fn ask(self, process: Process) -> Told {
        let Lease { id, owner, .. } = &self.lease;
        let at = |millis: i64| Time::from_millis(self.end.as_millis() + millis);
        let renewals = join_all(self.renewals.iter().map(async |(millis, duration)| {
            wait_until(at(*millis)).await;
            match renew(&process.store, owner, id, *duration).await {
                Ok(renewed) => Some(renewed.lease.expires_at),
                Err(RenewError::Refused(_) | RenewError::Contended) => None,
                Err(error) => panic!("{id} cannot be renewed: {error}"),
            }
        }));
        let deletes = join_all(self.deletes.iter().map(async |millis| {
            wait_until(at(*millis)).await;
            let asked = Time::now();
            let deleted = delete(process.deps(), owner, id).await;
            deleted.unwrap_or_else(|error| panic!("{id} cannot be deleted: {error}"));
            asked
        }));
        let (granted, deleted) = tokio::join!(renewals, deletes);
        Told {
            granted: granted.into_iter().flatten().collect(),
            deleted: deleted.into_iter().min(),
        }
    }
}

async fn wait_until(time: Time) {
    tokio::time::sleep(Time::now().until(time)).await;
}
