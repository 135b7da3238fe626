//! Now and then a run counts anew what owners hold and what the host holds.

use std::collections::HashSet;

use super::Reaper;
use crate::{lease::Lease, names::Owner, store::Recount, time::Time};

/// How often it is done, in minutes. The runs of one minute do it, and those of the others do
/// not, so that nothing needs to be kept of it.
const EVERY_MINUTES: i64 = 10;

/// How many owners are counted in such a run, at most.
const OWNERS: usize = 100;

/// Whether a run that begins at `now` counts anew.
pub(super) fn is_time(now: Time) -> bool {
    (now.as_millis().div_euclid(60_000)) % EVERY_MINUTES == 0
}

/// Counts anew what the owners of these leases hold, and what the host holds. Gives how many
/// counts were wrong. It goes on until `stop_at` at the latest.
pub async fn recount(reaper: &Reaper, leases: &[Lease], stop_at: Time) -> usize {
    let owners: HashSet<_> = leases.iter().map(|lease| &lease.owner).collect();
    let mut owners: Vec<_> = owners.into_iter().cloned().collect();
    // Of very many, each run counts others.
    fastrand::shuffle(&mut owners);
    owners.truncate(OWNERS);
    let counting = reaper.store.recount_by_index(&owners, reaper.index_lag);
    let wait = Time::now().until(stop_at);
    let counted = match tokio::time::timeout(wait, counting).await {
        Ok(Ok(counted)) => counted,
        Ok(Err(error)) => {
            tracing::warn!(%error, "could not count anew");
            return 0;
        }
        Err(_) => return 0,
    };
    let mut mended = 0;
    for (owner, recount) in counted {
        let whose = owner.as_ref().map_or("the host", Owner::as_str);
        match recount {
            Recount::Right => {}
            Recount::Mended { was, is } => {
                tracing::warn!(whose, ?was, ?is, "mended a count that was wrong");
                mended += 1;
            }
            Recount::Unsettled => tracing::debug!(whose, "a count could not be counted anew"),
        }
    }
    mended
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_minute_in_ten_counts_anew() {
        let hour =
            (0..60).map(|minute| Time::from_millis(0).plus(Duration::from_secs(60 * minute)));
        assert_eq!(hour.filter(|now| is_time(*now)).count(), 6);
    }
}
