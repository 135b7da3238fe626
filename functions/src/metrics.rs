//! Metrics, in CloudWatch's embedded metric format: a line of JSON in a function's log, of
//! which CloudWatch makes metrics without a call.
//!
//! Namespace `ContainerLease`, one dimension `Deployment`. The alarms in `template.yaml`
//! watch them:
//!
//! | metric | unit | of | meaning |
//! |---|---|---|---|
//! | `Ticks` | count | each run of the reaper | it ran to its end |
//! | `Ended` | count | each run, and each invocation of `end` | leases that it ended |
//! | `OvershootMs` | milliseconds | each lease that expired | from `expiresAt` to gone |
//! | `Late` | count | each run | leases that were gone more than 2 s after their end |
//! | `EndFailures` | count | each run | ends that could not be finished and are tried again |
//! | `Waiting` | count | each run, and each invocation of `end` | ends that the engine was away for; none of them is a failure |
//! | `Quarantined` | count | each run | leases in quarantine when it began |
//! | `Orphans` | count | each run | containers without a lease that were removed |
//! | `OrphansLeft` | count | each run | containers without a lease that could not be removed, or whose time is not proven to be over |
//! | `Lost` | count | each run | leases whose container had vanished |
//! | `Deferred` | count | each run | ends that were left to the next run |
//! | `Delivered` | count | each run | notifications that owners have taken |
//! | `DeliveryFailures` | count | each run | attempts to deliver one that failed |
//! | `DeliveriesGivenUp` | count | each run | of these, the last of a notification |
//! | `Unreadable` | count | each run | records that it came upon and could not read |
//! | `CountsMended` | count | each run | counts of what owners or the host hold that were wrong |
//! | `EngineUnseen` | count | each run | 1 where the engine could not be listed |
//! | `CertificateDaysLeft` | count | each run | whole days until the first certificate expires that the way to the engine needs |
//! | `Unsent` | count | where it is more than none | messages that could not be sent to a queue, so that an end or a notification waits for a run |
//! | `RelayErrors` | count | each relay of a log | 1 where it could not go on |
//!
//! Format: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::time::Duration;

use containerlease_shared::{cleanup::Report, deliver::Deliveries, names::Deployment, time::Time};
use serde_json::{Map, Value, json};

/// The promise: a lease's container is gone so soon after its end.
const PROMISED: Duration = Duration::from_secs(2);

/// CloudWatch takes at most so many values of one metric in a line.
const VALUES_IN_A_LINE: usize = 100;

const COUNT: &str = "Count";
const MILLISECONDS: &str = "Milliseconds";

/// What a run of the reaper is measured by, as lines of the log. `certificate_expiry` is
/// when the first certificate expires that the way to the engine needs.
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

/// What the messages of one invocation of `end` have come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// Milliseconds from `expiresAt` to gone, of each lease that was ended.
    pub overshoot_ms: Vec<i64>,
    /// Messages whose lease has another end by now, or has come to it.
    pub stale: usize,
    /// Ends that wait for the engine.
    pub waiting: usize,
    /// Ends that could not be finished and will be tried again.
    pub attempts_failed: usize,
}

/// What an invocation of `end` is measured by, as lines of the log.
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

/// What an invocation of `deliver` is measured by, as a line of the log.
pub fn of_deliveries(deliveries: &Deliveries, deployment: &Deployment, now: Time) -> String {
    line(&delivery_counts(deliveries), deployment, now)
}

/// That so many messages could not be sent to a queue, as a line of the log.
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

/// How many leases were gone later than is promised.
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

/// What a relay of a log is measured by, as a line of the log.
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
