//! The schedule's target: one run of the reaper.

use std::{sync::Arc, time::Duration};

use containerlease_domain::{lease::Lease, time::Time};
use containerlease_service::{
    notify::deliver::{self, Deliverer, Deliveries},
    reaper::{CleanupError, Reaper, Report, run},
};

use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{app::App, http::view::Container};

/// How long before its cut-off a run stops taking work: longer than the
/// [longest end](containerlease_service::reaper::longest_end) or delivery.
pub const MARGIN: Duration = Duration::from_secs(90);

/// A reaper on the app's clients, until `stopping` is cancelled, for a table whose indexes
/// never lag.
pub fn reaper(app: &App, look_ahead: Duration, stopping: CancellationToken) -> Reaper {
    Reaper {
        store: Arc::clone(&app.store),
        host: Arc::clone(&app.host),
        catalogue: Arc::clone(&app.catalogue),
        deliverer: deliverer(app, stopping.clone()),
        history: app.policy.history,
        longest_lease: app.policy.longest_lease,
        look_ahead,
        index_lag: Duration::ZERO,
        measures_disks: true,
        ends_in_hand: Arc::default(),
        stopping,
    }
}

/// A deliverer of notifications on the app's clients, until `stopping` is cancelled.
pub fn deliverer(app: &App, stopping: CancellationToken) -> Deliverer {
    Deliverer {
        store: Arc::clone(&app.store),
        webhook_client: Arc::clone(&app.webhook_client),
        turns: Arc::default(),
        in_hand: Arc::default(),
        show,
        history: app.policy.history,
        stopping,
    }
}

/// Runs once, and logs the report. The reaper takes no input, so the event does not matter.
/// `cut_off` is when the run will be stopped from outside.
pub async fn handle(reaper: &Reaper, cut_off: Time) -> Result<Report, CleanupError> {
    let report = run(reaper, Time::now(), cut_off.minus(MARGIN)).await;
    match &report {
        Ok(report) => log(report),
        Err(error) => tracing::error!(%error, "cleanup could not run"),
    }
    report
}

/// Ends and delivers what falls due until `until`. The one-machine server calls this between
/// two runs, since a lease may be made and end in that time.
pub async fn look(reaper: &Reaper, until: Time) -> Result<Report, CleanupError> {
    let report = containerlease_service::reaper::look(reaper, until, until.plus(MARGIN)).await;
    match &report {
        Ok(report) => log(report),
        Err(error) => tracing::error!(%error, "could not look at what falls due"),
    }
    report
}

/// Delivers what falls due until `until`, and nothing else.
pub async fn deliver(reaper: &Reaper, until: Time) -> Deliveries {
    let (_, nothing_announced) = mpsc::unbounded_channel();
    let stop_at = until.plus(MARGIN);
    deliver::run(&reaper.deliverer, nothing_announced, until, stop_at).await
}

/// The JSON of a lease in a notification.
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
        waiting = report.waiting,
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

#[cfg(test)]
mod tests {
    use containerlease_domain::catalogue::{Catalogue, Image};
    use containerlease_service::reaper::longest_end;
    use containerlease_settings::Settings;

    use super::*;
    use crate::template::timeout_of;

    #[test]
    fn what_a_run_has_begun_is_finished_before_it_is_cut_off() {
        let catalogue = Catalogue::embedded();
        let graces = catalogue.images().iter().map(Image::stop_grace);
        let longest = longest_end(graces.max().expect("there are images"));
        assert!(MARGIN > longest, "an end may take {longest:?}");
        assert!(MARGIN > deliver::longest(), "a delivery may take longer");

        let settings = Settings::parse(|_| None).unwrap();
        let taken = settings.look_ahead + MARGIN;
        assert!(timeout_of("CleanupFunction") >= taken, "it takes {taken:?}");
    }
}
