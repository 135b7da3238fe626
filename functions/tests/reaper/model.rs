//! A walk through every state and every event: every state accepts a delete, and none is a
//! dead end.
//!
//! A [`Spot`] has everything that decides what can happen to a lease next. The walk begins at
//! the start of a provision. From each spot it lets each [`ModelEvent`] happen once, with the
//! product's own verbs on an embedded table and an in-memory engine, and notes the resulting
//! spot. When no new spot turns up, the map is complete, and the tests check the promises on
//! it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use containerlease_domain::{
    capacity::{Amounts, Limits, Whose},
    lease::{
        self, ATTEMPTS_BEFORE_QUARANTINE, CLAIM_LIMIT, Gone, Lease, PROVISION_LIMIT, Placement,
        Reason, State, StateName, backoff,
    },
    names::{Deployment, Owner},
    time::Time,
};
use containerlease_service::{
    leasing::{delete::delete, renew::renew},
    store::{ChangeError, Store},
};
use containerlease_testkit::{
    Engine, Table,
    engine::{Container, Status},
};
use futures_util::{StreamExt as _, stream};

use crate::{MINUTE, Process, lease};

/// The most attempts that the model counts; more make no difference.
const MOST_ATTEMPTS: u32 = ATTEMPTS_BEFORE_QUARANTINE + 1;

/// How many spots are explored at once.
const AT_ONCE: usize = 4;

/// Everything that decides what can happen to a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Spot {
    /// The state as a number, in the order of [`StateName::ALL`].
    state: usize,
    attempts: u32,
    container: There,
    due: bool,
}

/// The state of the lease's container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum There {
    Nothing,
    Running,
    Exited,
}

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

