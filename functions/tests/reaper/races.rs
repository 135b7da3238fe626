//! Simultaneous renewals, deletes, ends and ticks: no end is early, no end happens twice, and
//! nothing is left over.
//!
//! A race is a lease whose end is near, and the requests around that end, all drawn from a
//! seed. Many races share a table. Several reapers, each with its own clients as on Lambda,
//! handle all of them. The tests then compare what happened to each container with its record
//! and with the answers that its owner got.
//!
//! The seed fixes the requests and their times, but not the order of threads. To repeat a
//! failed seed, run it several times with
//! `CONTAINERLEASE_RACE_SEED=… cargo test -p containerlease-functions --test reaper races`.
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `CONTAINERLEASE_RACES` | [`RACES`] | races with the engine in memory |
//! | `CONTAINERLEASE_ENGINE_RACES` | [`ENGINE_RACES`] | races on the real engine |
//! | `CONTAINERLEASE_RACE_SEED` | random | the first batch's seed; each batch's is one more |

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use containerlease_domain::{
    capacity::{Amounts, Limits, Whose},
    lease::{CLAIM_LIMIT, Ending, Facts, Lease, PROVISION_LIMIT, Reason, State},
    names::{ContainerName, Deployment, Owner},
    time::Time,
};
use containerlease_service::{
    docker::Recipe,
    leasing::{
        delete::delete,
        renew::{RenewError, renew},
    },
    reaper::Report,
    store::Store,
};
use containerlease_testkit::{Engine, Place, Table, Watch};
use fastrand::Rng;
use futures_util::{StreamExt as _, future::join_all, stream};

use crate::{MINUTE, Process, SECOND, lease};

const RACES: usize = 1_000;
const ENGINE_RACES: usize = 60;

const MILLISECOND: Duration = Duration::from_millis(1);

/// How many races share a table.
const BATCH: usize = 250;

/// A race costs about this many writes of a lease. Ends are spaced by the measured time of
/// these writes, so that the machine is busy, but not every renewal comes too late.
const WRITES_PER_RACE: u32 = 8;

/// The in-memory engine takes up to twice this time for a call.
const LONGEST_PAUSE: Duration = Duration::from_millis(25);

/// The maximum number of ticks after the first ones.
const LATER_TICKS: usize = 20;

const OWNERS: usize = 10;
const PROCESSES: usize = 3;

/// A lease, and the requests around its end.
#[derive(Clone, Debug)]
struct Race {
    lease: Lease,
    kind: Kind,
    /// When it falls due, unless it is renewed.
    end: Time,
    /// When each renewal is requested, in milliseconds after the end, and for how long.
    renewals: Vec<(i64, Duration)>,
    /// When each delete is requested, in milliseconds after the end.
    deletes: Vec<i64>,
}

/// The kind of lease to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A lease whose time is over soon.
    Running,
    /// An end that a process claimed for this reason and did not finish.
    Claimed(Reason),
    /// A provision that was abandoned.
    Abandoned,
}

/// The answers that the lease's owner got.
#[derive(Clone, Debug, Default)]
struct Told {
    /// The ends that renewals granted.
    granted: Vec<Time>,
    /// When the first accepted delete was requested.
    deleted: Option<Time>,
}

/// What happened to the lease's container.
#[derive(Clone, Debug, Default)]
struct Happened {
    /// When its stop or removal was first requested.
    touched_at: Option<Time>,
    removed_at: Option<Time>,
    removals: usize,
    there: bool,
}

