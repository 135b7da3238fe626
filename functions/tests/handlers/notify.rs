//! Notifications of owners, with a real receiver.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use containerlease_domain::{names::Owner, notification::DELIVERY_CLAIM_LIMIT, time::Time};
use containerlease_functions::{app::App, jobs::cleanup};
use containerlease_service::{notify::deliver::Deliveries, reaper::run};
use containerlease_testkit::{
    Fault, Receiver, Reply, TestApp, TestAppOptions,
    events::{Answer, Event},
    receiver::Message,
    test_app::LOOK_AHEAD,
};
use futures_util::future::join_all;
use ring::hmac;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{MINUTE, SECOND, alpine_with, assert_refused, get, lease, millis, wait_for};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

async fn test() -> (TestApp, Receiver) {
    let test = TestAppOptions::default().private_webhooks().build().await;
    (test, Receiver::start().await)
}

/// A new lease for five minutes whose owner is warned two minutes before its end.
async fn told(test: &TestApp, receiver: &Receiver) -> Answer {
    let notify = json!({"notifyUrl": receiver.url(), "warnSeconds": 120});
    let answer = alpine_with(notify).provision(&test.app).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer
}

/// Delivers what is due now.
async fn deliver(app: &App) -> Deliveries {
    let reaper = cleanup::reaper(app, LOOK_AHEAD, CancellationToken::new());
    cleanup::deliver(&reaper, Time::now()).await
}

/// The lease's notification of that event; null if it has none.
async fn notification(test: &TestApp, id: &str, event: &str) -> Value {
    let lease = get(test, id).await;
    let all = lease["notifications"].as_array();
    let all = all.expect("a lease has its notifications").iter();
    let mut of_event = all.filter(|it| it["event"] == event);
    of_event.next().cloned().unwrap_or(Value::Null)
}

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
async fn an_end_by_the_reaper_is_told_in_the_same_run_and_the_warning_before_it_not_any_more() {
    let (test, receiver) = test().await;
    let id = told(&test, &receiver).await.id();
    test.table.age(298 * SECOND).await;
    receiver.replies([Reply::Status(503)]);
    let report = test.reap().await;
    assert_eq!(
        (report.expired, report.deliveries.delivered),
        (1, 1),
        "{report:?}"
    );
    let ended = notification(&test, &id, "lease.ended").await;
    assert_eq!(ended["state"], "delivered", "{ended}");
    // The warning was due and its attempt failed; now that the lease has ended, it is dropped.
    let warning = notification(&test, &id, "lease.expiring").await;
    assert_eq!(warning["state"], "dropped", "{warning}");
    assert_eq!(warning["lastStatus"], 503);
    assert_eq!(deliver(&test.app).await, Deliveries::default());
}

#[tokio::test]
async fn an_end_that_takes_longer_than_the_window_is_told_in_the_same_run() {
    let (test, receiver) = test().await;
    let answer = alpine_with(json!({"notifyUrl": receiver.url()}));
    let id = answer.provision(&test.app).await.id();
    test.table.age(Duration::from_millis(299_500)).await;
    // The lease expires within the window, but its container is gone only after it.
    let expiry = millis(&get(&test, &id).await, "expiryTime");
    let now = Time::now();
    let window = now.until(Time::from_millis(expiry));
    let reaper = cleanup::reaper(&test.app, window, CancellationToken::new());
    let report = run(&reaper, now, now.plus(MINUTE)).await;
    let report = report.expect("the reaper runs");
    assert_eq!(
        (report.expired, report.deliveries.delivered),
        (1, 1),
        "{report:?}"
    );
}

