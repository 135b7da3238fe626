//! Which containers are overdue, and when to look again: a pure function of the engine's
//! listing and of the time.

use std::{cmp::Reverse, time::Duration};

use containerlease_domain::{
    names::{ContainerName, Deployment},
    time::Time,
};

/// The host operator's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    /// The deployments whose containers are guarded; empty for all.
    pub(crate) deployments: Vec<Deployment>,
    /// How long after its hard deadline a container is left to the reaper.
    pub(crate) grace: Duration,
    /// Maximum age of a container whose deadline cannot be read; `None` for no limit.
    pub(crate) longest_lease: Option<Duration>,
}

/// A container, as the engine listed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Container {
    pub(crate) name: ContainerName,
    /// The label with the deployment's name.
    pub(crate) deployment: Option<String>,
    /// The label with the hard deadline.
    pub(crate) hard_deadline: Option<String>,
    pub(crate) created_at: Time,
}

/// What to do about the listed containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GuardPlan {
    /// The overdue containers, latest deadline first: one that cannot be removed must not
    /// delay the others.
    pub(crate) end: Vec<Overdue>,
    /// Our containers without a readable deadline. Without a maximum age they are left alone:
    /// nothing proves that they are overdue, we always write a readable label, and nobody can
    /// correct the label of a running container.
    pub(crate) unreadable: Vec<ContainerName>,
    /// Number of guarded containers, including overdue ones.
    pub(crate) guarded: usize,
    /// When the next one becomes overdue; `None` if no other has a deadline.
    pub(crate) next: Option<Time>,
}

/// A container that was not ended in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Overdue {
    pub(crate) name: ContainerName,
    pub(crate) deadline: Time,
}

/// A container is overdue when its deadline and the grace have passed:
/// `deadline + grace <= now`.
pub(crate) fn plan(rules: &Rules, containers: &[Container], now: Time) -> GuardPlan {
    let mut plan = GuardPlan {
        end: Vec::new(),
        unreadable: Vec::new(),
        guarded: 0,
        next: None,
    };
    for container in containers.iter().filter(|one| rules.guard(one)) {
        plan.guarded += 1;
        // Our host adapter wrote it in this format.
        let label = container.hard_deadline.as_deref();
        let readable = label.and_then(|label| label.parse::<Time>().ok());
        if readable.is_none() {
            plan.unreadable.push(container.name.clone());
        }
        let longest = || Some(container.created_at.plus(rules.longest_lease?));
        let Some(deadline) = readable.or_else(longest) else {
            continue;
        };
        let due = deadline.plus(rules.grace);
        if due <= now {
            plan.end.push(Overdue {
                name: container.name.clone(),
                deadline,
            });
        } else {
            plan.next = Some(plan.next.map_or(due, |next| next.min(due)));
        }
    }
    plan.end.sort_by_key(|overdue| Reverse(overdue.deadline));
    plan
}

