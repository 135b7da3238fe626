//! The schedule's target: one run of the reaper.

use std::{sync::Arc, time::Duration};

use containerlease_shared::{
    cleanup::{CleanupError, Reaper, Report, run},
    deliver::{self, Deliverer, Deliveries},
    lease::Lease,
    time::Time,
};

use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{app::App, view::Container};

/// A run stops taking work so long before it is cut off, so that an end that it has begun
/// can be finished.
pub const MARGIN: Duration = Duration::from_secs(20);

/// A reaper on the app's clients, until `stopping` is cancelled.
pub fn reaper(app: &App, look_ahead: Duration, stopping: CancellationToken) -> Reaper {
    Reaper {
        store: Arc::clone(&app.store),
        host: Arc::clone(&app.host),
        catalogue: Arc::clone(&app.catalogue),
        deliverer: Deliverer {
            store: Arc::clone(&app.store),
            courier: Arc::clone(&app.courier),
            show,
            history: app.policy.history,
            stopping: stopping.clone(),
        },
        history: app.policy.history,
        longest_lease: app.policy.longest_lease,
        look_ahead,
        stopping,
    }
}

/// Runs once, and leaves a line in the log. What the event says does not matter: the reaper
/// takes no input. `cut_off` is when the run will be stopped from outside.
pub async fn handle(reaper: &Reaper, cut_off: Time) -> Result<Report, CleanupError> {
    let report = run(reaper, Time::now(), cut_off.minus(MARGIN)).await;
    match &report {
        Ok(report) => log(report),
        Err(error) => tracing::error!(%error, "cleanup could not run"),
    }
    report
}

/// Delivers what falls due until `until`, for a machine that need not wait for the schedule
/// with that: what a lease of a minute has to tell may fall due between two runs.
pub async fn deliver(reaper: &Reaper, until: Time) -> Deliveries {
    let (_, nothing_announced) = mpsc::unbounded_channel();
    let stop_at = until.plus(MARGIN);
    deliver::run(&reaper.deliverer, nothing_announced, until, stop_at).await
}

/// A lease as a notification has it.
fn show(lease: &Lease) -> Value {
    serde_json::to_value(Container::from(lease)).expect("a view is made of texts and numbers")
}

fn log(report: &Report) {
    if report.is_idle() {
        tracing::debug!("cleanup ran: {report}");
        return;
    }
    let late = report.overshoot();
    tracing::info!(
        due = report.due,
        ended = report.ended(),
        failed = report.attempts_failed,
        quarantined = report.in_quarantine,
        orphaned = report.orphans_removed,
        lost = report.lost,
        delivered = report.deliveries.delivered,
        undelivered = report.deliveries.attempts_failed,
        overshoot_p50_ms = late.map(|late| late.p50),
        overshoot_p99_ms = late.map(|late| late.p99),
        overshoot_max_ms = late.map(|late| late.max),
        "cleanup ran: {report}"
    );
}
