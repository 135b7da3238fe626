//! Metrics in CloudWatch's embedded metric format: CloudWatch extracts them from lines of
//! JSON in a function's log, without an API call.
//!
//! The namespace is `ContainerLease`, the only dimension `Deployment`. The alarms in
//! `template.yaml` watch these metrics:
//!
//! | metric | unit | of | meaning |
//! |---|---|---|---|
//! | `Ticks` | count | each run of the reaper | the run completed |
//! | `Ended` | count | each run, and each invocation of `end` | ended leases |
//! | `OvershootMs` | milliseconds | each lease that expired | from `expiresAt` to gone |
//! | `Late` | count | each run | leases whose container was gone more than 2 s after their end |
//! | `EndFailures` | count | each run | failed ends, which are tried again |
//! | `Waiting` | count | each run, and each invocation of `end` | ends that wait for an unreachable engine; not failures |
//! | `Quarantined` | count | each run | leases in quarantine when the run began |
//! | `Orphans` | count | each run | removed containers without a lease |
//! | `OrphansLeft` | count | each run | containers without a lease that could not be removed, or whose end is not proven |
//! | `Lost` | count | each run | leases whose container vanished |
//! | `Deferred` | count | each run | ends left to the next run |
//! | `Delivered` | count | each run | notifications that receivers accepted |
//! | `DeliveryFailures` | count | each run | failed delivery attempts |
//! | `DeliveriesGivenUp` | count | each run | failed attempts that were a notification's last |
//! | `Unreadable` | count | each run | records that the run could not read |
//! | `CountsMended` | count | each run | corrected counts of what owners or the host hold |
//! | `EngineUnseen` | count | each run | 1 if the engine's containers could not be listed |
//! | `CertificateDaysLeft` | count | each run | whole days until the first certificate of the engine's connection expires |
//! | `Unsent` | count | only if not 0 | messages that could not be sent to a queue; their ends or notifications wait for a run |
//! | `RelayErrors` | count | each relay of a log | 1 if the relay failed |
//!
//! Format: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::time::Duration;

use containerlease_domain::{names::Deployment, time::Time};
use containerlease_service::{notify::deliver::Deliveries, reaper::Report};
use serde_json::{Map, Value, json};

/// The promise: how soon after its end a lease's container is gone.
const PROMISED: Duration = Duration::from_secs(2);

/// The maximum number of values of one metric that CloudWatch takes in a line.
const VALUES_IN_A_LINE: usize = 100;

const COUNT: &str = "Count";
const MILLISECONDS: &str = "Milliseconds";

/// The metrics of a run of the reaper, as lines of the log. `certificate_expiry` is when the
/// first certificate of the engine's connection expires.
pub fn of_cleanup(
    report: &Report,
    certificate_expiry: Option<Time>,
    deployment: &Deployment,
    now: Time,
) -> Vec<String> {
    let mut metrics = vec![
        ("Ticks", COUNT, json!(1)),
        ("Ended", COUNT, json!(report.ended())),
        ("Late", COUNT, json!(late(&report.overshoot_ms))),
        ("EndFailures", COUNT, json!(report.attempts_failed)),
        ("Waiting", COUNT, json!(report.waiting)),
        ("Quarantined", COUNT, json!(report.in_quarantine)),
        ("Orphans", COUNT, json!(report.orphans_removed)),
        ("OrphansLeft", COUNT, json!(report.orphans_left)),
        ("Lost", COUNT, json!(report.lost)),
        ("Deferred", COUNT, json!(report.left_to_next_run)),
        ("Unreadable", COUNT, json!(report.unreadable)),
        ("CountsMended", COUNT, json!(report.counts_mended)),
        ("EngineUnseen", COUNT, json!(u8::from(report.engine_unseen))),
    ];
    metrics.extend(delivery_counts(&report.deliveries));
    if let Some(expiry) = certificate_expiry {
        let days = now.until(expiry).as_secs() / 86_400;
        metrics.push(("CertificateDaysLeft", COUNT, json!(days)));
    }
    let mut lines = vec![line(&metrics, deployment, now)];
    lines.extend(overshoots(&report.overshoot_ms, deployment, now));
    lines
}

/// The outcomes of the messages of one invocation of `end`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// Milliseconds from `expiresAt` until the container was gone, for each ended lease.
    pub overshoot_ms: Vec<i64>,
    /// Messages whose lease now has another end, or has ended.
    pub stale: usize,
    /// Ends that wait for the engine.
    pub waiting: usize,
    /// Failed ends, which will be tried again.
    pub attempts_failed: usize,
}

/// The metrics of an invocation of `end`, as lines of the log.
pub fn of_ends(ends: &Ends, deployment: &Deployment, now: Time) -> Vec<String> {
    let metrics = [
        ("Ended", COUNT, json!(ends.overshoot_ms.len())),
        ("Late", COUNT, json!(late(&ends.overshoot_ms))),
        ("EndFailures", COUNT, json!(ends.attempts_failed)),
        ("Waiting", COUNT, json!(ends.waiting)),
    ];
    let mut lines = vec![line(&metrics, deployment, now)];
    lines.extend(overshoots(&ends.overshoot_ms, deployment, now));
    lines
}

/// The metrics of an invocation of `deliver`, as a line of the log.
pub fn of_deliveries(deliveries: &Deliveries, deployment: &Deployment, now: Time) -> String {
    line(&delivery_counts(deliveries), deployment, now)
}

