//! The fields of a request that asks for notifications, and the secret that only its answer has.

use containerlease_domain::names::Owner;
use containerlease_testkit::{TestApp, events::Event};
use serde_json::json;

use super::test;
use crate::{alpine_with, assert_refused};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

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