/// The result of all races, from the tables and the engines.
#[derive(Debug, Default)]
struct Tally {
    races: usize,
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
    wrong: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn races_with_the_engine_in_memory_end_nothing_early_nothing_twice_and_leave_nothing() {
    let (seed, replayed) = seed();
    say(&format!("the first seed is {seed}"));
    let default = if replayed { BATCH } else { RACES };
    let races = number("CONTAINERLEASE_RACES").unwrap_or(default);
    let begun = Instant::now();
    let mut tally = Tally::default();
    // This only measures how long a write takes.
    let leases: Vec<_> = (0..BATCH / 5).map(new_lease).collect();
    let mut write = write_all(&leases, &Table::in_memory().await.store()).await;
    let mut next_seed = seed;
    while tally.races < races || tally.wants_more(races) {
        let count = BATCH.min(races);
        write = batch_in_memory(next_seed, write, count, &mut tally).await;
        next_seed = next_seed.wrapping_add(1);
    }
    tally.conclude("with the engine in memory", seed, begun);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn races_on_the_engine_end_nothing_early_nothing_twice_and_leave_nothing() {
    let (seed, _) = seed();
    say(&format!("the first seed is {seed}"));
    let races = number("CONTAINERLEASE_ENGINE_RACES").unwrap_or(ENGINE_RACES);
    let begun = Instant::now();
    let mut tally = Tally::default();
    let mut next_seed = seed;
    while tally.races < races || tally.wants_more(races) {
        let count = ENGINE_RACES.min(races);
        batch_on_the_engine(next_seed, count, &mut tally).await;
        next_seed = next_seed.wrapping_add(1);
    }
    tally.conclude("on the engine", seed, begun);
}

/// The first seed, and whether the environment sets it.
fn seed() -> (u64, bool) {
    let named = number("CONTAINERLEASE_RACE_SEED");
    (
        named.unwrap_or_else(|| fastrand::u64(0..1_000_000_000)),
        named.is_some(),
    )
}

/// The number in a variable of the environment, if it is set.
fn number<N: std::str::FromStr>(variable: &str) -> Option<N> {
    #[expect(
        clippy::disallowed_methods,
        reason = "how much is raced, and how, is a setting of this test alone"
    )]
    let value = std::env::var(variable).ok()?;
    let number = value.parse().ok();
    assert!(number.is_some(), "{variable} is {value:?} and not a number");
    number
}

/// Runs some races with the in-memory engine. `write` is how long each of the last writes
/// took; the result is the time of each of these.
async fn batch_in_memory(seed: u64, write: Duration, count: usize, tally: &mut Tally) -> Duration {
    let mut random = Rng::with_seed(seed);
    let table = Table::in_memory().await;
    let engine = Engine::new(random.u64(..), LONGEST_PAUSE);
    let deployment: Deployment = "races".parse().expect("the name keeps to its bounds");
    let processes: Vec<_> = (0..PROCESSES)
        .map(|_| Process::new(&table, &engine.address(), &deployment))
        .collect();

    let begin = Time::now().plus(SECOND / 2 + 2 * write * length(count));
    let spread = WRITES_PER_RACE * write * length(count);
    let races: Vec<_> = (0..count)
        .map(|index| Race::draw(&mut random, new_lease(index), begin, spread))
        .collect();
    for race in &races {
        engine.run(&race.lease, &deployment);
    }
    let write = write_all(leases_of(&races), &table.store()).await;
    let (told, reports) = race(&races, &processes, &mut random, spread).await;

    let before = tally.wrong.len();
    let records = records(&races, &table.store()).await;
    for ((race, told), record) in races.iter().zip(&told).zip(&records) {
        let container = engine.of_lease(&race.lease.id);
        let happened = container.map_or_else(Happened::default, |container| Happened {
            touched_at: container.touched_at,
            removed_at: container.removed_at,
            removals: container.removals_asked,
            there: container.is_there(),
        });
        tally.judge(race, told, &happened, record);
    }
    let containers = engine.containers();
    let there = containers.iter().filter(|it| it.is_there()).count();
    tally.judge_reports(&races, &records, &reports);
    tally.judge_counts(there, &table.store()).await;
    tally.name_seed(before, seed, count);
    write
}

