//! The plan of a reaper run: as text for a reader, and as rules that hold for all leases,
//! containers and sightings.

use std::collections::HashSet;

use containerlease_domain::{
    container::{ManagedContainer, Sighting, Stopped},
    lease::{Lease, Reason, State},
    names::{ContainerName, Owner},
    plan::{BETWEEN_SIGHTINGS, ORPHAN_GRACE, Plan, plan},
    time::Time,
};
use insta::assert_snapshot;
use proptest::{collection::vec, prelude::*, sample::select};

use crate::{MINUTE, NOW, SECOND, ending, gone, lease, now};

fn until() -> Time {
    NOW.plus(65 * SECOND)
}

fn other() -> Owner {
    Owner::try_from("other".to_owned()).expect("the name keeps to its bounds")
}

fn container(name: &str, of: Option<&Lease>) -> ManagedContainer {
    ManagedContainer::sample(name, of, NOW.minus(5 * MINUTE))
}

fn sighting(of: &ManagedContainer, first_seen: Time) -> Sighting {
    Sighting {
        container: of.name.clone(),
        first_seen,
    }
}

/// The plan as text, one line per action, with times relative to [`NOW`].
fn printed(plan: &Plan) -> String {
    let ends = plan.ends.iter().map(|end| {
        let name = end.lease.name.as_deref().unwrap_or("?");
        let millis = end.at.millis_since(NOW);
        format!("at {millis:>6} ms  end {name}: {:?}", end.reason)
    });
    let noted = plan.sightings.iter();
    let noted = noted.map(|container| format!("note {}", container.as_str()));
    let orphans = plan.orphans.iter().map(|orphan| {
        let sure = match orphan.lease {
            Some(_) => ", if its lease has ended or its time is over",
            None => ", if its time is over",
        };
        format!("remove {}{sure}", orphan.name.as_str())
    });
    let forgotten = plan.forgotten.iter();
    let forgotten = forgotten.map(|container| format!("forget {}", container.as_str()));
    let lines: Vec<_> = ends.chain(noted).chain(orphans).chain(forgotten).collect();
    if lines.is_empty() {
        "nothing".to_owned()
    } else {
        lines.join("\n")
    }
}

#[test]
fn a_quiet_minute() {
    let lease = lease("redis");
    let there = [container("01", Some(&lease))];
    let plan = plan(vec![lease], Some(&there), &[], NOW, until());
    assert_snapshot!(printed(&plan), @"nothing");
}

#[test]
fn a_minute_with_a_copy_of_a_leased_container() {
    // An image made from a leased container keeps its labels, and so does a container of it.
    let lease = lease("redis");
    let copy = ManagedContainer {
        stopped: Some(Stopped::sample(Some(0))),
        ..container("02", Some(&lease))
    };
    let original = container("01", Some(&lease));
    for there in [[original.clone(), copy.clone()], [copy, original]] {
        let plan = plan(vec![lease.clone()], Some(&there), &[], NOW, until());
        assert_eq!(printed(&plan), "nothing");
    }
}

