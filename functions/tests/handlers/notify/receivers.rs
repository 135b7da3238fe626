//! A receiver may fail, say nothing, be gone, or point to a place that is not told.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use containerlease_domain::{names::Owner, time::Time};
use containerlease_service::notify::deliver::Deliveries;
use containerlease_testkit::{Receiver, Reply, events::Event, receiver::Message};
use ring::hmac;
use serde_json::{Value, json};

use super::{deliver, notification, test, told};
use crate::{MINUTE, SECOND, alpine_with, get, lease, millis};

/// Asserts that the message's signature is valid under the specification of Standard Webhooks.
fn assert_signed(message: &Message, secret: &str) {
    let key = secret.strip_prefix("whsec_").expect("it is a secret");
    let key = BASE64.decode(key).expect("a secret is base64");
    let (id, at) = (
        message.header("webhook-id"),
        message.header("webhook-timestamp"),
    );
    let signature = message.header("webhook-signature").strip_prefix("v1,");
    let signature = BASE64.decode(signature.expect("it is of version 1"));
    hmac::verify(
        &hmac::Key::new(hmac::HMAC_SHA256, &key),
        format!("{id}.{at}.{}", message.body).as_bytes(),
        &signature.expect("a signature is base64"),
    )
    .expect("the signature is that of the message");
    let sent = Duration::from_secs(at.parse().expect("it is whole seconds"));
    let sent = Time::from_millis(0).plus(sent);
    assert!(message.at.millis_since(sent).abs() < 5_000, "{message:?}");
    assert_eq!(message.header("content-type"), "application/json");
}

#[tokio::test]
async fn a_receiver_that_fails_twice_hears_of_the_warning_and_of_the_end() {
    let (test, receiver) = test().await;
    receiver.replies([Reply::Status(500), Reply::Cut]);
    let provisioned = told(&test, &receiver).await;
    let (id, secret) = (provisioned.id(), provisioned.body["notifySecret"].clone());
    let secret = secret.as_str().expect("the answer has the secret");
    let warning = notification(&test, &id, "lease.expiring").await;
    let (at, expiry) = (
        millis(&warning, "nextAttemptAt"),
        millis(&provisioned.body, "expiryTime"),
    );
    assert_eq!(
        (expiry - at, &warning["state"]),
        (120_000, &json!("pending"))
    );

    test.table.age(179 * SECOND).await;
    let due = millis(
        &notification(&test, &id, "lease.expiring").await,
        "nextAttemptAt",
    );
    let report = test.reap().await;
    let deliveries = Deliveries {
        delivered: 1,
        attempts_failed: 2,
        given_up: 0,
        unreadable: 0,
    };
    assert_eq!(report.deliveries, deliveries);
    let warning = notification(&test, &id, "lease.expiring").await;
    assert_eq!(warning["state"], "delivered", "{warning}");
    assert_eq!(warning["attempts"], 3);
    assert_eq!(warning["lastStatus"], 204);
    assert_eq!(warning["lastError"], Value::Null);
    assert_eq!(warning["nextAttemptAt"], Value::Null);

    let messages = receiver.messages();
    assert_eq!(messages.len(), 3);
    let late = messages[0].at.as_millis() - due;
    assert!((0..5_000).contains(&late), "it was {late} ms late");
    for message in &messages {
        assert_signed(message, secret);
        assert_eq!(
            message.header("webhook-id"),
            warning["id"],
            "it is the same"
        );
        assert_eq!(message.body, messages[0].body);
    }
    let told = messages[0].json();
    assert_eq!(told["type"], "lease.expiring");
    assert_eq!(millis(&told, "timestamp"), due);
    assert_eq!(told["data"]["id"], id);
    assert_eq!(told["data"]["state"], "running");
    assert_eq!(told["data"]["receipt"], Value::Null);

    assert_eq!(
        Event::about("delete", &id).delete(&test.app).await.status,
        200
    );
    assert_eq!(test.reap().await.deliveries.delivered, 1);
    let messages = receiver.messages();
    assert_eq!(messages.len(), 4);
    assert_signed(&messages[3], secret);
    let told = messages[3].json();
    let ended = get(&test, &id).await;
    assert_eq!(told["type"], "lease.ended");
    assert_eq!(told["data"]["state"], "ended");
    assert_eq!(told["data"]["receipt"], ended["receipt"]);
    assert_eq!(told["timestamp"], ended["receipt"]["removedAt"]);
    assert_ne!(messages[3].header("webhook-id"), warning["id"]);
    for message in messages {
        assert!(!message.body.contains("whsec_") && !message.body.contains("t0ken"));
    }
    test.assert_told(&Owner::local(), &receiver, "one that ended")
        .await;
}

