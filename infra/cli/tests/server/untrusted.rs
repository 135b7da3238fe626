//! The settings for untrusted users, `infra/local/untrusted.env`, as shipped.

use std::time::Duration;

use containerlease_domain::{egress::Egress, runtime::Runtime};
use containerlease_settings::{Settings, of_the_server};
use http::Method;
use serde_json::json;

use crate::harness::{Place, answer};

/// The variables that a shell would set from the file.
fn settings() -> Vec<(&'static str, &'static str)> {
    let file = include_str!("../../../local/untrusted.env");
    let lines = file
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let pairs = lines.map(|line| line.split_once('=').expect("each line sets a variable"));
    pairs.collect()
}

#[test]
fn all_that_they_set_is_read_and_bounds_a_lease_and_its_owner() {
    let pairs = settings();
    for (variable, _) in &pairs {
        let known = of_the_server().any(|row| row.variable == *variable);
        assert!(known, "nobody reads {variable}");
    }
    let lookup = |variable: &str| {
        let pair = pairs.iter().find(|(name, _)| *name == variable)?;
        Some(pair.1.to_owned())
    };
    let read = Settings::parse(lookup).expect("they can be used");
    let default = Settings::parse(|_| None).expect("the defaults can be used");
    assert_eq!(read.runtime.as_ref().map(Runtime::as_str), Some("runsc"));
    assert_eq!(read.policy.egress, [Egress::None]);
    let (policy, usual) = (read.policy, default.policy);
    assert!(policy.longest_lease <= Duration::from_secs(3_600));
    assert!(policy.leases_per_owner < usual.leases_per_owner);
    assert!(policy.owner_cpu_milli < usual.owner_cpu_milli);
    assert!(policy.owner_memory_mb < usual.owner_memory_mb);
    assert!(policy.owner_disk_mb < usual.owner_disk_mb);
    // No owner can take the whole host.
    assert!(
        policy
            .host_cpu_milli
            .is_some_and(|all| policy.owner_cpu_milli < all)
    );
    assert!(
        policy
            .host_memory_mb
            .is_some_and(|all| policy.owner_memory_mb < all)
    );
    assert!(
        policy
            .host_disk_mb
            .is_some_and(|all| policy.owner_disk_mb < all)
    );
    assert!(
        policy
            .host_containers
            .is_some_and(|all| policy.leases_per_owner < all)
    );
    assert!(!policy.private_webhooks);
    assert!(read.publish.address.is_loopback());
}

#[tokio::test]
async fn a_server_with_them_leases_nothing_where_the_engine_has_no_gvisor() {
    let place = Place::new().await;
    let docker = place.engine.docker();
    let info = docker.info().await.expect("the engine says what it has");
    let has_gvisor = info.runtimes.unwrap_or_default().contains_key("runsc");
    let server = place.start_with(&settings()).await;
    let warnings = server.get("/readyz").await.json()["warnings"].clone();
    let asked = json!({"imageType": "alpine", "durationMinutes": 5});
    let asked = server.request(Method::POST, "/api/provision").json(&asked);
    let answered = answer(asked).await;
    if has_gvisor {
        assert_eq!(warnings, json!([]));
        assert_eq!(answered.status, 201, "{}", answered.text);
    } else {
        assert_eq!(warnings[0]["kind"], "runtime-missing");
        assert_eq!(answered.status, 503, "{}", answered.text);
        assert_eq!(place.containers().await.len(), 0);
    }
    let long = json!({"imageType": "alpine", "durationMinutes": 61});
    let long = answer(server.request(Method::POST, "/api/provision").json(&long)).await;
    assert_eq!(long.status, 400, "{}", long.text);
}
