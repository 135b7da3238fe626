//! Periodic recounts of what owners and the host hold.

use std::collections::HashSet;

use containerlease_domain::{lease::Lease, names::Owner, time::Time};

use super::Reaper;
use crate::store::Recount;

/// How often runs recount, in minutes. The minute of the run decides, so that nothing needs to be
/// stored.
const EVERY_MINUTES: i64 = 10;

/// Maximum number of owners recounted per run.
const OWNERS: usize = 100;

/// Whether a run that begins at `now` recounts.
pub(super) fn is_time(now: Time) -> bool {
    (now.as_millis().div_euclid(60_000)) % EVERY_MINUTES == 0
}

/// Recounts what the owners of these leases and the host hold. Returns how many counts were wrong.
/// Stops at `stop_at` at the latest.
pub async fn recount(reaper: &Reaper, leases: &[Lease], stop_at: Time) -> usize {
    let owners: HashSet<_> = leases.iter().map(|lease| &lease.owner).collect();
    let mut owners: Vec<_> = owners.into_iter().cloned().collect();
    // Random order, so that each run recounts others if there are too many.
    fastrand::shuffle(&mut owners);
    owners.truncate(OWNERS);
    let counting = reaper.store.recount_by_index(&owners, reaper.index_lag);
    let wait = Time::now().until(stop_at);
    let counted = match tokio::time::timeout(wait, counting).await {
        Ok(Ok(counted)) => counted,
        Ok(Err(error)) => {
            tracing::warn!(%error, "could not recount");
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
            Recount::Unsettled => tracing::debug!(whose, "a count could not be recounted"),
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
