//! What an operator ought to put right is said where he looks.

use serde_json::json;

use crate::harness::Place;

const VARIABLE: &str = "CONTAINERLEASE_FIREWALL";

#[tokio::test]
async fn a_firewall_that_is_missing_is_said_with_what_sets_it() {
    let place = Place::new().await;
    let server = place.start_with(&[(VARIABLE, "missing")]).await;
    let ready = server.get("/readyz").await;
    assert_eq!(ready.status, 200, "leases can be made all the same");
    let warning = &ready.json()["warnings"][0];
    assert_eq!(warning["kind"], "firewall-missing");
    let command = warning["command"].as_str().unwrap();
    let greeting = server.process.stdout();
    assert!(greeting.contains(command), "{greeting}");
    let script = command.split(' ').nth(1).unwrap();
    let repository = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    assert!(std::path::Path::new(repository).join(script).is_file());
}

#[tokio::test]
async fn one_that_is_there_or_that_nobody_has_looked_at_is_not_complained_of() {
    for value in ["up", ""] {
        let place = Place::new().await;
        let server = place.start_with(&[(VARIABLE, value)]).await;
        assert_eq!(server.get("/readyz").await.json()["warnings"], json!([]));
        assert!(!server.process.stdout().contains("WARNING"));
    }
}
