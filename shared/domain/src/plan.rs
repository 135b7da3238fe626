//! What a run will do, by pure rules.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use crate::{
    container::{ManagedContainer, Sighting},
    lease::{Lease, Reason, State},
    names::{ContainerName, LeaseId, Owner},
    time::Time,
};

/// Grace for a container without a lease: its record may not have reached the index yet.
pub const ORPHAN_GRACE: Duration = Duration::from_secs(60);

/// Least time between two sightings, so that two simultaneous runs do not count as two.
pub const BETWEEN_SIGHTINGS: Duration = Duration::from_secs(1);

/// What a run will do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Leases to end, those due first come first.
    pub ends: Vec<PlannedEnd>,
    /// Containers to record as seen without a lease.
    pub sightings: Vec<ContainerName>,
    /// Containers to remove, if a consistent read or their labels prove their time over.
    pub orphans: Vec<ManagedContainer>,
    /// Sightings to forget: the container is gone, or has a lease after all.
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

/// What to do at `now` about everything due by `until`. `containers` is none if the engine could
/// not be listed; then the plan assumes nothing about which containers exist.
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

/// The containers by the lease that their labels name. Several may carry one lease's labels, since
/// an image made from a leased container keeps them; then a running one stands for the lease.
fn by_lease(containers: &[ManagedContainer]) -> HashMap<(&Owner, &LeaseId), &ManagedContainer> {
    let mut by_lease = HashMap::new();
    for container in containers {
        if let Some((owner, id)) = &container.lease {
            let stands = by_lease.entry((owner, id)).or_insert(container);
            if stands.stopped.is_some() {
                *stands = container;
            }
        }
    }
    by_lease
}

/// Why and when to end the lease. `container` is none if the engine could not be listed, and
/// `Some(None)` if it has no container for this lease.
fn end_of(
    lease: &Lease,
    container: Option<Option<&ManagedContainer>>,
    now: Time,
) -> Option<(Reason, Time)> {
    if lease.state == State::Running && !lease.is_expired(now) {
        match container {
            Some(None) => return Some((Reason::Lost, now)),
            Some(Some(container)) => {
                if let Some(stopped) = &container.stopped {
                    return Some((Reason::of_exit(stopped.exit_code), now));
                }
            }
            None => {}
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        container::Stopped,
        lease::{CLAIM_LIMIT, PROVISION_LIMIT},
    };

    const NOW: Time = Time::from_millis(100_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    fn until() -> Time {
        NOW.plus(65 * SECOND)
    }

    /// A lease that was made five minutes ago and ends in five.
    fn lease() -> Lease {
        Lease {
            version: 2,
            expires_at: NOW.plus(300 * SECOND),
            hard_deadline: NOW.plus(3_000 * SECOND),
            ..Lease::sample("redis", NOW.minus(300 * SECOND))
        }
    }

    fn container(of: &Lease) -> ManagedContainer {
        let name = of.id.to_string().replace('-', "");
        ManagedContainer::sample(&name, Some(of), of.created_at)
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
    fn a_lease_whose_program_has_ended_has_completed_or_failed() {
        let lease = lease();
        for (exit_code, reason) in [
            (Some(0), Reason::Completed),
            (Some(1), Reason::Failed),
            (Some(137), Reason::Failed),
            (None, Reason::Failed),
        ] {
            let exited = ManagedContainer {
                stopped: Some(Stopped::sample(exit_code)),
                ..container(&lease)
            };
            assert_eq!(planned(&lease, Some(&[exited])), Some((reason, NOW)));
        }
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
            .claimed(Reason::Deleted, NOW.plus(SECOND).minus(CLAIM_LIMIT))
            .unwrap();
        let due = NOW.plus(SECOND);
        assert_eq!(planned(&claimed, Some(&[])), Some((Reason::Deleted, due)));
        // Its holder is alive and has just shown it.
        let held = claimed.held(None, NOW).unwrap();
        let due = NOW.plus(CLAIM_LIMIT);
        assert_eq!(planned(&held, Some(&[])), Some((Reason::Deleted, due)));
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
    fn another_owners_lease_is_no_lease_for_the_container() {
        let lease = lease();
        let mut crossed = container(&lease);
        crossed.lease = Some((Owner::try_from("other".to_owned()).unwrap(), lease.id));
        let plan = plan(vec![lease], Some(&[crossed]), &[], NOW, until());
        assert_eq!(plan.sightings.len(), 1);
    }
}
