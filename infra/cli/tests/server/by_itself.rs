//! The server learns from the engine's events at once when a program exits or somebody else ends
//! it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{PATIENCE, PROMPT, Place, Server, eventually, str_of, time_of};

async fn run(server: &Server, script: &str) -> Value {
    let command = ["sh", "-c", script];
    let body =
        json!({"imageType": "alpine", "durationMinutes": 5, "command": command, "ports": [7000]});
    server.provision(&body).await
}

async fn ended(server: &Server, lease: &Value) -> Value {
    let id = str_of(&lease["id"]);
    eventually("its end", PATIENCE, async || {
        let lease = server.lease(id).await;
        (lease["state"] == "ended").then_some(lease)
    })
    .await
}

#[tokio::test]
async fn a_program_that_ends_by_itself_is_known_without_a_tick() {
    let place = Place::new().await;
    let server = place.start().await;
    // Some exit before their record says that they run.
    for (code, reason, sleep) in [
        (0, "completed", "2"),
        (3, "failed", "2"),
        (0, "completed", "0"),
        (3, "failed", "0"),
        (4, "failed", "0.05"),
    ] {
        let lease = run(&server, &format!("sleep {sleep}; echo bye; exit {code}")).await;
        let ended = ended(&server, &lease).await;
        let receipt = &ended["receipt"];
        assert_eq!(receipt["reason"], reason, "{receipt}");
        assert_eq!(receipt["exitCode"], code, "{receipt}");
        // The engine stamped the program's last line.
        let path = format!("/api/containers/{}/logs", str_of(&lease["id"]));
        let log = server.get(&path).await.json();
        let last_word = time_of(&log["entries"][0]["timestamp"]);
        let lasted = last_word.until(time_of(&receipt["removedAt"]));
        assert!(lasted <= PROMPT, "it was known after {lasted:?}");
    }
    let metrics = server.get("/metrics").await.text;
    assert!(
        metrics.contains("containerlease_leases_ended_total{reason=\"completed\"} 2"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_container_that_somebody_removes_ends_its_lease_without_a_tick() {
    let place = Place::new().await;
    let server = place.start().await;
    let lease = run(&server, "sleep 600").await;
    let name = format!("containerlease-{}", str_of(&lease["id"]));
    let removed = place.engine.docker().remove_container(
        &name,
        Some(
            bollard::query_parameters::RemoveContainerOptionsBuilder::new()
                .force(true)
                .build(),
        ),
    );
    removed.await.unwrap();
    let removed_at = Instant::now();
    let ended = ended(&server, &lease).await;
    assert!(removed_at.elapsed() <= PROMPT, "{:?}", removed_at.elapsed());
    assert_eq!(ended["receipt"]["reason"], "lost");
}

#[tokio::test]
async fn a_container_that_somebody_restarts_keeps_its_lease_and_shows_its_new_port() {
    let place = Place::new().await;
    let server = place.start().await;
    let lease = run(&server, "sleep 600").await;
    let id = str_of(&lease["id"]);
    let name = format!("containerlease-{id}");
    let restarted = place.engine.docker().restart_container(&name, None);
    restarted.await.unwrap();
    let before = &lease["ports"][0]["hostPort"];
    eventually("its new port", PATIENCE, async || {
        (server.lease(id).await["ports"][0]["hostPort"] != *before).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(server.lease(id).await["state"], "running");
}