/// The metric of messages that could not be sent to a queue, as a line of the log.
pub fn of_unsent(unsent: usize, deployment: &Deployment, now: Time) -> String {
    line(&[("Unsent", COUNT, json!(unsent))], deployment, now)
}

fn delivery_counts(deliveries: &Deliveries) -> [(&'static str, &'static str, Value); 3] {
    [
        ("Delivered", COUNT, json!(deliveries.delivered)),
        ("DeliveryFailures", COUNT, json!(deliveries.attempts_failed)),
        ("DeliveriesGivenUp", COUNT, json!(deliveries.given_up)),
    ]
}

/// How many leases' containers were gone later than promised.
fn late(overshoot_ms: &[i64]) -> usize {
    let promised = i64::try_from(PROMISED.as_millis()).unwrap_or(i64::MAX);
    overshoot_ms.iter().filter(|ms| **ms > promised).count()
}

fn overshoots(overshoot_ms: &[i64], deployment: &Deployment, now: Time) -> Vec<String> {
    let lines = overshoot_ms.chunks(VALUES_IN_A_LINE).map(|values| {
        let metric = ("OvershootMs", MILLISECONDS, json!(values));
        line(&[metric], deployment, now)
    });
    lines.collect()
}

/// The metric of a log's relay, as a line of the log.
pub fn of_relay(failed: bool, deployment: &Deployment, now: Time) -> String {
    let metric = ("RelayErrors", COUNT, json!(u8::from(failed)));
    line(&[metric], deployment, now)
}

/// Writes lines to the function's log.
#[expect(
    clippy::print_stdout,
    reason = "a function's log is its standard output, and no word may stand before the JSON"
)]
pub fn write(lines: &[String]) {
    for line in lines {
        println!("{line}");
    }
}

fn line(metrics: &[(&str, &str, Value)], deployment: &Deployment, now: Time) -> String {
    let definitions: Vec<_> = metrics
        .iter()
        .map(|(name, unit, _)| json!({"Name": name, "Unit": unit}))
        .collect();
    let mut object = Map::new();
    object.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": now.as_millis(),
            "CloudWatchMetrics": [{
                "Namespace": "ContainerLease",
                "Dimensions": [["Deployment"]],
                "Metrics": definitions,
            }],
        }),
    );
    object.insert("Deployment".to_owned(), json!(deployment.as_str()));
    for (name, _, value) in metrics {
        object.insert((*name).to_owned(), value.clone());
    }
    Value::Object(object).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_millis(1_800_000_000_000);

    fn deployment() -> Deployment {
        "demo".parse().unwrap()
    }

    fn parsed(lines: &[String]) -> Vec<Value> {
        lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn every_metric_that_is_declared_has_a_value() {
        let report = Report {
            due: 4,
            expired: 2,
            lost: 1,
            attempts_failed: 1,
            in_quarantine: 3,
            orphans_left: 2,
            unreadable: 1,
            overshoot_ms: vec![130, 2_001],
            ..Report::default()
        };
        let expiry = NOW.plus(Duration::from_secs(86_400 * 21 - 1));
        let lines = parsed(&of_cleanup(&report, Some(expiry), &deployment(), NOW));
        assert_eq!(lines.len(), 2);
        for line in &lines {
            let directive = &line["_aws"]["CloudWatchMetrics"][0];
            assert_eq!(directive["Namespace"], "ContainerLease");
            assert_eq!(directive["Dimensions"], json!([["Deployment"]]));
            assert_eq!(line["Deployment"], "demo");
            assert_eq!(line["_aws"]["Timestamp"], 1_800_000_000_000_i64);
            for metric in directive["Metrics"].as_array().unwrap() {
                let name = metric["Name"].as_str().unwrap();
                assert!(!line[name].is_null(), "{name}");
            }
        }
        assert_eq!(lines[0]["Ticks"], 1);
        assert_eq!(lines[0]["Ended"], 3);
        assert_eq!(lines[0]["Late"], 1);
        assert_eq!(lines[0]["Quarantined"], 3);
        assert_eq!(lines[0]["OrphansLeft"], 2);
        assert_eq!(lines[0]["Unreadable"], 1);
        assert_eq!(lines[0]["CertificateDaysLeft"], 20);
        assert_eq!(lines[1]["OvershootMs"], json!([130, 2_001]));
    }

    #[test]
    fn a_run_with_nothing_to_do_still_says_that_it_ran() {
        let lines = parsed(&of_cleanup(&Report::default(), None, &deployment(), NOW));
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["Ticks"], 1);
        assert!(lines[0].get("CertificateDaysLeft").is_none());
        assert!(lines[0].get("OvershootMs").is_none());
    }

    #[test]
    fn an_expired_certificate_has_no_days_left() {
        let lines = of_cleanup(&Report::default(), Some(NOW), &deployment(), NOW);
        assert_eq!(parsed(&lines)[0]["CertificateDaysLeft"], 0);
    }

    #[test]
    fn no_line_has_more_values_than_cloudwatch_takes() {
        let report = Report {
            overshoot_ms: (0..250).collect(),
            ..Report::default()
        };
        let lines = parsed(&of_cleanup(&report, None, &deployment(), NOW));
        let counts: Vec<_> = lines[1..]
            .iter()
            .map(|line| line["OvershootMs"].as_array().unwrap().len())
            .collect();
        assert_eq!(counts, [100, 100, 50]);
    }
}
