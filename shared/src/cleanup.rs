//! Cleanup: the reaper. Why nothing can leak is all in this file.
//!
//! It is a reconciler: it takes no input, any number of it may run at once, and the next
//! run is its retry. A run reads the leases that have not ended, then the containers of our
//! deployment, makes a [`Plan`] from the two by pure rules, and applies it.
//!
//! - **Every lease that has not ended falls due** ([`Lease::due_at`]): a running one at its
//!   end, one that was abandoned while it was provisioned, one whose end was claimed and
//!   not finished, one that could not be ended and is to be tried again. What falls due
//!   within the look-ahead is ended inside this run, each at its own instant, so that a
//!   one-minute schedule ends leases to the second.
//! - **Every end is claimed** by a conditional write on the version that was read. A lease
//!   that was renewed or claimed elsewhere in the meantime is hands off.
//! - **Every container has a lease or is removed**, once it is older than
//!   [`ORPHAN_GRACE`], was seen without a lease by an earlier run, and its time is proven to
//!   be over: by a record that says, read consistently, that its lease has ended; or, where
//!   the table knows nothing of it, by the hard deadline in its labels, which no renewal can
//!   have passed. So a table that cannot be read removes nothing, and one that was emptied
//!   nothing before its time.
//! - **Every running lease has a container or is ended**: as lost where it vanished, as
//!   failed where its program ended by itself. Leases are read before containers, so a
//!   container that is missing was there when the lease was read, or has vanished since.
//! - One that cannot be ended never holds up another: each is ended in a task of its own,
//!   and only the engine's calls share a bound.
//!
//! Beside all that a run [delivers](crate::deliver) what owners are to be told.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use serde::Serialize;
use thiserror::Error;
use tokio::{
    sync::{Semaphore, SemaphorePermit, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    catalogue::Catalogue,
    deliver::{self, Deliverer, Deliveries},
    end::{self, ClaimError, EndOutcome, Tools},
    host::{Host, ManagedContainer},
    lease::{Lease, Reason, Receipt, State, StateName},
    names::{ContainerName, LeaseId, Owner},
    store::{Sighting, Store, StoreError},
    time::Time,
    webhook::Notification,
};

/// A container without a lease is left alone for this time: its record may be on its way
/// through the index.
pub const ORPHAN_GRACE: Duration = Duration::from_secs(60);

/// How long before the second sighting the first must have been, so that two runs at the
/// same moment do not count as two.
pub const BETWEEN_SIGHTINGS: Duration = Duration::from_secs(1);

/// How many ends may be at the engine at once. It ends most per second with 12 to 16, a few
/// in a hundred more than with 8; and each takes longer, the more there are.
const AT_THE_ENGINE: usize = 12;

/// How many ends may be claimed at once. It is more than are at the engine, so that the
/// engine need not wait for the table; and not many more, since a claim that waits for the
/// engine for long is taken over.
const TAKEN_ON: usize = 3 * AT_THE_ENGINE;

/// What the reaper works with; shared by the tasks of a run.
#[derive(Debug)]
pub struct Reaper {
    pub store: Arc<Store>,
    pub host: Arc<Host>,
    pub catalogue: Arc<Catalogue>,
    /// What owners are told by.
    pub deliverer: Deliverer,
    /// How long the record of an ended lease is kept.
    pub history: Duration,
    /// How long a lease may last, all renewals included: a container that is older and has no
    /// readable deadline is over too.
    pub longest_lease: Duration,
    /// How far ahead a run takes leases on.
    pub look_ahead: Duration,
    /// Once it is cancelled, ends that have begun are finished and no other is begun.
    pub stopping: CancellationToken,
}

/// What a run will do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Leases to end, the first due first.
    pub ends: Vec<PlannedEnd>,
    /// Containers to note as seen without a lease.
    pub sightings: Vec<ContainerName>,
    /// Containers to remove, if a consistent read or their labels prove that their time is
    /// over.
    pub orphans: Vec<ManagedContainer>,
    /// Sightings that are over: the container is gone, or has a lease after all.
    pub forgotten: Vec<ContainerName>,
}

