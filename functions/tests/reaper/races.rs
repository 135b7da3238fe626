//! Simultaneous renewals, deletes, ends and ticks: no end is early, no end happens twice, and
//! nothing is left over.
//!
//! A [`Race`] is a lease whose end is near, and the requests around that end, all drawn from a
//! seed. Many races share a table. Several reapers, each with its own clients as on Lambda,
//! handle all of them. The [`tally`] then compares what happened to each container with its record
//! and with the answers that its owner got. The engine is [`in_memory`], or a real one
//! ([`on_the_engine`]).
//!
//! The seed fixes the requests and their times, but not the order of threads. To repeat a
//! failed seed, run it several times with
//! `CONTAINERLEASE_RACE_SEED=… cargo test -p containerlease-functions --test reaper races`.
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `CONTAINERLEASE_RACES` | [`in_memory::RACES`] | races with the engine in memory |
//! | `CONTAINERLEASE_ENGINE_RACES` | [`on_the_engine::ENGINE_RACES`] | races on the real engine |
//! | `CONTAINERLEASE_RACE_SEED` | random | the first batch's seed; each batch's is one more |

mod in_memory;
mod on_the_engine;
mod race;
mod tally;

use std::time::{Duration, Instant};

use containerlease_domain::{capacity::Limits, lease::Lease, names::Owner};
use containerlease_service::store::Store;
use futures_util::{StreamExt as _, stream};

use self::race::Race;
use crate::lease;

const MILLISECOND: Duration = Duration::from_millis(1);

const OWNERS: usize = 10;
const PROCESSES: usize = 3;

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

#[expect(clippy::print_stdout, reason = "this is what the tests have to show")]
fn say(what: &str) {
    println!("{what}");
}
