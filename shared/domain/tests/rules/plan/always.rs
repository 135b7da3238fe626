//! Rules that hold for all leases, containers and sightings.

use std::collections::HashSet;

use containerlease_domain::{
    container::{ManagedContainer, Sighting, Stopped},
    lease::{Lease, Reason, State},
    names::ContainerName,
    plan::{BETWEEN_SIGHTINGS, ORPHAN_GRACE, Plan, plan},
    time::Time,
};
use proptest::{collection::vec, prelude::*, sample::select};

use super::{container, other, sighting, until};
use crate::{MINUTE, NOW, SECOND, ending, gone, lease, now};

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
