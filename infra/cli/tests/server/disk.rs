//! A lease that fills the host's disk is ended before the next tick.

use serde_json::json;

use crate::harness::{PATIENCE, Place, eventually, str_of};

#[tokio::test]
async fn a_lease_that_fills_the_disk_is_evicted_without_a_tick() {
    let place = Place::new().await;
    let server = place
        .start_with(&[("CONTAINERLEASE_TICK_SECONDS", "3600")])
        .await;
    let command = [
        "sh",
        "-c",
        "sleep 1; for i in 1 2; do dd if=/dev/zero of=/file$i bs=1M count=48; done; exec sleep 600",
    ];
    let body = json!({
        "imageType": "alpine", "durationMinutes": 5, "diskMB": 64, "command": command,
    });
    let lease = server.provision(&body).await;
    let beside = json!({"imageType": "alpine", "durationMinutes": 5});
    let beside = server.provision(&beside).await;
    let id = str_of(&lease["id"]);
    let ended = eventually("its end", 2 * PATIENCE, async || {
        let lease = server.lease(id).await;
        (lease["state"] == "ended").then_some(lease)
    })
    .await;
    assert_eq!(ended["reason"], "evicted");
    assert_eq!(ended["receipt"]["detail"], "out of disk, limit 64 MB");
    let beside = server.lease(str_of(&beside["id"])).await;
    assert_eq!(beside["state"], "running");
    let metrics = server.get("/metrics").await.text;
    let counted = "containerlease_leases_ended_total{reason=\"evicted\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
}
