//! A walk through every state and every event: every state accepts a delete, and none is a
//! dead end.
//!
//! The walk begins at the start of a provision. From each [`Spot`] it lets each [`ModelEvent`]
//! happen once, with the product's own verbs on an embedded table and an in-memory engine, and
//! notes the resulting spot. When no new spot turns up, the map is complete, and the test checks
//! the promises on it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use containerlease_domain::{
    capacity::{Amounts, Whose},
    lease::{self, CLAIM_LIMIT, Lease, PROVISION_LIMIT, Reason, State, StateName, backoff},
    names::Deployment,
    time::Time,
};
use containerlease_service::{
    leasing::{delete::delete, renew::renew},
    store::Store,
};
use containerlease_testkit::{Engine, Table};
use futures_util::{StreamExt as _, stream};

use super::{Spot, There, placement, put};
use crate::{MINUTE, Process};

/// How many spots are explored at once.
const AT_ONCE: usize = 4;

/// An event that can happen to a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ModelEvent {
    /// The pending provision creates its container.
    ContainerStarts,
    /// The pending provision records that the container runs.
    Started,
    Renew,
    Delete,
    /// A delete, while the engine fails to remove containers.
    DeleteInVain,
    /// A process claims the end and dies.
    ClaimAndDie,
    Tick,
    /// A tick, while the engine fails to remove containers.
    TickInVain,
    /// The program ends by itself.
    Exit,
    /// A stranger removes the container.
    Vanish,
    /// Time passes until it falls due.
    Wait,
}

const EVENTS: [ModelEvent; 11] = [
    ModelEvent::ContainerStarts,
    ModelEvent::Started,
    ModelEvent::Renew,
    ModelEvent::Delete,
    ModelEvent::DeleteInVain,
    ModelEvent::ClaimAndDie,
    ModelEvent::Tick,
    ModelEvent::TickInVain,
    ModelEvent::Exit,
    ModelEvent::Vanish,
    ModelEvent::Wait,
];

type Map = BTreeMap<(Spot, ModelEvent), Spot>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_is_accepted_everywhere_and_nothing_is_a_dead_end() {
    let (spots, map) = walk().await;
    #[expect(clippy::print_stdout, reason = "this is what the test has to show")]
    {
        println!("{} spots, {} events walked", spots.len(), map.len());
    }
    for state in StateName::ALL {
        let seen = spots.iter().any(|spot| spot.state() == state);
        assert!(seen, "the walk never came to {state:?}");
    }
    let after = |spot: Spot, event| map[&(spot, event)];
    for &spot in &spots {
        // Whatever processes have died, a reaper that runs each minute ends every lease by the
        // second tick that finds it due.
        let mut now = spot;
        for _ in 0..2 {
            now = after(after(now, ModelEvent::Wait), ModelEvent::Tick);
        }
        assert_eq!(now.state(), StateName::Ended, "ticks alone, from {spot:?}");
        assert_eq!(now.container, There::Nothing, "ticks alone, from {spot:?}");

        // However often attempts fail, another follows.
        let failed = after(after(spot, ModelEvent::Wait), ModelEvent::TickInVain);
        assert!(spots.contains(&failed), "{failed:?}");

        let deleted = after(spot, ModelEvent::Delete);
        if spot.state() == StateName::Provisioning || spot.state() == StateName::Running {
            assert_eq!(deleted.state(), StateName::Ended, "deleted from {spot:?}");
            assert_eq!(deleted.container, There::Nothing, "deleted from {spot:?}");
        }
        let in_vain = after(spot, ModelEvent::DeleteInVain);
        assert!(in_vain.state >= spot.state, "{spot:?} became {in_vain:?}");

        // No reaper touches a running lease that has time left.
        let lives = spot.state() == StateName::Running && !spot.due;
        if lives && spot.container == There::Running {
            assert_eq!(after(spot, ModelEvent::Tick), spot);
            assert_eq!(after(spot, ModelEvent::TickInVain), spot);
        }
        // An end is final.
        if spot.state() == StateName::Ended {
            for event in EVENTS {
                assert_eq!(after(spot, event), spot, "{event:?}");
            }
        }
    }
}