/// A lease that a run will end.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedEnd {
    pub lease: Lease,
    pub reason: Reason,
    /// Not before.
    pub at: Time,
}

/// What a run has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Leases that this run set out to end.
    pub due: usize,
    /// Leases that it ended, by reason.
    pub expired: usize,
    pub deleted: usize,
    pub failed: usize,
    pub lost: usize,
    /// Leases that somebody else renewed, deleted or ended first.
    pub left_to_others: usize,
    /// Ends that could not be finished and will be tried again.
    pub attempts_failed: usize,
    /// Of these, leases that are quarantined.
    pub quarantined: usize,
    /// Leases that were in quarantine when this run began.
    pub in_quarantine: usize,
    /// Containers without a lease that were removed.
    pub orphans_removed: usize,
    /// Containers without a lease that could not be removed, or whose time is not proven to
    /// be over.
    pub orphans_left: usize,
    /// Ends whose instant lies beyond the time that this run had.
    pub left_to_next_run: usize,
    /// Whether the engine could not be listed, so that nothing was reconciled.
    pub engine_unseen: bool,
    /// Milliseconds from `expiresAt` to gone, of each lease that expired.
    pub overshoot_ms: Vec<i64>,
    /// What owners were told.
    pub deliveries: Deliveries,
}

/// How late leases were gone, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overshoot {
    pub p50: i64,
    pub p99: i64,
    pub max: i64,
}

