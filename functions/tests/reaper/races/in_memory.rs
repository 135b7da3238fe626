//! Races with the engine in memory, which takes many more of them.

use std::time::{Duration, Instant};

use containerlease_domain::{names::Deployment, time::Time};
use containerlease_testkit::{Engine, Table};
use fastrand::Rng;

use super::{
    PROCESSES, leases_of, length, new_lease, number,
    race::{Race, race},
    records, say, seed,
    tally::{Happened, Tally},
    write_all,
};
use crate::{Process, SECOND};

const RACES: usize = 1_000;

/// How many races share a table.
const BATCH: usize = 250;

/// A race costs about this many writes of a lease. Ends are spaced by the measured time of
/// these writes, so that the machine is busy, but not every renewal comes too late.
const WRITES_PER_RACE: u32 = 8;

/// The in-memory engine takes up to twice this time for a call.
const LONGEST_PAUSE: Duration = Duration::from_millis(25);

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
