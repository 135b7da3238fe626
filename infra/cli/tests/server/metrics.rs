//! The server's metrics, and what Prometheus and Grafana make of them.

use std::{collections::BTreeSet, fs, path::Path};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{PATIENCE, Place, answer, eventually, str_of};

/// A server that has leased, refused a bad request, and ended a lease in each way open to an owner.
async fn used() -> (Place, String) {
    let place = Place::new().await;
    let server = place.start().await;
    let lease = server
        .provision(&json!({"imageType": "alpine", "durationMinutes": 1}))
        .await;
    let path = format!("/api/containers/{}", str_of(&lease["id"]));
    assert_eq!(server.get(&path).await.status, StatusCode::OK);
    assert_eq!(server.delete(&path).await.status, StatusCode::OK);
    let cannot = json!({
        "imageType": "alpine", "durationMinutes": 1, "command": ["there-is-no-such-program"],
    });
    let ask = async |body: &Value| {
        let request = server.request(Method::POST, "/api/provision").json(body);
        answer(request).await.status
    };
    assert_eq!(ask(&cannot).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(ask(&json!({})).await, StatusCode::BAD_REQUEST);
    assert_eq!(
        server.get("/api/nowhere").await.status,
        StatusCode::NOT_FOUND
    );
    let text = eventually("a run of the reaper", PATIENCE, async || {
        let text = server.get("/metrics").await.text;
        text.contains("cleanup_runs_total").then_some(text)
    })
    .await;
    (place, text)
}

#[tokio::test]
async fn every_end_and_every_request_is_counted() {
    let (_place, text) = used().await;
    for line in [
        // The reaper ended neither.
        r#"containerlease_leases_ended_total{reason="deleted"} 1"#,
        r#"containerlease_leases_ended_total{reason="failed"} 1"#,
        r#"containerlease_leases_ended_total{reason="expired"} 0"#,
        r#"containerlease_provisions_total{image_type="alpine",outcome="leased"} 1"#,
        r#"containerlease_provisions_total{image_type="alpine",outcome="cannot-run"} 1"#,
        r#"containerlease_provisions_total{image_type="none",outcome="invalid-request"} 1"#,
        r#"containerlease_provision_duration_seconds_count{image_type="alpine"} 1"#,
        r#"containerlease_requests_total{method="DELETE",route="/api/containers/{id}",status="200"} 1"#,
        r#"containerlease_requests_total{method="POST",route="/api/provision",status="201"} 1"#,
        r#"containerlease_requests_total{method="none",route="none",status="404"} 1"#,
        r#"containerlease_problems_total{route="/api/provision",problem="cannot-run"} 1"#,
        r#"containerlease_request_duration_seconds_count{method="POST",route="/api/provision",outcome="refused"} 2"#,
    ] {
        assert!(text.lines().any(|it| it == line), "{line}: {text}");
    }
}

/// A rule on a metric that no server has would never fire.
#[tokio::test]
async fn the_alerts_and_the_dashboard_ask_for_what_there_is() {
    let (_place, text) = used().await;
    let there: BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../local/observability");
    let alerts = fs::read_to_string(folder.join("alerts.yaml")).unwrap();
    let dashboard = fs::read_to_string(folder.join("dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let of_panel = |panel: &Value| -> Vec<String> {
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        let expressions = targets.iter().map(|it| str_of(&it["expr"]).to_owned());
        expressions.collect()
    };
    let panels = dashboard["panels"].as_array().unwrap();
    let expressions: Vec<_> = panels.iter().flat_map(of_panel).collect();
    // An alert's text may also name a metric.
    for (place, said) in [("alerts", alerts), ("dashboard", expressions.join("\n"))] {
        let words = said.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let names: BTreeSet<&str> = words
            .filter(|word| word.starts_with("containerlease_"))
            .collect();
        assert!(names.len() > 8, "{place}: {names:?}");
        // There were no notifications here, and no run failed.
        let missing: Vec<_> = names.difference(&there).collect();
        assert!(missing.is_empty(), "{place}: {missing:?}: {text}");
    }
}