#[tokio::test]
async fn a_renewal_moves_the_warning_and_each_end_is_warned_of_once() {
    let (test, receiver) = test().await;
    let id = told(&test, &receiver).await.id();
    let renew = async |minutes: u32| {
        let event = Event::about("renew", &id).body(&json!({"durationMinutes": minutes}));
        let renewed = event.renew(&test.app).await;
        assert_eq!(renewed.status, 200, "{renewed:?}");
        let warning = notification(&test, &id, "lease.expiring").await;
        let at = millis(&warning, "nextAttemptAt");
        assert_eq!(millis(&renewed.body, "expiryTime") - at, 120_000);
        warning["id"].clone()
    };
    renew(10).await;
    test.table.age(200 * SECOND).await;
    assert_eq!(
        deliver(&test.app).await,
        Deliveries::default(),
        "it was moved"
    );
    test.table.age(281 * SECOND).await;
    assert_eq!(deliver(&test.app).await.delivered, 1);
    assert_eq!(deliver(&test.app).await.delivered, 0, "it is told once");
    // The request asks for an earlier end than the current one.
    let shorter = Event::about("renew", &id).body(&json!({"durationMinutes": 1}));
    assert_eq!(shorter.renew(&test.app).await.status, 200);
    assert_eq!(deliver(&test.app).await.delivered, 0, "it is the same end");
    let another = renew(3).await;
    test.table.age(61 * SECOND).await;
    assert_eq!(deliver(&test.app).await.delivered, 1);
    let messages = receiver.messages();
    assert_eq!(messages.len(), 2);
    assert_ne!(
        messages[0].header("webhook-id"),
        messages[1].header("webhook-id")
    );
    assert_ne!(messages[0].header("webhook-id"), another);
}

#[tokio::test]
async fn any_number_of_reapers_at_once_deliver_once() {
    let (test, receiver) = test().await;
    for _ in 0..3 {
        told(&test, &receiver).await;
    }
    // All runs wait for the warnings to fall due.
    test.table.age(178 * SECOND).await;
    let reports = join_all((0..4).map(|_| test.reap())).await;
    let delivered: usize = reports.iter().map(|it| it.deliveries.delivered).sum();
    assert_eq!(
        (delivered, receiver.messages().len()),
        (3, 3),
        "{reports:?}"
    );
}

