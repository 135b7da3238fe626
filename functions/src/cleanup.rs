//! The schedule's target: one run of the reaper.

use std::{sync::Arc, time::Duration};

use containerlease_shared::{
    cleanup::{CleanupError, Reaper, Report, run},
    time::Time,
};

use tokio_util::sync::CancellationToken;

use crate::app::App;

/// A run stops taking work so long before it is cut off, so that an end that it has begun
/// can be finished.
pub const MARGIN: Duration = Duration::from_secs(20);

/// A reaper on the app's clients, until `stopping` is cancelled.
pub fn reaper(app: &App, look_ahead: Duration, stopping: CancellationToken) -> Reaper {
    Reaper {
        store: Arc::clone(&app.store),
        host: Arc::clone(&app.host),
        catalogue: Arc::clone(&app.catalogue),
        history: app.policy.history,
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
        overshoot_p50_ms = late.map(|late| late.p50),
        overshoot_p99_ms = late.map(|late| late.p99),
        overshoot_max_ms = late.map(|late| late.max),
        "cleanup ran: {report}"
    );
}
