//! A lease ends on time by itself.

use std::time::Duration;

use containerlease_domain::time::Time;
use serde_json::json;

use crate::harness::{PROMPT, Place, eventually, sleep_until, str_of, time_of};

/// Both ticks are tested at once, since the shortest lease takes a minute.
#[tokio::test]
async fn a_lease_of_a_minute_is_gone_by_itself_to_the_second() {
    let often = async { ends_on_time(Place::new().await.with(TICK, "2")).await };
    let by_default = async { ends_on_time(Place::new().await).await };
    // An hour between two runs.
    let seldom = async { ends_on_time(Place::new().await.with(TICK, "3600")).await };
    tokio::join!(often, by_default, seldom);
}

const TICK: &str = "CONTAINERLEASE_TICK_SECONDS";

async fn ends_on_time(place: Place) {
    let server = place.start().await;
    // The reaper's first run is over, and has not seen the lease.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let lease = server
        .provision(&json!({"imageType": "alpine", "durationMinutes": 1}))
        .await;
    let (id, expiry) = (str_of(&lease["id"]), time_of(&lease["expiryTime"]));

    sleep_until(expiry.minus(Duration::from_millis(500))).await;
    let running = place.containers().await;
    if Time::now() < expiry {
        assert_eq!(running.len(), 1, "it is never early");
    }
    let gone_at = loop {
        if place.containers().await.is_empty() {
            break Time::now();
        }
        let now = Time::now();
        assert!(now < expiry.plus(PROMPT), "it is there at {now}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(gone_at >= expiry, "it was gone at {gone_at} already");

    // The receipt is written right after the container is removed.
    let ended = eventually("its receipt", PROMPT, async || {
        let lease = server.lease(id).await;
        (lease["state"] == "ended").then_some(lease)
    })
    .await;
    assert_eq!(ended["reason"], "expired");
    let receipt = &ended["receipt"];
    assert_eq!(receipt["reason"], "expired");
    assert_eq!(receipt["attempts"], 1);
    assert!(time_of(&receipt["requestedAt"]) >= expiry);
    assert!(time_of(&receipt["stoppedAt"]) <= time_of(&receipt["removedAt"]));
    let removed = time_of(&receipt["removedAt"]);
    assert_eq!(receipt["overshootMs"], removed.millis_since(expiry));
    assert!(server.leases().await.is_empty());

    let metrics = server.get("/metrics").await;
    assert!(
        metrics
            .header("content-type")
            .starts_with("application/openmetrics-text")
    );
    let text = eventually("the run's metrics", PROMPT, async || {
        let text = server.get("/metrics").await.text;
        let counted = text.contains("containerlease_leases_ended_total{reason=\"expired\"} 1");
        counted.then_some(text)
    })
    .await;
    for line in [
        "containerlease_overshoot_seconds_count 1",
        "containerlease_leases_quarantined 0",
        "containerlease_orphans_left 0",
        "containerlease_engine_unseen 0",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}