#[tokio::test]
async fn a_receiver_that_says_nothing_holds_up_no_end() {
    let (test, receiver) = test().await;
    receiver.replies((0..40).map(|_| Reply::Silence));
    let (first, second) = (told(&test, &receiver).await, told(&test, &receiver).await);
    // A warning of one lease and the end of the other are due, and both deliveries hang.
    let longer = Event::about("renew", &second.id()).body(&json!({"durationMinutes": 7}));
    assert_eq!(longer.renew(&test.app).await.status, 200);
    let silent = lease(&test).await;
    test.table.age(5 * MINUTE + SECOND).await;
    let report = test.reap().await;
    assert_eq!(report.expired, 2, "{report:?}");
    for id in [first.id(), silent] {
        let receipt = get(&test, &id).await["receipt"].clone();
        let took = millis(&receipt, "removedAt") - millis(&receipt, "requestedAt");
        assert!(took < 5_000, "{receipt}");
    }
    assert!(report.deliveries.attempts_failed >= 2, "{report:?}");
    let ended = notification(&test, &first.id(), "lease.ended").await;
    assert_eq!(ended["state"], "pending", "{ended}");
    assert_eq!(ended["lastError"], "there was no answer within 10 s");
    assert_eq!(ended["lastStatus"], Value::Null);
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_told_nothing_more() {
    let (test, receiver) = test().await;
    receiver.replies([Reply::Status(410)]);
    let id = told(&test, &receiver).await.id();
    test.table.age(181 * SECOND).await;
    assert_eq!(deliver(&test.app).await.given_up, 1);
    let warning = notification(&test, &id, "lease.expiring").await;
    assert_eq!(
        (&warning["state"], &warning["lastStatus"]),
        (&json!("failed"), &json!(410))
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (test, receiver) = test().await;
    let inside = Receiver::start().await;
    receiver.replies([Reply::RedirectTo(inside.url())]);
    let id = told(&test, &receiver).await.id();
    test.table.age(181 * SECOND).await;
    assert_eq!(deliver(&test.app).await.attempts_failed, 1);
    let warning = notification(&test, &id, "lease.expiring").await;
    assert_eq!(
        (&warning["state"], &warning["lastStatus"]),
        (&json!("pending"), &json!(302))
    );
    assert_eq!(inside.connections(), 0);
}

#[tokio::test]
async fn a_name_with_an_address_of_ours_is_refused_before_it_is_connected_to() {
    let (test, receiver) = test().await;
    // Accepted while private addresses were allowed, and delivered when they no longer are.
    let url = format!("https://localhost:{}/", receiver.port());
    let answer = alpine_with(json!({"notifyUrl": url, "warnSeconds": 120}));
    let id = answer.provision(&test.app).await.id();
    test.table.age(181 * SECOND).await;
    let public = test.process_with_public_webhooks();
    assert_eq!(deliver(&public).await.attempts_failed, 1);
    let warning = notification(&test, &id, "lease.expiring").await;
    assert_eq!(
        (&warning["state"], &warning["attempts"]),
        (&json!("pending"), &json!(1))
    );
    let why = warning["lastError"].as_str().unwrap_or_default();
    assert!(why.contains("not on the public internet"), "{warning}");
    assert_eq!(receiver.connections(), 0);
}