#[test]
fn a_minute_with_a_container_that_names_another_owner() {
    let lease = lease("redis");
    let crossed = ManagedContainer {
        lease: Some((other(), lease.id)),
        ..container("01", None)
    };
    let plan = plan(vec![lease], Some(&[crossed]), &[], NOW, until());
    assert_snapshot!(printed(&plan), @"
    at      0 ms  end redis: Lost
    note 01
    ");
}

#[test]
fn a_minute_in_which_everything_happens() {
    let with = |name: &str, state: State| Lease {
        state,
        ..lease(name)
    };
    let ends_in = |name: &str, millis| Lease {
        expires_at: now(millis),
        ..lease(name)
    };
    let leases = [
        lease("lives on"),
        ends_in("ends next minute", 65_001),
        ends_in("ends with the window", 65_000),
        ends_in("ends in a moment", 1),
        ends_in("ends now", 0),
        ends_in("should have ended", -10_000),
        Lease {
            created_at: NOW.minus(5 * SECOND),
            ..with("is being provisioned", State::Provisioning)
        },
        with("was abandoned", State::Provisioning),
        with(
            "is being deleted",
            State::Ending(ending(Reason::Deleted, now(100_000))),
        ),
        with(
            "is tried again",
            State::Ending(ending(Reason::Deleted, now(7_500))),
        ),
        with(
            "is stuck",
            State::Quarantined(ending(Reason::Expired, now(-1))),
        ),
        lease("vanished"),
        lease("died"),
    ];
    let mut there: Vec<_> = (leases.iter().zip(1..))
        .filter(|(lease, _)| lease.name.as_deref() != Some("vanished"))
        .map(|(lease, number)| container(&format!("{number:02}"), Some(lease)))
        .collect();
    let died = Some(Stopped::sample(Some(1)));
    there.last_mut().expect("there are some").stopped = died;
    let of_no_lease = lease("was never written");
    let strays = [
        container("a0", Some(&of_no_lease)),
        container("a1", Some(&of_no_lease)),
        container("a2", None),
        ManagedContainer {
            created_at: now(-59_999),
            ..container("a3", Some(&of_no_lease))
        },
    ];
    let sightings = [
        sighting(&strays[1], now(-60_000)),
        sighting(&strays[2], now(-60_000)),
        sighting(&there[0], now(-60_000)),
        sighting(&container("af", None), now(-60_000)),
    ];
    there.extend(strays);
    let plan = plan(leases.into(), Some(&there), &sightings, NOW, until());
    assert_snapshot!(printed(&plan), @"
    at      0 ms  end ends now: Expired
    at      0 ms  end should have ended: Expired
    at      0 ms  end was abandoned: Failed
    at      0 ms  end is stuck: Expired
    at      0 ms  end vanished: Lost
    at      0 ms  end died: Failed
    at      1 ms  end ends in a moment: Expired
    at   7500 ms  end is tried again: Deleted
    at  30000 ms  end is being provisioned: Failed
    at  65000 ms  end ends with the window: Expired
    note a0
    remove a1, if its lease has ended or its time is over
    remove a2, if its time is over
    forget 01
    forget af
    ");
}

#[test]
fn a_minute_in_which_the_engine_cannot_be_listed() {
    let due = Lease {
        expires_at: now(20_000),
        ..lease("ends soon")
    };
    let strange = container("a0", None);
    let seen = [sighting(&strange, now(-60_000))];
    let plan = plan(vec![lease("vanished?"), due], None, &seen, NOW, until());
    assert_snapshot!(printed(&plan), @"at  20000 ms  end ends soon: Expired");
}

#[test]
fn a_strange_container_from_its_making_to_its_end() {
    let strange = container("a0", Some(&lease("was never written")));
    let mut sightings = vec![];
    let mut story = vec![];
    for seconds in [0, 60, 120, 180] {
        let tick = strange.created_at.plus(seconds * SECOND);
        let there = if seconds < 180 {
            vec![strange.clone()]
        } else {
            vec![]
        };
        let plan = plan(
            vec![],
            Some(&there),
            &sightings,
            tick,
            tick.plus(65 * SECOND),
        );
        story.push(format!("{seconds} s: {}", printed(&plan)));
        sightings.extend(plan.sightings.iter().map(|_| sighting(&strange, tick)));
    }
    assert_snapshot!(story.join("\n"), @"
    0 s: nothing
    60 s: note a0
    120 s: remove a0, if its lease has ended or its time is over
    180 s: forget a0
    ");
}

#[test]
fn a_lease_that_leaps_into_the_next_window_is_ended_in_that() {
    let mut lease = Lease {
        expires_at: now(30_000),
        ..lease("renewed")
    };
    let there = [container("01", Some(&lease))];
    let mut story = vec![];
    for minute in 0..2_u32 {
        let tick = NOW.plus(minute * MINUTE);
        let plan = plan(
            vec![lease.clone()],
            Some(&there),
            &[],
            tick,
            tick.plus(65 * SECOND),
        );
        story.push(printed(&plan));
        if minute == 0 {
            let renewed = lease.renewed_until(MINUTE, now(29_999));
            lease = lease.renewed(renewed.expect("it lives for a millisecond"));
        }
    }
    assert_snapshot!(story.join("\n"), @"
    at  30000 ms  end renewed: Expired
    at  89999 ms  end renewed: Expired
    ");
}

/// A time near [`NOW`], often exactly at the boundary of a rule.
fn instant() -> impl Strategy<Value = Time> {
    let turning = [
        0, 1, 999, 1_000, 1_001, 35_000, 59_999, 60_000, 60_001, 65_000, 65_001, 120_000, 300_000,
    ];
    let turning = select(turning.to_vec());
    (
        prop_oneof![2 => turning, 1 => 0..400_000_i64],
        any::<bool>(),
    )
        .prop_map(|(millis, past)| now(if past { -millis } else { millis }))
}

fn any_lease() -> impl Strategy<Value = Lease> {
    (0..6_u8, instant(), instant(), instant()).prop_map(|(state, created, expires, next)| {
        let base = Lease {
            created_at: created.min(expires),
            expires_at: expires,
            ..lease("any")
        };
        let state = match state {
            0 | 1 => State::Running,
            2 => State::Provisioning,
            3 => State::Ending(ending(Reason::Deleted, next)),
            4 => State::Quarantined(ending(Reason::Expired, next)),
            _ => {
                let claimed = base.claimed(Reason::Deleted, next);
                let ended = claimed.and_then(|claimed| claimed.ended(&gone(next)));
                ended.expect("a claimed lease can end").state
            }
        };
        Lease { state, ..base }
    })
}

/// A container, the lease that its labels name, if any, and whether they name another owner.
fn any_container() -> impl Strategy<Value = (Option<usize>, bool, Time, Option<Option<i64>>)> {
    let lease = prop_oneof![3 => (0..5_usize).prop_map(Some), 1 => Just(None)];
    let crossed = prop::bool::weighted(0.1);
    let exit_code = prop_oneof![Just(None), Just(Some(0)), Just(Some(1))];
    let stopped = prop::option::weighted(0.3, exit_code);
    (lease, crossed, instant(), stopped)
}

/// The state that a run finds.
#[derive(Clone, Debug)]
struct World {
    leases: Vec<Lease>,
    containers: Vec<ManagedContainer>,
    sightings: Vec<Sighting>,
}

fn any_world() -> impl Strategy<Value = World> {
    let seen = vec((0..12_usize, instant()), 0..6);
    let parts = (vec(any_lease(), 0..5), vec(any_container(), 0..10), seen);
    parts.prop_map(|(leases, containers, seen)| {
        let containers: Vec<_> = (containers.into_iter().enumerate())
            .map(|(index, (of, crossed, created_at, exit_code))| {
                let of = of.map(|of| leases.get(of).cloned().unwrap_or_else(|| lease("gone")));
                let of = of.map(|lease| Lease {
                    owner: if crossed {
                        other()
                    } else {
                        lease.owner.clone()
                    },
                    ..lease
                });
                ManagedContainer {
                    created_at,
                    stopped: exit_code.map(Stopped::sample),
                    ..container(&format!("{index:02x}"), of.as_ref())
                }
            })
            .collect();
        let mut known = HashSet::new();
        let sightings = (seen.into_iter())
            .filter(|(index, _)| known.insert(*index))
            .map(|(index, at)| sighting(&container(&format!("{index:02x}"), None), at));
        World {
            sightings: sightings.collect(),
            leases,
            containers,
        }
    })
}

impl World {
    fn plan(&self, listed: bool) -> Plan {
        let containers = listed.then_some(self.containers.as_slice());
        plan(
            self.leases.clone(),
            containers,
            &self.sightings,
            NOW,
            until(),
        )
    }

    fn containers_of<'w>(&'w self, lease: &'w Lease) -> impl Iterator<Item = &'w ManagedContainer> {
        let is_its = |it: &&ManagedContainer| {
            let its = it.lease.as_ref();
            its.is_some_and(|(owner, id)| (owner, id) == (&lease.owner, &lease.id))
        };
        self.containers.iter().filter(is_its)
    }

    /// The lease that the container's labels name, if it exists.
    fn is_leased(&self, container: &ManagedContainer) -> bool {
        let mut leases = self.leases.iter();
        leases.any(|lease| {
            self.containers_of(lease)
                .any(|it| it.name == container.name)
        })
    }

    fn container(&self, name: &ContainerName) -> Option<&ManagedContainer> {
        self.containers.iter().find(|it| it.name == *name)
    }

    fn seen(&self, name: &ContainerName) -> Option<Time> {
        let mut sightings = self.sightings.iter();
        let found = sightings.find(|sighting| sighting.container == *name);
        found.map(|sighting| sighting.first_seen)
    }
}

proptest! {
    #![proptest_config(crate::many())]

    #[test]
    fn ends_are_in_their_order_in_the_window_and_each_lease_has_one(
        world in any_world(),
        listed: bool,
    ) {
        let plan = world.plan(listed);
        prop_assert!(plan.ends.is_sorted_by_key(|end| end.at));
        prop_assert!(plan.ends.iter().all(|end| NOW <= end.at && end.at <= until()));
        let ids: HashSet<_> = plan.ends.iter().map(|end| end.lease.id).collect();
        prop_assert_eq!(ids.len(), plan.ends.len());
    }

    #[test]
    fn what_falls_due_in_the_window_is_ended_and_not_before(world in any_world(), listed: bool) {
        let plan = world.plan(listed);
        for lease in &world.leases {
            let end = plan.ends.iter().find(|end| end.lease.id == lease.id);
            let due = lease.due_at().filter(|due| *due <= until());
            prop_assert!(due.is_none() || end.is_some(), "{lease:?} is forgotten");
            if let Some(end) = end {
                // Only a container that is missing or has stopped can end it earlier.
                let early = [Reason::Lost, Reason::Completed, Reason::Failed]
                    .contains(&end.reason)
                    && lease.state == State::Running;
                prop_assert!(early || Some(end.at) == due.map(|due| due.max(NOW)), "{end:?}");
            }
        }
    }

    #[test]
    fn a_lease_that_runs_and_has_time_left_is_left_alone(world in any_world(), listed: bool) {
        let plan = world.plan(listed);
        for lease in &world.leases {
            let runs = world.containers_of(lease).any(|container| container.stopped.is_none());
            if lease.state == State::Running && !lease.is_expired(NOW) && (runs || !listed) {
                let end = plan.ends.iter().find(|end| end.lease.id == lease.id);
                let ended_early = end.is_some_and(|end| {
                    end.at < lease.expires_at || end.reason != Reason::Expired
                });
                prop_assert!(!ended_early, "{end:?}");
            }
        }
    }

    #[test]
    fn a_running_lease_without_its_own_running_container_is_ended_now(world in any_world()) {
        let plan = world.plan(true);
        for lease in &world.leases {
            let runs = world.containers_of(lease).any(|container| container.stopped.is_none());
            if lease.state == State::Running && !lease.is_expired(NOW) && !runs {
                let end = plan.ends.iter().find(|end| end.lease.id == lease.id);
                let mut reasons: Vec<_> = world
                    .containers_of(lease)
                    .filter_map(|container| container.stopped)
                    .map(|stopped| Reason::of_exit(stopped.exit_code))
                    .collect();
                if reasons.is_empty() {
                    reasons.push(Reason::Lost);
                }
                prop_assert_eq!(end.map(|end| end.at), Some(NOW));
                prop_assert!(end.is_some_and(|end| reasons.contains(&end.reason)), "{end:?}");
            }
        }
    }

    #[test]
    fn without_a_list_of_containers_nothing_is_said_of_them(world in any_world()) {
        let plan = world.plan(false);
        prop_assert!(plan.ends.iter().all(|end| end.reason != Reason::Lost));
        prop_assert_eq!(
            (plan.sightings, plan.orphans, plan.forgotten),
            (vec![], vec![], vec![])
        );
    }

    #[test]
    fn an_orphan_is_old_was_seen_before_and_has_no_lease(world in any_world()) {
        let plan = world.plan(true);
        for orphan in &plan.orphans {
            let container = world.container(&orphan.name).expect("it was listed");
            let seen = world.seen(&orphan.name).expect("it was seen before");
            prop_assert!(NOW >= seen.plus(BETWEEN_SIGHTINGS), "{orphan:?}");
            prop_assert!(NOW >= container.created_at.plus(ORPHAN_GRACE), "{orphan:?}");
            prop_assert!(!world.is_leased(container), "{orphan:?}");
            prop_assert_eq!(orphan, container);
        }
    }

    #[test]
    fn every_container_has_a_lease_or_is_on_its_way_out(world in any_world()) {
        let plan = world.plan(true);
        for container in &world.containers {
            let orphan = plan.orphans.iter().any(|it| it.name == container.name);
            let noted = plan.sightings.contains(&container.name);
            let waits = world.seen(&container.name).is_some() && !orphan;
            let old = NOW >= container.created_at.plus(ORPHAN_GRACE);
            let strange = old && !world.is_leased(container);
            prop_assert_eq!(orphan || noted || (waits && strange), strange, "{:?}", container);
            prop_assert!(!(orphan && noted), "{container:?}");
            prop_assert!(!noted || world.seen(&container.name).is_none(), "{container:?}");
            let forgotten = plan.forgotten.contains(&container.name);
            prop_assert_eq!(forgotten, waits && !strange, "{:?}", container);
        }
        for sighting in &world.sightings {
            let there = world.container(&sighting.container).is_some();
            prop_assert!(there || plan.forgotten.contains(&sighting.container), "{sighting:?}");
        }
    }

    #[test]
    fn of_two_ticks_a_minute_apart_one_takes_each_end_at_its_own_instant(expires in 0..125_000_i64) {
        let lease = Lease { expires_at: now(expires), ..lease("any") };
        let there = [container("01", Some(&lease))];
        let at = [NOW, NOW.plus(MINUTE)].map(|tick| {
            let until = tick.plus(65 * SECOND);
            let plan = plan(vec![lease.clone()], Some(&there), &[], tick, until);
            plan.ends.first().map(|end| end.at)
        });
        prop_assert!(at.contains(&Some(lease.expires_at)), "{at:?}");
        prop_assert!(at.iter().flatten().all(|at| *at >= lease.expires_at), "{at:?}");
    }
}
