//! `GET /metrics`: what the reaper has done since the server started, the requests, and what the
//! relays carry, in Prometheus's text format. A run's report is the same that CloudWatch gets on
//! AWS.

mod requests;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
};

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use containerlease_domain::{
    clock,
    lease::{Reason, Receipt},
    time::Time,
};
use containerlease_service::{
    docker::Host,
    log_relay::{Counts, Follows},
    notify::deliver::Deliveries,
    reaper::Report,
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Metric, Registry, Unit},
};

pub(crate) use requests::count_requests;
use requests::{Answered, Requests};

/// Prometheus's preferred format.
const CONTENT_TYPE: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// From a tenth of a second to five minutes; the promise is 2 s, and 75 s by the bare tick.
const OVERSHOOT_BUCKETS: [f64; 10] = [0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 75.0, 150.0, 300.0];

/// Why leases end. Each counter starts at zero, so that the first end of a kind shows as a rise.
const ALL_REASONS: [Reason; 6] = [
    Reason::Expired,
    Reason::Deleted,
    Reason::Completed,
    Reason::Failed,
    Reason::Lost,
    Reason::Evicted,
];

/// The counters.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    runs: Family<Outcome, Counter>,
    requests: Requests,
    ended: Family<EndedAs, Counter>,
    attempts_failed: Counter,
    orphans: Counter,
    left_to_next_run: Counter,
    deliveries: Family<DeliveredAs, Counter>,
    quarantined: Gauge,
    orphans_left: Gauge,
    unreadable_records: Gauge,
    counts_mended: Counter,
    engine_unseen: Gauge,
    engine_unseen_by_run: AtomicBool,
    last_run: Gauge<f64, AtomicU64>,
    wall_clock_ahead: Gauge<f64, AtomicU64>,
    certificate_expiry: Gauge<i64, AtomicI64>,
    overshoot: Histogram,
    panics: Counter,
    host: Arc<Host>,
    follows: Arc<Follows>,
    log_follows: Gauge,
    log_viewers: Gauge,
    log_posts: Counter,
    log_lines: Counter,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EndedAs {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DeliveredAs {
    outcome: &'static str,
}

impl Metrics {
    #[expect(clippy::too_many_lines, reason = "it is a table")]
    pub(crate) fn new(follows: Arc<Follows>, host: Arc<Host>) -> Self {
        let mut registry = Registry::with_prefix("containerlease");
        let all = &mut registry;
        let runs = registered(all, "cleanup_runs", "Runs of the reaper");
        let requests = Requests::new(all);
        let ended: Family<EndedAs, Counter> = registered(
            all,
            "leases_ended",
            "Leases that ended, by reason and whoever ended them",
        );
        for reason in ALL_REASONS {
            let reason = name_of(reason);
            drop(ended.get_or_create(&EndedAs { reason }));
        }
        let attempts_failed = registered(
            all,
            "end_attempts_failed",
            "Ends that could not be finished and are tried again",
        );
        let orphans = registered(
            all,
            "orphans_removed",
            "Containers without a lease that were removed",
        );
        let left_to_next_run = registered(
            all,
            "ends_left_to_next_run",
            "Ends that a run had no time for",
        );
        let deliveries = registered(
            all,
            "deliveries",
            "Attempts to tell owners of their leases; given_up are the last of those that failed",
        );
        let quarantined = registered(
            all,
            "leases_quarantined",
            "Leases in quarantine when the last run began",
        );
        let orphans_left = registered(
            all,
            "orphans_left",
            "Containers without a lease that the last run could not remove, or whose time is not \
             proven to be over",
        );
        let unreadable_records = registered(
            all,
            "unreadable_records",
            "Records that the last run could not read",
        );
        let counts_mended = registered(
            all,
            "counts_mended",
            "Corrected counts of what owners or the host hold",
        );
        let engine_unseen = registered(
            all,
            "engine_unseen",
            "Whether the engine does not answer, or the last run could not list its containers",
        );
        let last_run = registered_in_seconds(
            all,
            "last_cleanup_timestamp",
            "When the last run was over, in seconds since 1970",
            Gauge::default(),
        );
        let wall_clock_ahead = registered_in_seconds(
            all,
            "wall_clock_ahead",
            "How far the system's clock was set forward since the start; this server ignores it",
            Gauge::default(),
        );
        let certificate_expiry = registered_in_seconds(
            all,
            "certificate_expiry_timestamp",
            "When the first certificate on the way to the engine expires, in seconds since 1970; 0 over a socket",
            Gauge::default(),
        );
        let overshoot = registered_in_seconds(
            all,
            "overshoot",
            "From the end of a lease that expired to its container being gone",
            Histogram::new(OVERSHOOT_BUCKETS),
        );
        let panics = registered(
            all,
            "panics",
            "Panics of this process; each is a bug and ends one task at most",
        );
        let log_follows = registered(
            all,
            "log_follows",
            "Logs that are being read at the engine now",
        );
        let log_viewers = registered(all, "log_viewers", "Viewers that are being served now");
        let log_posts = registered(all, "log_posts", "Frames that were posted to viewers");
        let log_lines = registered(all, "log_lines", "Lines in these frames");
        Self {
            registry,
            runs,
            requests,
            ended,
            attempts_failed,
            orphans,
            left_to_next_run,
            deliveries,
            quarantined,
            orphans_left,
            unreadable_records,
            counts_mended,
            engine_unseen,
            engine_unseen_by_run: AtomicBool::new(false),
            last_run,
            wall_clock_ahead,
            certificate_expiry,
            overshoot,
            panics,
            host,
            follows,
            log_follows,
            log_viewers,
            log_posts,
            log_lines,
        }
    }

    /// The counter of panics.
    pub(crate) fn panics(&self) -> Counter {
        self.panics.clone()
    }

    /// Checks whether the engine is away now: a run may wait longer than a scrape for it.
    fn look_at_engine(&self) {
        let by_run = self.engine_unseen_by_run.load(Ordering::Relaxed);
        let unseen = by_run || self.host.is_away();
        self.engine_unseen.set(i64::from(unseen));
    }

    fn look_at_clock(&self) {
        let ahead = seconds(clock::wall_ahead_millis());
        self.wall_clock_ahead.set(ahead);
    }

    /// Copies the relays' counters.
    fn look_at_logs(&self) {
        let Counts {
            reads,
            viewers,
            posts,
            lines,
        } = self.follows.counts();
        self.log_follows.set(reads.load(Ordering::Relaxed));
        self.log_viewers.set(viewers.load(Ordering::Relaxed));
        for (counter, count) in [(&self.log_posts, posts), (&self.log_lines, lines)] {
            let count = count.load(Ordering::Relaxed);
            counter.inner().store(count, Ordering::Relaxed);
        }
    }

    /// Counts notifications to owners.
    pub(crate) fn count_deliveries(&self, deliveries: Deliveries) {
        for (outcome, count) in [
            ("delivered", deliveries.delivered),
            ("failed", deliveries.attempts_failed),
            ("given_up", deliveries.given_up),
        ] {
            self.deliveries
                .get_or_create(&DeliveredAs { outcome })
                .inc_by(count as u64);
        }
    }

    /// Counts the work of a run or a look, except for ends, which are counted when they are
    /// written.
    pub(crate) fn count_done(&self, report: &Report) {
        self.attempts_failed.inc_by(report.attempts_failed as u64);
        self.orphans.inc_by(report.orphans_removed as u64);
        self.left_to_next_run.inc_by(report.left_to_next_run as u64);
        self.count_deliveries(report.deliveries);
    }

    /// Counts the work of a run; `None` if it could not even read the table.
    pub(crate) fn count(&self, report: Option<&Report>, certificate_expiry: Option<Time>) {
        let outcome = if report.is_some() { "done" } else { "failed" };
        self.runs.get_or_create(&Outcome { outcome }).inc();
        let Some(report) = report else { return };
        self.count_done(report);
        self.quarantined
            .set(i64::try_from(report.in_quarantine).unwrap_or(i64::MAX));
        self.orphans_left
            .set(i64::try_from(report.orphans_left).unwrap_or(i64::MAX));
        self.unreadable_records
            .set(i64::try_from(report.unreadable).unwrap_or(i64::MAX));
        self.counts_mended.inc_by(report.counts_mended as u64);
        self.engine_unseen_by_run
            .store(report.engine_unseen, Ordering::Relaxed);
        self.last_run.set(seconds(Time::now().as_millis()));
        let expiry = certificate_expiry.map_or(0, |at| at.as_millis() / 1000);
        self.certificate_expiry.set(expiry);
    }

    /// Counts the end of a lease, whoever ended it.
    pub(crate) fn count_end(&self, receipt: &Receipt) {
        let reason = name_of(receipt.reason);
        self.ended.get_or_create(&EndedAs { reason }).inc();
        if let Some(late) = receipt.overshoot_ms {
            self.overshoot.observe(seconds(late));
        }
    }

    /// Counts an answered request.
    fn count_request(&self, answered: Answered) {
        self.requests.count(answered);
    }
}

fn name_of(reason: Reason) -> &'static str {
    match reason {
        Reason::Expired => "expired",
        Reason::Deleted => "deleted",
        Reason::Completed => "completed",
        Reason::Failed => "failed",
        Reason::Lost => "lost",
        Reason::Evicted => "evicted",
    }
}

/// A new metric, added to the registry.
fn registered<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

/// Adds `metric` to the registry, with seconds as its unit.
fn registered_in_seconds<M: Metric + Clone>(
    registry: &mut Registry,
    name: &str,
    help: &str,
    metric: M,
) -> M {
    registry.register_with_unit(name, help, Unit::Seconds, metric.clone());
    metric
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds since 1970 fit into the 52 bits of a float for ages"
)]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

/// Answers `GET /metrics`.
pub(crate) async fn show(State(metrics): State<Arc<Metrics>>) -> Response {
    metrics.look_at_engine();
    metrics.look_at_clock();
    metrics.look_at_logs();
    let mut text = String::new();
    match encode(&mut text, &metrics.registry) {
        Ok(()) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
