//! The tickers: the one that runs the reaper, as EventBridge Scheduler does on AWS, and a
//! quicker one for what owners are to be told, which costs nothing here.

use std::{sync::Arc, time::Duration};

use containerlease_functions::cleanup;
use containerlease_shared::{cleanup::Reaper, time::Time};
use dynoxide::Database;
use tokio::{task::JoinSet, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// How often it is looked whether there is something to tell. What `DELETE` ends, and the
/// warning of a lease of a minute, so come without a wait for the reaper.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Runs the reaper at once and then every `tick`, until `ending` is cancelled; returns when
/// the runs that have begun are done. Runs may overlap, as they may on AWS.
pub(crate) async fn run(
    reaper: Reaper,
    metrics: Arc<Metrics>,
    database: Database,
    tick: Duration,
    ending: CancellationToken,
) {
    let reaper = Arc::new(reaper);
    let mut ticks = tokio::time::interval(tick);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut runs = JoinSet::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = looks.tick() => {
                let (reaper, metrics) = (Arc::clone(&reaper), Arc::clone(&metrics));
                runs.spawn(async move {
                    let until = Time::now().plus(LOOK_EVERY);
                    metrics.count_deliveries(cleanup::deliver(&reaper, until).await);
                });
                while runs.try_join_next().is_some() {}
                continue;
            }
            () = ending.cancelled() => break,
        }
        let (reaper, metrics) = (Arc::clone(&reaper), Arc::clone(&metrics));
        runs.spawn(async move {
            let cut_off = Time::now().plus(reaper.look_ahead + 2 * cleanup::MARGIN);
            // What went wrong is in the log already, and the next tick is the retry.
            let report = cleanup::handle(&reaper, cut_off).await.ok();
            metrics.count(report.as_ref(), reaper.host.certificate_expiry().await);
        });
        while runs.try_join_next().is_some() {}
        purge(database.clone()).await;
    }
    while runs.join_next().await.is_some() {}
}

/// Deletes the records whose time to live is over. DynamoDB does that by itself on AWS.
async fn purge(database: Database) {
    match tokio::task::spawn_blocking(move || database.sweep_ttl()).await {
        Ok(Ok(0)) => {}
        Ok(Ok(purged)) => tracing::info!(purged, "purged records of ended leases"),
        Ok(Err(error)) => tracing::warn!(%error, "could not purge records"),
        Err(error) => tracing::error!(%error, "the purge ended badly"),
    }
}
