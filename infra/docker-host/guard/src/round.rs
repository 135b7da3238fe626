//! One round: list, plan, end, report.

use std::time::Duration;

use containerlease_domain::{names::ContainerName, time::Time};
use futures_util::{StreamExt, stream};

use crate::{
    engine::{Engine, Fault, Removed},
    plan::{Overdue, Rules, plan},
};

/// Number of concurrent removals: the engine gets no faster with more.
const AT_ONCE: usize = 8;
/// How long a round may remove containers. The next round lists the rest again, and starts
/// with those that became due in the meantime.
const REMOVING_LIMIT: Duration = Duration::from_secs(25);

/// The report of a round.
#[derive(Debug)]
pub(crate) struct Report {
    /// Number of guarded containers.
    pub(crate) guarded: usize,
    pub(crate) ended: Vec<Ended>,
    pub(crate) failed: Vec<(Overdue, Fault)>,
    /// Number of overdue containers that the round had no time for.
    pub(crate) left: usize,
    /// Our containers whose deadline cannot be read.
    pub(crate) unreadable: Vec<ContainerName>,
    /// When the next one becomes overdue.
    pub(crate) next: Option<Time>,
}

/// A container that is gone.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) overdue: Overdue,
    pub(crate) removed: Removed,
    /// When it was found gone.
    pub(crate) at: Time,
}

/// Ends all overdue containers. The round fails only if the listing fails: one container
/// that cannot be removed never stops the others.
pub(crate) async fn run(engine: &Engine, rules: &Rules) -> Result<Report, Fault> {
    let containers = engine.list().await?;
    let plan = plan(rules, &containers, Time::now());
    let mut report = Report {
        guarded: plan.guarded,
        ended: Vec::new(),
        failed: Vec::new(),
        left: plan.end.len(),
        unreadable: plan.unreadable,
        next: plan.next,
    };
    let removals = plan.end.into_iter().map(async |overdue| {
        let removed = engine.remove(&overdue.name).await;
        (overdue, removed)
    });
    let mut removals = stream::iter(removals).buffer_unordered(AT_ONCE);
    let removing = async {
        while let Some((overdue, removed)) = removals.next().await {
            report.left -= 1;
            match removed {
                Ok(removed) => report.ended.push(Ended {
                    overdue,
                    removed,
                    at: Time::now(),
                }),
                Err(fault) => report.failed.push((overdue, fault)),
            }
        }
    };
    // The report is right even if the time ran out.
    drop(tokio::time::timeout(REMOVING_LIMIT, removing).await);
    Ok(report)
}

impl Report {
    /// Delay before the next round: until the next container is overdue, but at most
    /// `look_every`, because new containers may appear at any time.
    pub(crate) fn pause(&self, now: Time, look_every: Duration) -> Duration {
        if self.left > 0 {
            return Duration::ZERO;
        }
        self.next
            .map_or(look_every, |next| now.until(next).min(look_every))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_sleeps_until_the_next_deadline_but_never_long() {
        const EVERY: Duration = Duration::from_secs(15);
        let now = Time::from_millis(1_795_513_800_000);
        let after = |left, next: Option<u64>| {
            let report = Report {
                guarded: 0,
                ended: Vec::new(),
                failed: Vec::new(),
                left,
                unreadable: Vec::new(),
                next: next.map(|millis| now.plus(Duration::from_millis(millis))),
            };
            report.pause(now, EVERY)
        };
        assert_eq!(after(0, None), EVERY);
        assert_eq!(after(0, Some(60_000)), EVERY);
        assert_eq!(after(0, Some(1_234)), Duration::from_millis(1_234));
        assert_eq!(after(0, Some(0)), Duration::ZERO);
        assert_eq!(after(3, None), Duration::ZERO);
    }
}