/// All reachable spots, and where each event leads from each.
async fn walk() -> (BTreeSet<Spot>, Map) {
    let beginning = Spot {
        state: 0,
        attempts: 0,
        container: There::Nothing,
        due: false,
    };
    let mut spots = BTreeSet::from([beginning]);
    let mut map = Map::new();
    let mut open = VecDeque::from([beginning]);
    while !open.is_empty() {
        let found: Vec<_> = stream::iter(open.drain(..))
            .flat_map(|spot| stream::iter(EVENTS.map(|event| (spot, event))))
            .map(|(spot, event)| async move {
                let task = tokio::spawn(happen(spot, event));
                (spot, event, task.await.expect("what happens is allowed"))
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        for (spot, event, to) in found {
            map.insert((spot, event), to);
            if spots.insert(to) {
                open.push_back(to);
            }
        }
    }
    (spots, map)
}

/// Lets the event happen to a lease in that spot, and returns the lease's new spot.
async fn happen(spot: Spot, event: ModelEvent) -> Spot {
    let table = Table::in_memory().await;
    let engine = Engine::new(0, Duration::ZERO);
    let deployment: Deployment = "model".parse().expect("the name keeps to its bounds");
    let process = Process::new(&table, &engine.address(), &deployment);
    let before = spot.lease();
    put(&process.store, &before).await;
    if spot.container != There::Nothing {
        engine.run(&before, &deployment);
    }
    if spot.container == There::Exited {
        engine.exit(&before.id, 3);
    }
    let (owner, id) = (&before.owner, &before.id);
    let vain = matches!(event, ModelEvent::DeleteInVain | ModelEvent::TickInVain);
    engine.refuse_removals(vain);
    match event {
        ModelEvent::ContainerStarts => {
            if spot.state() == StateName::Provisioning && spot.container == There::Nothing {
                engine.run(&before, &deployment);
            }
        }
        ModelEvent::Started => drop(process.store.start(&before, placement()).await),
        ModelEvent::Renew => drop(renew(&process.store, owner, id, 20 * MINUTE).await),
        ModelEvent::Delete | ModelEvent::DeleteInVain => {
            let deleted = delete(process.deps(), owner, id).await;
            deleted.unwrap_or_else(|error| panic!("a delete is refused in {spot:?}: {error}"));
        }
        ModelEvent::ClaimAndDie => {
            let now = Time::now();
            drop(process.store.claim(&before, Reason::Deleted, now).await);
        }
        ModelEvent::Tick | ModelEvent::TickInVain => {
            drop(process.clone().reap(Duration::ZERO).await);
        }
        ModelEvent::Exit => engine.exit(id, 3),
        ModelEvent::Vanish => engine.vanish(id),
        ModelEvent::Wait => {
            if let Some(due_at) = before.due_at() {
                table.age(Time::now().until(due_at)).await;
            }
        }
    }
    let what = format!("{spot:?}, {event:?}");
    let after = process.store.get(owner, id).await;
    let after = after
        .expect("the table can be read")
        .expect("the record stays");
    check(&what, &before, &after, &process.store).await;
    Spot::of(&after, engine.of_lease(id).as_ref())
}

/// Asserts what holds for every record.
async fn check(what: &str, before: &Lease, after: &Lease, store: &Store) {
    let now = Time::now();
    let ended = after.state_name() == StateName::Ended;
    assert_eq!(after.due_at().is_none(), ended, "{what}: {after:?}");
    if let Some(due_at) = after.due_at() {
        let latest = match after.state {
            State::Provisioning => after.created_at.plus(PROVISION_LIMIT),
            State::Running => after.hard_deadline,
            _ => now.plus(CLAIM_LIMIT.max(backoff(u32::MAX, 1.0))),
        };
        assert!(due_at <= latest, "{what}: {after:?}");
    }
    let mut to = BTreeSet::from([before.state_name().as_str()]);
    loop {
        let further: Vec<_> = (lease::TRANSITIONS.iter())
            .filter(|(from, ..)| to.contains(from.as_str()))
            .map(|(.., to)| to.as_str())
            .collect();
        let known = to.len();
        to.extend(further);
        if to.len() == known {
            break;
        }
    }
    let name = after.state_name().as_str();
    assert!(to.contains(name), "{what}: the table has no way to {name}");
    assert!(after.expires_at <= after.hard_deadline, "{what}: {after:?}");
    let active = store.active().await.expect("the table can be read");
    assert_eq!(active.items.len(), usize::from(!ended), "{what}: the index");
    let expected = if ended {
        Amounts::default()
    } else {
        Whose::Owner.counts(before)
    };
    assert_eq!(after.amounts_counted, !ended, "{what}: {after:?}");
    let counted = store.counted(&after.owner).await;
    let counted = counted.expect("the table can be read");
    assert_eq!(counted, expected, "{what}: what the owner holds");
    let counted = store.counted_on_host().await;
    let counted = counted.expect("the table can be read");
    assert_eq!(counted, expected, "{what}: what the host holds");
}