/// Why a run did nothing at all.
#[derive(Debug, Error)]
pub enum CleanupError {
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One run of the reaper. It takes on what falls due until `now + look_ahead`, but nothing
/// later than `stop_at`, and returns when all that it took on is done.
pub async fn run(reaper: &Reaper, now: Time, stop_at: Time) -> Result<Report, CleanupError> {
    let until = now.plus(reaper.look_ahead).min(stop_at);
    let (announce, announced) = mpsc::unbounded_channel();
    // Neither waits for the other, until both are done.
    let (report, deliveries) = tokio::join!(
        end_and_reconcile(reaper, now, until, stop_at, announce),
        deliver::run(&reaper.deliverer, announced, until, stop_at),
    );
    Ok(Report {
        deliveries,
        ..report?
    })
}

/// A run, but for what owners are told. It announces what its own ends have for them, so that
/// they need not wait for the next run.
async fn end_and_reconcile(
    reaper: &Reaper,
    now: Time,
    until: Time,
    stop_at: Time,
    announce: mpsc::UnboundedSender<Notification>,
) -> Result<Report, CleanupError> {
    let leases = reaper.store.active().await?;
    let sightings = reaper.store.sightings().await?;
    let containers = match reaper.host.list().await {
        Ok(containers) => Some(containers),
        Err(error) => {
            tracing::warn!(%error, "could not list containers; nothing is reconciled");
            None
        }
    };
    let in_quarantine = leases
        .iter()
        .filter(|lease| lease.state_name() == StateName::Quarantined)
        .count();
    let plan = plan(leases, containers.as_deref(), &sightings, now, until);
    let report = Report {
        due: plan.ends.len(),
        in_quarantine,
        engine_unseen: containers.is_none(),
        ..Report::default()
    };
    Ok(apply(reaper, plan, report, now, stop_at, announce).await)
}

/// What is to be done at `now` about what falls due by `until`. `containers` are none when
/// the engine could not be listed; then nothing is said of what is there or is not.
pub fn plan(
    leases: Vec<Lease>,
    containers: Option<&[ManagedContainer]>,
    sightings: &[Sighting],
    now: Time,
    until: Time,
) -> Plan {
    let mut plan = Plan::default();
    if let Some(containers) = containers {
        plan_containers(&mut plan, &leases, containers, sightings, now);
    }
    let by_lease = containers.map(by_lease);
    for lease in leases {
        let of_lease = (&lease.owner, &lease.id);
        let container = by_lease.as_ref().map(|all| all.get(&of_lease).copied());
        if let Some((reason, at)) = end_of(&lease, container, now)
            && at <= until
        {
            plan.ends.push(PlannedEnd { lease, reason, at });
        }
    }
    plan.ends.sort_by_key(|end| end.at);
    plan
}

/// The containers by the lease that their labels name. Of several with one lease's labels, as
/// an image made from a leased container keeps them, one that runs stands for the lease.
fn by_lease(containers: &[ManagedContainer]) -> HashMap<(&Owner, &LeaseId), &ManagedContainer> {
    let mut by_lease = HashMap::new();
    for container in containers {
        if let Some((owner, id)) = &container.lease {
            let stands = by_lease.entry((owner, id)).or_insert(container);
            if stands.exited {
                *stands = container;
            }
        }
    }
    by_lease
}

/// Why and when the lease is to be ended. `container` is none when the engine could not be
/// listed, and `Some(None)` when it has no container for this lease.
fn end_of(
    lease: &Lease,
    container: Option<Option<&ManagedContainer>>,
    now: Time,
) -> Option<(Reason, Time)> {
    if lease.state == State::Running && !lease.is_expired(now) {
        match container {
            Some(None) => return Some((Reason::Lost, now)),
            Some(Some(container)) if container.exited => return Some((Reason::Failed, now)),
            Some(Some(_)) | None => {}
        }
    }
    Some((lease.reason_when_due()?, lease.due_at()?.max(now)))
}

fn plan_containers(
    plan: &mut Plan,
    leases: &[Lease],
    containers: &[ManagedContainer],
    sightings: &[Sighting],
    now: Time,
) {
    let leased: HashSet<(&Owner, &LeaseId)> = leases
        .iter()
        .map(|lease| (&lease.owner, &lease.id))
        .collect();
    let first_seen: HashMap<&ContainerName, Time> = sightings
        .iter()
        .map(|sighting| (&sighting.container, sighting.first_seen))
        .collect();
    let mut without_lease = HashSet::new();
    for container in containers {
        let has_lease = container
            .lease
            .as_ref()
            .is_some_and(|(owner, id)| leased.contains(&(owner, id)));
        if has_lease || now < container.created_at.plus(ORPHAN_GRACE) {
            continue;
        }
        without_lease.insert(&container.name);
        match first_seen.get(&container.name) {
            None => plan.sightings.push(container.name.clone()),
            Some(seen) if now >= seen.plus(BETWEEN_SIGHTINGS) => {
                plan.orphans.push(container.clone());
            }
            Some(_) => {}
        }
    }
    plan.forgotten = sightings
        .iter()
        .filter(|sighting| !without_lease.contains(&sighting.container))
        .map(|sighting| sighting.container.clone())
        .collect();
}

/// Carries `plan` of `now` out and adds to `report` what it did.
async fn apply(
    reaper: &Reaper,
    plan: Plan,
    mut report: Report,
    now: Time,
    stop_at: Time,
    announce: mpsc::UnboundedSender<Notification>,
) -> Report {
    let taken_on = Arc::new(Semaphore::new(TAKEN_ON));
    let at_the_engine = Arc::new(Semaphore::new(AT_THE_ENGINE));
    let mut tasks = JoinSet::new();
    for planned in plan.ends {
        let task = EndTask {
            store: Arc::clone(&reaper.store),
            host: Arc::clone(&reaper.host),
            catalogue: Arc::clone(&reaper.catalogue),
            history: reaper.history,
            taken_on: Arc::clone(&taken_on),
            at_the_engine: Arc::clone(&at_the_engine),
            stop_at,
            stopping: reaper.stopping.clone(),
            announce: announce.clone(),
        };
        tasks.spawn(task.run(planned));
    }
    // The tasks' own are left: deliveries wait for no more than these.
    drop(announce);
    let mut removals = JoinSet::new();
    for orphan in plan.orphans {
        let (store, host) = (Arc::clone(&reaper.store), Arc::clone(&reaper.host));
        let at_the_engine = Arc::clone(&at_the_engine);
        let over_at = over_at(&orphan, reaper.longest_lease);
        let stopping = reaper.stopping.clone();
        removals.spawn(async move {
            let _place = place_in(&at_the_engine).await;
            let removed = if stopping.is_cancelled() {
                Err("the process stops".to_owned())
            } else {
                remove_orphan(&store, &host, &orphan, over_at, now).await
            };
            (orphan, removed)
        });
    }
    for container in plan.sightings {
        tracing::info!(
            container = container.as_str(),
            "saw a container without a lease"
        );
        note(reaper.store.sighted(&container, Time::now()).await);
    }
    for container in plan.forgotten {
        note(reaper.store.forget(&container).await);
    }
    while let Some(removal) = removals.join_next().await {
        match removal {
            Ok((_, Ok(removed))) => report.orphans_removed += usize::from(removed),
            Ok((orphan, Err(problem))) => {
                report.orphans_left += 1;
                let container = orphan.name.as_str();
                tracing::warn!(container, problem, "left an orphan");
            }
            Err(error) => {
                report.orphans_left += 1;
                tracing::error!(%error, "a task of the reaper ended badly");
            }
        }
    }
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok(done) => report.count(done),
            // The claim of a task that panicked falls due again.
            Err(error) => {
                report.attempts_failed += 1;
                tracing::error!(%error, "a task of the reaper ended badly");
            }
        }
    }
    report
}