impl Rules {
    /// Whether the container is ours to guard. The listing already filters for ours; check
    /// again, because a removal cannot be undone.
    fn guard(&self, container: &Container) -> bool {
        let deployment = container.deployment.as_deref().map(str::parse);
        let Some(Ok(deployment)) = deployment else {
            return false;
        };
        self.deployments.is_empty() || self.deployments.contains(&deployment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_millis(1_795_513_800_000);
    const GRACE: Duration = Duration::from_secs(20);

    fn rules() -> Rules {
        Rules {
            deployments: Vec::new(),
            grace: GRACE,
            longest_lease: None,
        }
    }

    fn container(name: &str, deadline: &(impl ToString + ?Sized)) -> Container {
        Container {
            name: named(name),
            deployment: Some("containerlease".to_owned()),
            hard_deadline: Some(deadline.to_string()),
            created_at: NOW.minus(Duration::from_secs(3_600)),
        }
    }

    fn named(name: &str) -> ContainerName {
        ContainerName::listed_by_engine(name).unwrap()
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn ended(plan: &GuardPlan) -> Vec<&str> {
        plan.end.iter().map(|one| one.name.as_str()).collect()
    }

    #[test]
    fn a_container_is_overdue_from_its_deadline_and_the_grace_on() {
        for (deadline, overdue) in [
            (NOW.minus(seconds(86_400)), true),
            (NOW.minus(GRACE), true),
            (NOW.minus(Duration::from_millis(19_999)), false),
            (NOW, false),
            (NOW.plus(seconds(86_400)), false),
        ] {
            let plan = plan(&rules(), &[container("a1", &deadline)], NOW);
            assert_eq!(!plan.end.is_empty(), overdue, "{deadline}");
            assert_eq!(plan.next, (!overdue).then(|| deadline.plus(GRACE)));
            assert_eq!(plan.guarded, 1);
        }
    }

    #[test]
    fn the_next_look_is_at_the_earliest_that_is_not_yet_overdue() {
        let containers = [
            container("a1", &NOW.plus(seconds(30))),
            container("a2", &NOW.plus(seconds(5))),
            container("a3", &NOW.minus(seconds(60))),
        ];
        let plan = plan(&rules(), &containers, NOW);
        assert_eq!(plan.next, Some(NOW.plus(seconds(5) + GRACE)));
        assert_eq!(ended(&plan), ["a3"]);
    }

    #[test]
    fn what_has_resisted_longest_is_tried_last() {
        let containers = [
            container("a1", &NOW.minus(seconds(600))),
            container("a2", &NOW.minus(seconds(60))),
            container("a3", &NOW.minus(seconds(6_000))),
        ];
        assert_eq!(ended(&plan(&rules(), &containers, NOW)), ["a2", "a1", "a3"]);
    }

    #[test]
    fn without_the_label_of_a_deployment_nothing_is_touched() {
        for deployment in [None, Some(""), Some("../x"), Some("Not A Name")] {
            let stranger = Container {
                deployment: deployment.map(str::to_owned),
                ..container("a1", &NOW.minus(seconds(600)))
            };
            let plan = plan(&rules(), &[stranger], NOW);
            assert_eq!((ended(&plan).len(), plan.guarded), (0, 0), "{deployment:?}");
        }
    }

    #[test]
    fn other_deployments_are_left_alone_where_some_are_named() {
        let only = |name: &str| Rules {
            deployments: vec!["prod".parse().unwrap(), name.parse().unwrap()],
            ..rules()
        };
        let containers = [container("a1", &NOW.minus(seconds(600)))];
        assert_eq!(
            ended(&plan(&only("containerlease"), &containers, NOW)),
            ["a1"]
        );
        assert!(plan(&only("dev"), &containers, NOW).end.is_empty());
    }

    #[test]
    fn a_deadline_that_cannot_be_read_ends_nothing_by_itself() {
        let never = Container {
            hard_deadline: None,
            ..container("a1", "")
        };
        let containers = [never, container("a2", ""), container("a3", "tomorrow")];
        let left = plan(&rules(), &containers, NOW);
        assert_eq!(ended(&left).len(), 0);
        assert_eq!(left.unreadable, ["a1", "a2", "a3"].map(named));
        assert_eq!(left.next, None);
    }

    #[test]
    fn with_a_longest_lease_it_is_judged_by_the_age() {
        let containers = [container("a1", "tomorrow")];
        let after = |longest| Rules {
            longest_lease: Some(seconds(longest)),
            ..rules()
        };
        let old = plan(&after(3_600 - 20), &containers, NOW);
        assert_eq!(ended(&old), ["a1"]);
        let young = plan(&after(3_600 - 19), &containers, NOW);
        assert_eq!(ended(&young).len(), 0);
        assert_eq!(young.next, Some(NOW.plus(seconds(1))));
        assert_eq!(young.unreadable.len(), 1);
        // It never shortens what a label grants.
        let granted = [container("a1", &NOW.plus(seconds(600)))];
        assert!(plan(&after(60), &granted, NOW).end.is_empty());
    }

    #[test]
    fn a_deadline_is_read_as_the_host_writes_it_and_as_rfc_3339_has_it() {
        // A moment before the deadline: how many were unreadable, and when to look again.
        let plan_of = |text: &str| {
            let containers = [Container {
                hard_deadline: Some(text.to_owned()),
                ..container("a1", &NOW)
            }];
            let plan = plan(&rules(), &containers, NOW.minus(seconds(1)));
            (plan.unreadable.len(), plan.next)
        };
        for text in [
            &NOW.to_string(),
            "2026-11-24T09:50:00Z",
            "2026-11-24T10:50:00+01:00",
        ] {
            assert_eq!(plan_of(text), (0, Some(NOW.plus(GRACE))), "{text}");
        }
        for text in ["", "2026-11-24", "1795513800", "2026-11-24T09:50:00"] {
            assert_eq!(plan_of(text), (1, None), "{text}");
        }
    }
}
