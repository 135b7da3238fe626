//! The tickers: one runs the reaper, as EventBridge Scheduler does on AWS; a faster one handles due
//! work, which costs nothing here.

use std::{sync::Arc, time::Duration};

use containerlease_domain::{clock, time::Time};
use containerlease_functions::jobs::cleanup;
use containerlease_service::reaper::Reaper;
use tokio::{task::JoinSet, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// How often to look for due work. So leases end and notifications leave on time, however seldom
/// the reaper runs.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How far ahead a look sees, so that the next one makes up for one that is late or fails.
const LOOK_AHEAD: Duration = Duration::from_secs(5);

/// The smallest clock change that is logged, in milliseconds.
const SAID_FROM: u64 = 1_000;

/// Runs the reaper at once and then every `tick`, and looks for due work in between unless looking
/// ahead is off, until `ending` is cancelled; returns when the started runs are done. Runs may
/// overlap, as on AWS.
pub(crate) async fn run(
    reaper: Arc<Reaper>,
    metrics: Arc<Metrics>,
    tick: Duration,
    ending: CancellationToken,
) {
    let mut ticks = tokio::time::interval(tick);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut runs = JoinSet::new();
    let mut said_ahead = 0;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = looks.tick() => {
                said_ahead = say_that_the_clock_was_set(said_ahead);
                let (reaper, metrics) = (Arc::clone(&reaper), Arc::clone(&metrics));
                runs.spawn(async move {
                    let until = Time::now().plus(LOOK_AHEAD);
                    if reaper.look_ahead.is_zero() {
                        metrics.count_deliveries(cleanup::deliver(&reaper, until).await);
                    } else if let Ok(report) = cleanup::look(&reaper, until).await {
                        // The error is logged already; the next look is the retry.
                        metrics.count_done(&report);
                    }
                });
                while runs.try_join_next().is_some() {}
                continue;
            }
            () = ending.cancelled() => break,
        }
        let (reaper, metrics) = (Arc::clone(&reaper), Arc::clone(&metrics));
        runs.spawn(async move {
            let cut_off = Time::now().plus(reaper.look_ahead + 2 * cleanup::MARGIN);
            // The error is logged already; the next tick is the retry.
            let report = cleanup::handle(&reaper, cut_off).await.ok();
            metrics.count(report.as_ref(), reaper.host.certificate_expiry().await);
        });
        while runs.try_join_next().is_some() {}
    }
    while runs.join_next().await.is_some() {}
}

/// Logs how far the system's clock is ahead, if that has changed; returns the value last logged.
fn say_that_the_clock_was_set(said_ahead: i64) -> i64 {
    let ahead = clock::wall_ahead_millis();
    if ahead.abs_diff(said_ahead) < SAID_FROM {
        return said_ahead;
    }
    tracing::warn!(
        ahead_ms = ahead,
        "the system's clock was changed: leases go by elapsed time until this server restarts"
    );
    ahead
}