#[tokio::test]
async fn a_delivery_that_was_cut_off_is_made_again_by_somebody_else() {
    let (test, receiver) = test().await;
    let id = told(&test, &receiver).await.id();
    test.table.age(181 * SECOND).await;
    receiver.replies([Reply::Silence]);
    tokio::select! {
        _ = deliver(&test.app) => panic!("nobody has answered"),
        () = wait_for("the message", async || receiver.messages().len() == 1) => {}
    }
    assert_eq!(deliver(&test.app).await.delivered, 0, "it is claimed");
    test.table.age(DELIVERY_CLAIM_LIMIT).await;
    assert_eq!(deliver(&test.app).await.delivered, 1);
    let warning = notification(&test, &id, "lease.expiring").await;
    assert_eq!(
        (&warning["state"], &warning["attempts"]),
        (&json!("delivered"), &json!(2))
    );
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
async fn an_answer_that_the_table_loses_is_no_error() {
    let plan = TestAppOptions::default().proxied().private_webhooks();
    let (test, receiver) = (plan.build().await, Receiver::start().await);
    for lost in 0..2 {
        let (test, calls) = (&test, std::sync::atomic::AtomicUsize::new(0));
        test.table_proxy().on_each(move |seen| {
            let changes = seen.is_operation("TransactWriteItems");
            if changes && calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == lost {
                Fault::AnswerLost
            } else {
                Fault::None
            }
        });
        told(test, &receiver).await;
    }
    let id = told(&test, &receiver).await.id();
    for verb in ["renew", "delete"] {
        let already = std::sync::atomic::AtomicBool::new(false);
        test.table_proxy().on_each(move |seen| {
            let changes = seen.is_operation("TransactWriteItems");
            if changes && !already.swap(true, std::sync::atomic::Ordering::SeqCst) {
                Fault::AnswerLost
            } else {
                Fault::None
            }
        });
        let answer = match verb {
            "renew" => Event::about(verb, &id).renew(&test.app).await,
            _ => Event::about(verb, &id).delete(&test.app).await,
        };
        assert_eq!(answer.status, 200, "{verb}: {answer:?}");
    }
    test.table_proxy().heal();
    assert_eq!(deliver(&test.app).await.delivered, 1);
    test.assert_told(&Owner::local(), &receiver, "answers were lost")
        .await;
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

#[tokio::test]
async fn what_cannot_be_told_so_is_refused_with_its_field() {
    let test = TestApp::new().await;
    let long = "a".repeat(3_000);
    for (fields, at) in [
        (json!({"notifyUrl": "https://127.0.0.1/"}), "notifyUrl"),
        (json!({"notifyUrl": "https://[::1]/"}), "notifyUrl"),
        (
            json!({"notifyUrl": "https://169.254.169.254/latest"}),
            "notifyUrl",
        ),
        (json!({"notifyUrl": "https://localhost/"}), "notifyUrl"),
        (json!({"notifyUrl": "https://2130706433/"}), "notifyUrl"),
        (json!({"notifyUrl": "https://0x7f.1/"}), "notifyUrl"),
        (json!({"notifyUrl": "http://example.org/"}), "notifyUrl"),
        (
            json!({"notifyUrl": "https://u:p4ss@example.org/"}),
            "notifyUrl",
        ),
        (
            json!({"notifyUrl": format!("https://example.org/{long}")}),
            "notifyUrl",
        ),
        (json!({"notifyUrl": 7}), "notifyUrl"),
        (
            json!({"notifyUrl": "https://example.org/", "warnSeconds": 300}),
            "warnSeconds",
        ),
        (
            json!({"notifyUrl": "https://example.org/", "warnSeconds": 0}),
            "warnSeconds",
        ),
        (
            json!({"notifyUrl": "https://example.org/", "warnSeconds": "9"}),
            "warnSeconds",
        ),
        (
            json!({"notifyUrl": "https://example.org/", "notifySecret": "p4ss"}),
            "notifySecret",
        ),
        (json!({"warnSeconds": 60}), "warnSeconds"),
        (json!({"notifySecret": SECRET}), "notifySecret"),
    ] {
        let answer = alpine_with(fields.clone()).provision(&test.app).await;
        assert_refused(&answer, "invalid-request");
        let errors = answer.body["errors"]
            .as_array()
            .expect("it names the fields");
        assert_eq!(errors.len(), 1, "{fields}: {answer:?}");
        assert_eq!(errors[0]["field"], at, "{fields}");
        assert!(!answer.body.to_string().contains("p4ss"), "{answer:?}");
    }
    assert!(test.place.containers().await.is_empty());
}

#[tokio::test]
async fn the_secret_is_in_the_answers_of_the_provision_and_nowhere_else() {
    let (test, receiver) = test().await;
    let asked = |secret: &str| {
        let fields = json!({"notifyUrl": receiver.url(), "notifySecret": secret});
        alpine_with(fields).header("idempotency-key", "once")
    };
    let first = asked(SECRET).provision(&test.app).await;
    let again = asked(SECRET).provision(&test.app).await;
    assert_eq!(
        (first.status, again.status),
        (201, 201),
        "{first:?} {again:?}"
    );
    assert_eq!(first.id(), again.id());
    assert_eq!(first.body["notifySecret"], SECRET);
    assert_eq!(again.body["notifySecret"], SECRET);
    let other = asked("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert_refused(&other.provision(&test.app).await, "idempotency-conflict");
    let plain = alpine_with(json!({})).provision(&test.app).await;
    assert!(plain.body.get("notifySecret").is_none(), "{plain:?}");
    // An owner who gives no secret gets a generated one, and the same one on a repeat.
    let made = alpine_with(json!({"notifyUrl": receiver.url()})).header("idempotency-key", "made");
    let secret = made.clone().provision(&test.app).await.body["notifySecret"].clone();
    assert_eq!(made.provision(&test.app).await.body["notifySecret"], secret);
    assert!(
        secret
            .as_str()
            .is_some_and(|secret| secret.starts_with("whsec_"))
    );

    let id = first.id();
    let about = |name| Event::about(name, &id);
    let mut answers = vec![about("renew").renew(&test.app).await];
    answers.push(about("get").list(&test.app).await);
    answers.push(Event::saved("list").list(&test.app).await);
    answers.push(about("delete").delete(&test.app).await);
    answers.push(about("get").list(&test.app).await);
    let history = Event::saved("list").query("state=all");
    answers.push(history.list(&test.app).await);
    for answer in answers {
        assert_eq!(answer.status, 200, "{answer:?}");
        let text = answer.body.to_string();
        assert!(
            !text.contains("whsec_") && !text.contains("t0ken"),
            "{text}"
        );
    }
    let kept = test.lease(&Owner::local(), &id).await;
    assert!(!format!("{kept:?}").contains(&SECRET["whsec_".len()..]));
}
