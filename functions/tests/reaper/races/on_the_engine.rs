//! Races on the real engine.

use std::{collections::HashSet, time::Instant};

use containerlease_domain::{names::ContainerName, time::Time};
use containerlease_service::docker::Recipe;
use containerlease_testkit::{Place, Table, Watch};
use fastrand::Rng;
use futures_util::{StreamExt as _, stream};

use super::{
    MILLISECOND, PROCESSES, leases_of, new_lease, number,
    race::{Race, race},
    records, say, seed,
    tally::{Happened, Tally},
    write_all,
};
use crate::{Process, SECOND};

const ENGINE_RACES: usize = 60;

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
