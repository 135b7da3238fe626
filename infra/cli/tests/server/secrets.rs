//! Logs hold no secret, even at the most verbose level.

use std::time::Duration;

use containerlease_testkit::Receiver;
use serde_json::json;

use crate::harness::{Place, eventually, str_of};

#[tokio::test]
async fn the_most_talkative_log_has_no_secret() {
    let receiver = Receiver::start().await;
    let place = Place::new().await;
    // It has to outlive the server: dropping it removes the data folder.
    let place = place
        .with("CONTAINERLEASE_WEBHOOK_PRIVATE", "true")
        .with("RUST_LOG", "trace,[request]=trace,hyper=trace");
    let server = place.start().await;
    let given = "whsec_c2VjcmV0IG9mIHRoZSByZWNlaXZlciwgZ2l2ZW4=";
    let url = format!("{}?token=t0psecret", receiver.url());
    let mut signatures = Vec::new();
    for (secret, env) in [(Some(given), "hunter2hunter2"), (None, "swordfish99")] {
        let lease = server
            .provision(&json!({
                "imageType": "alpine", "durationMinutes": 1, "env": {"PASSWORD": env},
                "notifyUrl": url, "notifySecret": secret,
            }))
            .await;
        signatures.push(str_of(&lease["notifySecret"]).to_owned());
        let exec = format!("/api/containers/{}/exec", str_of(&lease["id"]));
        let run = server.request(http::Method::POST, &exec);
        let run = run.json(&json!({"command": ["echo", "c0mmand"], "stdin": "1nput"}));
        assert_eq!(crate::harness::answer(run).await.status, 200);
        server
            .delete(&format!("/api/containers/{}", str_of(&lease["id"])))
            .await;
    }
    let redis = server
        .provision(&json!({"imageType": "redis", "durationMinutes": 1, "notifyUrl": url}))
        .await;
    let address = str_of(&redis["ports"][0]["url"]);
    let (_, rest) = address
        .split_once("://default:")
        .expect("it has a password");
    let (password, _) = rest.split_once('@').expect("it has a host");
    server
        .delete(&format!("/api/containers/{}", str_of(&redis["id"])))
        .await;
    eventually(
        "the word of all ends",
        Duration::from_secs(20),
        async || (receiver.messages().len() == 3).then_some(()),
    )
    .await;
    for message in receiver.messages() {
        assert!(!message.body.contains(password), "{}", message.body);
        signatures.push(message.header("webhook-signature").to_owned());
    }
    let log = server.process.stderr();
    assert!(log.contains("DEBUG"), "our own lines are there: {log}");
    let signatures = signatures.iter().map(String::as_str);
    for secret in [
        "hunter2hunter2",
        "swordfish99",
        "t0psecret",
        "c0mmand",
        "1nput",
        "AWS4-HMAC",
        "PRIVATE KEY",
        password,
    ]
    .into_iter()
    .chain(signatures)
    {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
}