/// Writes the lease, and adds it to its owner's count.
async fn put(store: &Store, lease: &Lease) {
    let counted = Lease {
        state: State::Running,
        amounts_counted: true,
        ..lease.clone()
    };
    if lease.state_name() == StateName::Ended {
        // Only an end takes it off the count again.
        let running = Lease {
            version: counted.version - 2,
            ..counted
        };
        let created = store.create(&running, &Limits::default(), None).await;
        created.expect("it can be written");
        let claimed = store.claim(&running, Reason::Deleted, Time::now()).await;
        let claimed = claimed.expect("it can be claimed");
        let ended = store.end(&claimed, &gone(), MINUTE).await;
        ended.expect("it can be ended");
    } else {
        let created = store.create(lease, &Limits::default(), None).await;
        created.expect("it can be written");
    }
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

impl Spot {
    fn state(self) -> StateName {
        StateName::ALL[self.state]
    }

    fn of(lease: &Lease, container: Option<&Container>) -> Self {
        let state = StateName::ALL.iter();
        let mut numbered = state.enumerate();
        let found = numbered.find(|(_, name)| **name == lease.state_name());
        let (state, _) = found.expect("all states are among all states");
        let attempts = match &lease.state {
            State::Ending(ending) | State::Quarantined(ending) => ending.attempts,
            _ => 0,
        };
        Self {
            state,
            attempts: attempts.min(MOST_ATTEMPTS),
            container: match container.map(|container| container.status) {
                None | Some(Status::Gone) => There::Nothing,
                Some(Status::Running) => There::Running,
                Some(_) => There::Exited,
            },
            due: lease.due_at().is_some_and(|due| due <= Time::now()),
        }
    }

    /// A lease in this spot, made by the lease's own methods.
    fn lease(self) -> Lease {
        let now = Time::now();
        let running = Lease {
            version: 20,
            ..lease(Owner::local())
        };
        let provisioning = Lease {
            state: State::Provisioning,
            ..running.clone()
        };
        let made = match self.state() {
            StateName::Provisioning => provisioning,
            StateName::Running => provisioning.started(placement()),
            StateName::Ending => claimed(&running, self.attempts, now),
            StateName::Quarantined => {
                // As after the claim for another attempt, or after that attempt's failure.
                let given_up = claimed(&running, ATTEMPTS_BEFORE_QUARANTINE, now);
                let given_up = given_up.attempt_failed(now, 1.0).expect("it is ending");
                if self.attempts > ATTEMPTS_BEFORE_QUARANTINE {
                    given_up
                        .claimed(Reason::Deleted, now)
                        .expect("it is ending")
                } else {
                    given_up
                }
            }
            StateName::Ended => {
                let ending = claimed(&running, 1, now);
                ending.ended(&gone()).expect("it is ending")
            }
        };
        match made.due_at() {
            Some(due_at) if self.due => earlier(made, now.until(due_at)),
            _ => made,
        }
    }
}

/// The lease after that many attempts, the last of them claimed and not finished.
fn claimed(lease: &Lease, attempts: u32, now: Time) -> Lease {
    let mut claimed = lease.claimed(Reason::Deleted, now).expect("it is alive");
    for _ in 1..attempts {
        let failed = claimed.attempt_failed(now, 1.0).expect("it is ending");
        claimed = failed.claimed(Reason::Deleted, now).expect("it is ending");
    }
    claimed
}

/// The lease as it is after that time has passed.
fn earlier(mut lease: Lease, by: Duration) -> Lease {
    for time in [
        &mut lease.created_at,
        &mut lease.expires_at,
        &mut lease.hard_deadline,
    ] {
        *time = time.minus(by);
    }
    if let State::Ending(ending) | State::Quarantined(ending) = &mut lease.state {
        ending.requested_at = ending.requested_at.minus(by);
        ending.next_attempt_at = ending.next_attempt_at.minus(by);
    }
    lease
}

fn placement() -> Placement {
    Placement {
        container: None,
        started_at: Time::now(),
        image: "alpine:3".to_owned(),
        stand_in: false,
        ports: vec![],
        credentials: None,
    }
}

fn gone() -> Gone {
    Gone::at(Time::now())
}

#[tokio::test]
async fn the_table_takes_what_the_transitions_have_and_from_who_has_read_it_last() {
    let table = Table::in_memory().await;
    let store = table.store();
    for state in StateName::ALL {
        for event in [
            lease::LeaseEvent::Started,
            lease::LeaseEvent::Renewed,
            lease::LeaseEvent::Moved,
            lease::LeaseEvent::Claimed,
            lease::LeaseEvent::Held,
            lease::LeaseEvent::Released,
            lease::LeaseEvent::AttemptFailed,
            lease::LeaseEvent::Postponed,
            lease::LeaseEvent::GivenUp,
            lease::LeaseEvent::Removed,
        ] {
            for stale in [false, true] {
                let what = format!("{state:?}, {event:?}, stale: {stale}");
                let spot = Spot {
                    state: (StateName::ALL.iter().position(|it| *it == state)).expect("it is one"),
                    attempts: match event {
                        lease::LeaseEvent::GivenUp => ATTEMPTS_BEFORE_QUARANTINE,
                        _ => 1,
                    },
                    container: There::Nothing,
                    due: false,
                };
                let lease = Lease {
                    owner: Owner::try_from(what.clone()).expect("it is short"),
                    ..spot.lease()
                };
                put(&store, &lease).await;
                let read = store.get(&lease.owner, &lease.id).await;
                let lying = read.expect("the table can be read").expect("it is there");
                let read = Lease {
                    version: lying.version - u64::from(stale),
                    ..lying.clone()
                };
                let now = Time::now();
                let written = match event {
                    lease::LeaseEvent::Started => store.start(&read, placement()).await,
                    lease::LeaseEvent::Renewed => {
                        store.renew(&read, read.expires_at.plus(MINUTE), now).await
                    }
                    lease::LeaseEvent::Moved => store.move_ports(&read, vec![]).await,
                    lease::LeaseEvent::Claimed => store.claim(&read, Reason::Deleted, now).await,
                    lease::LeaseEvent::Held => store.hold(&read, None, now).await,
                    lease::LeaseEvent::Released => store.release(&read, now).await,
                    lease::LeaseEvent::Postponed => store.postpone(&read, now).await,
                    lease::LeaseEvent::AttemptFailed | lease::LeaseEvent::GivenUp => {
                        store.attempt_failed(&read, now, 0.5).await
                    }
                    lease::LeaseEvent::Removed => store.end(&read, &gone(), MINUTE).await,
                };
                let after = store.get(&lease.owner, &lease.id).await;
                let after = after.expect("the table can be read").expect("it is there");
                // In quarantine failed attempts lead to the same spot, whatever their number.
                let event = match (state, event) {
                    (StateName::Quarantined, lease::LeaseEvent::GivenUp) => {
                        lease::LeaseEvent::AttemptFailed
                    }
                    _ => event,
                };
                if let Some(to) = state.after(event).filter(|_| !stale) {
                    assert_eq!(after.state_name(), to, "{what}");
                    assert_eq!(after.version, lying.version + 1, "{what}");
                    assert_eq!(written.expect("it was written"), after, "{what}");
                } else {
                    let refused = matches!(written, Err(ChangeError::Changed(_)));
                    assert!(refused, "{what}: {written:?}");
                    assert_eq!(after, lying, "{what}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_table_itself_refuses_a_renewal_too_late_and_an_end_too_early() {
    let table = Table::in_memory().await;
    let store = table.store();
    for (from_the_end, over) in [(-1, false), (0, true), (1, true)] {
        let lease = Lease {
            owner: Owner::try_from(format!("at {from_the_end}")).expect("it is short"),
            ..lease(Owner::local())
        };
        let created = store.create(&lease, &Limits::default(), None).await;
        created.expect("it can be written");
        let now = Time::from_millis(lease.expires_at.as_millis() + from_the_end);
        let later = lease.expires_at.plus(MINUTE);
        if over {
            let renewed = store.renew(&lease, later, now).await;
            let refused = matches!(renewed, Err(ChangeError::Changed(_)));
            assert!(
                refused,
                "renewed {from_the_end} ms from its end: {renewed:?}"
            );
            let claimed = store.claim(&lease, Reason::Expired, now).await;
            claimed.expect("one whose time is over can be ended");
        } else {
            let claimed = store.claim(&lease, Reason::Expired, now).await;
            let refused = matches!(claimed, Err(ChangeError::Changed(_)));
            assert!(refused, "ended {from_the_end} ms from its end: {claimed:?}");
            let renewed = store.renew(&lease, later, now).await;
            renewed.expect("one that lives can be renewed");
        }
    }
}