/// How one planned end went.
enum Done {
    Ended(Receipt),
    AttemptFailed { quarantined: bool },
    LeftToOthers,
    LeftToNextRun,
}

impl Report {
    /// Leases that this run ended, for whatever reason.
    pub fn ended(&self) -> usize {
        self.expired + self.deleted + self.failed + self.lost
    }

    /// How late the leases that expired were gone, in milliseconds; none where none did.
    pub fn overshoot(&self) -> Option<Overshoot> {
        let mut sorted = self.overshoot_ms.clone();
        sorted.sort_unstable();
        // Of few values the 99th percentile is the greatest.
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

    fn count(&mut self, done: Done) {
        match done {
            Done::Ended(receipt) => {
                match receipt.reason {
                    Reason::Expired => self.expired += 1,
                    Reason::Deleted => self.deleted += 1,
                    Reason::Lost => self.lost += 1,
                    Reason::Failed | Reason::Orphaned | Reason::Evicted => self.failed += 1,
                }
                self.overshoot_ms.extend(receipt.overshoot_ms);
            }
            Done::AttemptFailed { quarantined } => {
                self.attempts_failed += 1;
                self.quarantined += usize::from(quarantined);
            }
            Done::LeftToOthers => self.left_to_others += 1,
            Done::LeftToNextRun => self.left_to_next_run += 1,
        }
    }
}

impl fmt::Display for Report {
    /// What was more than nothing, in words: `2 due, 2 expired, at most 190 ms late`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.due, "due"),
            (self.expired, "expired"),
            (self.deleted, "deleted"),
            (self.failed, "failed"),
            (self.lost, "lost"),
            (self.left_to_others, "left to others"),
            (self.attempts_failed, "to be tried again"),
            (self.quarantined, "quarantined"),
            (self.in_quarantine, "in quarantine before"),
            (self.orphans_removed, "orphans removed"),
            (self.orphans_left, "orphans left"),
            (self.left_to_next_run, "left to the next run"),
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

/// All that one end needs, so that it can be a task of its own.
struct EndTask {
    store: Arc<Store>,
    host: Arc<Host>,
    catalogue: Arc<Catalogue>,
    history: Duration,
    taken_on: Arc<Semaphore>,
    at_the_engine: Arc<Semaphore>,
    stop_at: Time,
    stopping: CancellationToken,
    announce: mpsc::UnboundedSender<Notification>,
}

impl EndTask {
    async fn run(self, planned: PlannedEnd) -> Done {
        let id = planned.lease.id;
        if !slept_until(planned.at, &self.stopping).await {
            return Done::LeftToNextRun;
        }
        let _taken_on = place_in(&self.taken_on).await;
        if Time::now() >= self.stop_at || self.stopping.is_cancelled() {
            return Done::LeftToNextRun;
        }
        let claimed = match end::claim(&self.store, &planned.lease, planned.reason).await {
            Ok(claimed) => claimed,
            Err(ClaimError::SomebodyElse) => return Done::LeftToOthers,
            Err(ClaimError::Store(error)) => {
                tracing::warn!(lease = %id, %error, "could not claim a lease");
                return Done::AttemptFailed { quarantined: false };
            }
        };
        let tools = Tools {
            store: &self.store,
            host: &self.host,
            catalogue: &self.catalogue,
            history: self.history,
        };
        // While one end is with the table another is with the engine, which is never idle.
        let at_the_engine = place_in(&self.at_the_engine).await;
        let taken_down = end::take_down(tools, &claimed).await;
        drop(at_the_engine);
        match end::write_down(tools, &claimed, taken_down).await {
            Ok(EndOutcome::Ended(receipt)) => {
                tracing::info!(lease = %id, reason = ?receipt.reason, "ended a lease");
                if let Some(told) = Notification::ended(&claimed, receipt.removed_at) {
                    // Where nobody listens any more, the next run tells it.
                    drop(self.announce.send(told));
                }
                Done::Ended(receipt)
            }
            Ok(EndOutcome::TakenOver) => Done::LeftToOthers,
            Ok(EndOutcome::Failed { state, error }) => {
                tracing::warn!(lease = %id, %error, "could not end a lease; it is tried again");
                Done::AttemptFailed {
                    quarantined: state == StateName::Quarantined,
                }
            }
            Err(error) => {
                tracing::warn!(lease = %id, %error, "could not write how a lease ended");
                Done::AttemptFailed { quarantined: false }
            }
        }
    }
}

/// Sleeps until `at`, and says so; or returns false at once when the process stops.
pub(crate) async fn slept_until(at: Time, stopping: &CancellationToken) -> bool {
    // A clock that was set back while we slept must not make us early: look again.
    loop {
        let now = Time::now();
        if now >= at {
            return true;
        }
        tokio::select! {
            () = tokio::time::sleep(now.until(at)) => {}
            () = stopping.cancelled() => return false,
        }
    }
}

/// Waits for a place in a bound, which is held as long as the answer.
pub(crate) async fn place_in(bound: &Semaphore) -> SemaphorePermit<'_> {
    let place = bound.acquire().await;
    place.expect("the bounds of a run are never closed")
}

/// When the time of a container is over by what is written on it alone.
fn over_at(container: &ManagedContainer, longest_lease: Duration) -> Time {
    let by_age = container.created_at.plus(longest_lease);
    container.hard_deadline.unwrap_or(by_age)
}

/// Removes a container if the table says, read consistently, that its lease has ended; or if
/// the table has no record of it, and it is over at `over_at`. Returns whether it was removed.
async fn remove_orphan(
    store: &Store,
    host: &Host,
    orphan: &ManagedContainer,
    over_at: Time,
    now: Time,
) -> Result<bool, String> {
    let lease = match &orphan.lease {
        Some((owner, id)) => store.get(owner, id).await.map_err(|e| e.to_string())?,
        None => None,
    };
    match lease.map(|lease| lease.state_name()) {
        Some(StateName::Ended) => {}
        Some(_) => return Ok(false),
        // The record may have been lost, and its lease with it: nobody renews it any more.
        None if now >= over_at => {}
        None => {
            return Err(format!(
                "it has no record, and its time is over at {over_at}"
            ));
        }
    }
    let removed = host.remove(&orphan.name).await;
    removed.map_err(|error| error.to_string())?;
    tracing::warn!(
        container = orphan.name.as_str(),
        "removed a container without a lease"
    );
    note(store.forget(&orphan.name).await);
    Ok(true)
}

/// A sighting that was not written is written by a later run.
fn note(written: Result<(), StoreError>) {
    if let Err(error) = written {
        tracing::warn!(%error, "could not keep the sightings");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalogue::ImageType, lease::PROVISION_LIMIT};

    const NOW: Time = Time::from_millis(100_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    fn until() -> Time {
        NOW.plus(65 * SECOND)
    }

    /// A lease that was made five minutes ago and ends in five.
    fn lease() -> Lease {
        Lease {
            id: LeaseId::generate(),
            owner: Owner::local(),
            version: 2,
            image_type: ImageType::for_tests("redis"),
            name: None,
            labels: std::collections::BTreeMap::new(),
            created_at: NOW.minus(300 * SECOND),
            expires_at: NOW.plus(300 * SECOND),
            hard_deadline: NOW.plus(3_000 * SECOND),
            cpu_milli: 500,
            memory_mb: 256,
            amounts_counted: true,
            webhook: None,
            placement: None,
            state: State::Running,
        }
    }

    fn container(of: &Lease) -> ManagedContainer {
        ManagedContainer {
            name: ContainerName::listed_by_engine(&of.id.to_string().replace('-', "")).unwrap(),
            lease: Some((of.owner.clone(), of.id)),
            created_at: of.created_at,
            hard_deadline: Some(of.hard_deadline),
            exited: false,
        }
    }

    fn seen(container: &ManagedContainer, ago: Duration) -> Sighting {
        Sighting {
            container: container.name.clone(),
            first_seen: NOW.minus(ago),
        }
    }

    /// The one end that is planned for the lease, as reason and time.
    fn planned(lease: &Lease, containers: Option<&[ManagedContainer]>) -> Option<(Reason, Time)> {
        let plan = plan(vec![lease.clone()], containers, &[], NOW, until());
        assert!(plan.ends.len() <= 1);
        plan.ends.first().map(|end| (end.reason, end.at))
    }

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
    fn a_lease_is_ended_at_its_own_instant_within_the_look_ahead() {
        for (ends_in, expected) in [
            (-1_000, Some(NOW)),
            (0, Some(NOW)),
            (1, Some(Time::from_millis(NOW.as_millis() + 1))),
            (65_000, Some(until())),
            (65_001, None),
        ] {
            let lease = Lease {
                expires_at: Time::from_millis(NOW.as_millis() + ends_in),
                ..lease()
            };
            let expected = expected.map(|at| (Reason::Expired, at));
            assert_eq!(
                planned(&lease, Some(&[container(&lease)])),
                expected,
                "{ends_in}"
            );
            assert_eq!(planned(&lease, None), expected, "{ends_in}");
        }
    }

    #[test]
    fn ends_are_in_the_order_in_which_they_fall_due() {
        let due_in = |seconds: u32| Lease {
            expires_at: NOW.plus(seconds * SECOND),
            ..lease()
        };
        let leases = vec![due_in(30), due_in(3), due_in(20)];
        let plan = plan(leases, None, &[], NOW, until());
        assert!(plan.ends.is_sorted_by_key(|end| end.at));
        assert_eq!(plan.ends.len(), 3);
    }

    #[test]
    fn an_abandoned_provision_fails_and_a_young_one_is_left_alone() {
        let provisioning = |age: Duration| Lease {
            created_at: NOW.minus(age),
            state: State::Provisioning,
            ..lease()
        };
        let old = provisioning(PROVISION_LIMIT);
        assert_eq!(planned(&old, Some(&[])), Some((Reason::Failed, NOW)));
        let young = provisioning(5 * SECOND);
        let due = young.created_at.plus(PROVISION_LIMIT);
        assert_eq!(planned(&young, Some(&[])), Some((Reason::Failed, due)));
    }

    #[test]
    fn a_running_lease_without_a_container_is_lost() {
        assert_eq!(planned(&lease(), Some(&[])), Some((Reason::Lost, NOW)));
    }

    #[test]
    fn a_lease_whose_program_has_ended_has_failed() {
        let lease = lease();
        let exited = ManagedContainer {
            exited: true,
            ..container(&lease)
        };
        assert_eq!(
            planned(&lease, Some(&[exited])),
            Some((Reason::Failed, NOW))
        );
    }

    #[test]
    fn nothing_is_said_of_containers_that_could_not_be_listed() {
        let lease = lease();
        let sightings = [seen(&container(&lease), 90 * SECOND)];
        assert_eq!(
            plan(vec![lease], None, &sightings, NOW, until()),
            Plan::default()
        );
    }

    #[test]
    fn a_claim_that_was_not_finished_is_taken_over_when_it_falls_due() {
        let claimed = lease()
            .claimed(Reason::Deleted, NOW.minus(119 * SECOND))
            .unwrap();
        let due = NOW.plus(SECOND);
        assert_eq!(planned(&claimed, Some(&[])), Some((Reason::Deleted, due)));
        let fresh = lease().claimed(Reason::Deleted, NOW.minus(SECOND)).unwrap();
        assert_eq!(planned(&fresh, Some(&[])), None);
    }

    #[test]
    fn a_container_without_a_lease_is_first_noted_and_then_removed() {
        let orphan = container(&lease());
        let containers = [orphan.clone()];
        let first = plan(vec![], Some(&containers), &[], NOW, until());
        assert_eq!(first.sightings, std::slice::from_ref(&orphan.name));
        assert_eq!(first.orphans, []);
        let sightings = [seen(&orphan, 60 * SECOND)];
        let second = plan(vec![], Some(&containers), &sightings, NOW, until());
        assert_eq!(second.sightings, []);
        assert_eq!(second.orphans, containers);
        assert_eq!(second.forgotten, []);
    }

    #[test]
    fn two_runs_at_one_moment_are_one_sighting() {
        let orphan = container(&lease());
        let sightings = [seen(&orphan, Duration::ZERO)];
        let plan = plan(vec![], Some(&[orphan]), &sightings, NOW, until());
        assert_eq!(plan, Plan::default());
    }

    #[test]
    fn a_young_container_without_a_lease_is_left_alone() {
        let orphan = ManagedContainer {
            created_at: NOW.minus(59 * SECOND),
            ..container(&lease())
        };
        let plan = plan(vec![], Some(&[orphan]), &[], NOW, until());
        assert_eq!(plan, Plan::default());
    }

    #[test]
    fn a_sighting_is_forgotten_once_the_container_is_gone_or_leased() {
        let leased = lease();
        let with_lease = container(&leased);
        let gone = container(&lease());
        let sightings = [seen(&with_lease, 60 * SECOND), seen(&gone, 60 * SECOND)];
        let plan = plan(
            vec![leased],
            Some(std::slice::from_ref(&with_lease)),
            &sightings,
            NOW,
            until(),
        );
        assert_eq!(plan.forgotten, [with_lease.name, gone.name]);
        assert_eq!(plan.orphans, []);
    }

    #[test]
    fn a_container_whose_labels_make_no_sense_is_an_orphan() {
        let strange = ManagedContainer {
            lease: None,
            ..container(&lease())
        };
        let sightings = [seen(&strange, 60 * SECOND)];
        let plan = plan(vec![], Some(&[strange]), &sightings, NOW, until());
        assert_eq!(plan.orphans[0].lease, None);
        assert_eq!(plan.orphans.len(), 1);
    }

    #[test]
    fn a_container_says_itself_when_it_is_over_at_the_latest() {
        let ours = container(&lease());
        assert_eq!(over_at(&ours, SECOND), lease().hard_deadline);
        let strange = ManagedContainer {
            hard_deadline: None,
            ..ours
        };
        let oldest = strange.created_at.plus(60 * SECOND);
        assert_eq!(over_at(&strange, 60 * SECOND), oldest);
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

    #[test]
    fn another_owners_lease_is_no_lease_for_the_container() {
        let lease = lease();
        let mut crossed = container(&lease);
        crossed.lease = Some((Owner::try_from("other".to_owned()).unwrap(), lease.id));
        let plan = plan(vec![lease], Some(&[crossed]), &[], NOW, until());
        assert_eq!(plan.sightings.len(), 1);
    }
}