async fn batch_on_the_engine(seed: u64, count: usize, tally: &mut Tally) {
    let mut random = Rng::with_seed(seed);
    let table = Table::in_memory().await;
    let place = Place::new().await;
    let watch = Watch::new(&place);
    let processes: Vec<_> = (0..PROCESSES)
        .map(|_| Process::new(&table, place.engine(), place.deployment()))
        .collect();
    let leases: Vec<_> = (0..count).map(new_lease).collect();
    let host = &processes[0].host;
    let begun = Instant::now();
    stream::iter(&leases)
        .for_each_concurrent(4, async |lease| {
            let alpine = processes[0].catalogue.get("alpine");
            let image = alpine.expect("there is an alpine");
            let recipe = Recipe {
                image,
                command: image.command.as_deref(),
                env: &image.env,
                ports: &image.ports,
            };
            let made = host.create(lease, &recipe).await;
            made.expect("a container can be made");
            let started = host.start(&ContainerName::of_lease(&lease.id)).await;
            started.expect("a container can be started");
        })
        .await;

    // Ending a container takes the engine less time than starting one.
    let spread = begun.elapsed();
    let begin = Time::now().plus(SECOND + spread / 10);
    let races: Vec<_> = (leases.into_iter())
        .map(|lease| Race::draw(&mut random, lease, begin, spread))
        .collect();
    write_all(leases_of(&races), &table.store()).await;
    let (told, reports) = race(&races, &processes, &mut random, spread).await;

    let before = tally.wrong.len();
    let records = records(&races, &table.store()).await;
    let there = place.containers().await;
    let names: HashSet<_> = (there.into_iter())
        .flat_map(|container| container.names.unwrap_or_default())
        .collect();
    for ((race, told), record) in races.iter().zip(&told).zip(&records) {
        let id = &race.lease.id;
        let there = names.contains(&format!("/{}", ContainerName::of_lease(id).as_str()));
        // The engine may report an event a moment later.
        let mut seen = watch.of_lease(id);
        for _ in 0..100 {
            if there || seen.removals > 0 {
                break;
            }
            tokio::time::sleep(20 * MILLISECOND).await;
            seen = watch.of_lease(id);
        }
        let happened = Happened {
            touched_at: seen.touched_at,
            removed_at: seen.removed_at,
            removals: seen.removals,
            there,
        };
        tally.judge(race, told, &happened, record);
    }
    tally.judge_reports(&races, &records, &reports);
    tally.judge_counts(names.len(), &table.store()).await;
    tally.name_seed(before, seed, count);
}

/// Sends all requests at their times, and runs the reaper until nothing more falls due soon.
/// Returns the answers that each owner got, and the reaper's reports.
async fn race(
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

/// A lease whose times are not yet set.
fn new_lease(index: usize) -> Lease {
    lease(owner(index % OWNERS))
}

fn owner(index: usize) -> Owner {
    Owner::try_from(format!("owner-{index}")).expect("the name keeps to its bounds")
}

fn leases_of(races: &[Race]) -> impl ExactSizeIterator<Item = &Lease> {
    races.iter().map(|race| &race.lease)
}

/// Writes the leases, and returns how long each write took.
async fn write_all<'l>(
    leases: impl IntoIterator<Item = &'l Lease, IntoIter: ExactSizeIterator>,
    store: &Store,
) -> Duration {
    let begun = Instant::now();
    let leases = leases.into_iter();
    let count = length(leases.len());
    stream::iter(leases)
        .for_each_concurrent(8, async |lease| {
            let created = store.create(lease, &Limits::default(), None).await;
            created.expect("the lease can be written");
        })
        .await;
    begun.elapsed() / count
}

/// The leases after the races.
async fn records(races: &[Race], store: &Store) -> Vec<Lease> {
    let records = stream::iter(races).map(async |race| {
        let lease = store.get(&race.lease.owner, &race.lease.id).await;
        let lease = lease.expect("the table can be read");
        lease.expect("the record outlives the container")
    });
    records.buffered(8).collect().await
}

fn length(count: usize) -> u32 {
    u32::try_from(count).expect("a batch is small")
}

impl Race {
    fn draw(random: &mut Rng, lease: Lease, begin: Time, spread: Duration) -> Self {
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
    async fn ask(self, process: Process) -> Told {
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

#[expect(clippy::print_stdout, reason = "this is what the tests have to show")]
fn say(what: &str) {
    println!("{what}");
}

async fn wait_until(time: Time) {
    tokio::time::sleep(Time::now().until(time)).await;
}

impl Tally {
    /// Compares the lease's record with its owner's answers and with what happened to its
    /// container.
    fn judge(&mut self, race: &Race, told: &Told, happened: &Happened, lease: &Lease) {
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
    fn judge_reports(&mut self, races: &[Race], records: &[Lease], reports: &[Report]) {
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
    async fn judge_counts(&mut self, there: usize, store: &Store) {
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
    fn name_seed(&mut self, before: usize, seed: u64, count: usize) {
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
    fn wants_more(&self, races: usize) -> bool {
        !self.decides() && self.races < 4 * races
    }

    /// Prints the result of the races, and panics on any fault.
    fn conclude(mut self, where_: &str, seed: u64, begun: Instant) {
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
