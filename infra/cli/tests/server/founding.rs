//! The founding job: lease, watch, delete.

use containerlease_domain::time::Time;
use http::StatusCode;
use serde_json::json;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::harness::{Frame, Place, Viewer, run_inside, str_of, time_of};

#[tokio::test]
async fn an_ubuntu_is_leased_watched_and_deleted() {
    let place = Place::new().await;
    let server = place.start().await;

    let before = Time::now();
    let lease = server
        .provision(&json!({"imageType": "ubuntu", "durationMinutes": 5}))
        .await;
    let id = str_of(&lease["id"]);
    let created_at = time_of(&lease["createdAt"]);
    assert!(created_at >= before && created_at <= Time::now());
    assert_eq!(
        time_of(&lease["expiryTime"]).millis_since(created_at),
        300_000
    );
    assert_eq!(lease["state"], "running");

    let containers = place.containers().await;
    assert_eq!(containers.len(), 1);
    let container = format!("containerlease-{id}");
    let details = place
        .engine
        .docker()
        .inspect_container(&container, None)
        .await;
    let details = details.unwrap();
    let limits = details.host_config.unwrap();
    let memory = lease["memoryMB"].as_i64().unwrap() * 1024 * 1024;
    assert_eq!(limits.memory, Some(memory));
    assert_eq!(limits.memory_swap, Some(memory), "there is no swap");
    assert_eq!(
        limits.nano_cpus,
        Some(lease["cpuMilli"].as_i64().unwrap() * 1_000_000)
    );
    assert_eq!(limits.pids_limit, Some(256));
    assert_eq!(limits.cap_drop, Some(vec!["ALL".to_owned()]));
    let options = limits.security_opt.unwrap();
    assert_eq!(options[0], "no-new-privileges");
    assert!(options[1].starts_with("seccomp={"), "{}", options[1]);
    assert_eq!(limits.init, Some(true));
    let networks = details.network_settings.unwrap().networks.unwrap();
    let [network] = networks.keys().collect::<Vec<_>>()[..] else {
        panic!("{networks:?}")
    };
    let network = place.engine.docker().inspect_network(network, None).await;
    let options = network.unwrap().options.unwrap();
    assert_eq!(options["com.docker.network.bridge.enable_icc"], "false");
    assert!(limits.binds.is_none_or(|binds| binds.is_empty()));

    let listed = server.leases().await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["id"], lease["id"]);
    assert_eq!(listed[0]["expiryTime"], lease["expiryTime"]);

    let mut viewer = Viewer::open(&server, id, None).await;
    let greeting = viewer.line(|_| true).await;
    assert_eq!(
        greeting["message"],
        "ubuntu is ready and stays until its lease ends"
    );
    assert_eq!(greeting["level"], "info");
    assert_eq!(greeting["stream"], "stdout");
    assert!(str_of(&greeting["timestamp"]).ends_with('Z'));

    for (written, stream, level) in [
        ("the first line", "stdout", "info"),
        ("WARN: this is odd", "stdout", "warn"),
        ("ERROR: this is wrong", "stderr", "error"),
    ] {
        let descriptor = if stream == "stdout" { 1 } else { 2 };
        let script = format!("echo '{written}' > /proc/1/fd/{descriptor}");
        run_inside(place.engine.docker(), id, &script).await;
        let line = viewer.line(|_| true).await;
        assert_eq!(line["message"], written);
        assert_eq!(line["stream"], stream);
        assert_eq!(line["level"], level);
    }

    let deleted = server.delete(&format!("/api/containers/{id}")).await;
    assert_eq!(deleted.status, StatusCode::OK, "{}", deleted.text);
    assert_eq!(deleted.json()["success"], true);
    assert_eq!(place.containers().await, []);
    assert_eq!(server.leases().await, Vec::<serde_json::Value>::new());

    let ended = viewer.line(|line| line["event"] == "ended").await;
    assert_eq!(ended["reason"], "deleted");
    assert_eq!(ended["level"], "info");
    assert!(!str_of(&ended["message"]).is_empty());
    match viewer.next().await {
        Frame::Closed(Some(code)) => assert_eq!(code, CloseCode::Normal),
        other => panic!("{other:?} instead of a normal close"),
    }

    let receipt = &server.lease(id).await["receipt"];
    assert_eq!(receipt["reason"], "deleted");
    assert_eq!(receipt["attempts"], 1);

    let again = server.delete(&format!("/api/containers/{id}")).await;
    assert_eq!(again.status, StatusCode::OK, "a delete is always accepted");
    assert_eq!(again.json()["success"], true);
}
