//! Notifications reach a lease's owner on time.

use std::{path::Path, process::Command, time::Duration};

use containerlease_domain::time::Time;
use containerlease_testkit::{Folder, Receiver};
use serde_json::json;

use crate::harness::{PROMPT, Place, eventually, str_of, time_of};

/// The shortest possible lease begins and ends between two runs of the reaper.
#[tokio::test]
async fn the_owner_of_a_lease_of_a_minute_is_warned_and_told_of_its_end() {
    let receiver = Receiver::start().await;
    let place = Place::new().await;
    // It has to outlive the server: dropping it removes the data folder.
    let place = place.with("CONTAINERLEASE_WEBHOOK_PRIVATE", "true");
    let server = place.start().await;
    // The reaper's first run is over, and has not seen the lease.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let lease = server
        .provision(&json!({
            "imageType": "alpine",
            "durationMinutes": 1,
            "notifyUrl": receiver.url(),
            "warnSeconds": 40,
        }))
        .await;
    assert!(str_of(&lease["notifySecret"]).starts_with("whsec_"));
    let warned_at = time_of(&lease["expiryTime"]).minus(Duration::from_secs(40));
    eventually("the word of its end", Duration::from_secs(75), async || {
        (receiver.messages().len() == 2).then_some(())
    })
    .await;
    let [warning, ended] = &receiver.messages()[..] else {
        unreachable!("there are two")
    };
    assert_eq!(warning.json()["type"], "lease.expiring");
    let late = warning.at.millis_since(warned_at);
    assert!(late >= 0, "the warning was {} ms early", -late);
    assert!(
        warned_at.until(warning.at) < PROMPT,
        "it was {late} ms late"
    );
    let told = ended.json();
    assert_eq!(told["type"], "lease.ended");
    assert_eq!(told["data"]["receipt"]["reason"], "expired");
    let happened = time_of(&told["timestamp"]);
    let late = ended.at.millis_since(happened);
    assert!(late >= 0, "the word was {} ms early", -late);
    assert!(happened.until(ended.at) < PROMPT, "it was {late} ms late");
    assert!(ended.at <= Time::now());
    let shown = eventually("what came of it", Duration::from_secs(5), async || {
        let lease = server.lease(str_of(&lease["id"])).await;
        let mut told = lease["notifications"].as_array()?.iter();
        told.all(|it| it["state"] == "delivered").then_some(lease)
    })
    .await;
    assert_eq!(
        shown["notifications"].as_array().map(Vec::len),
        Some(2),
        "{shown}"
    );
    let log = server.process.stderr();
    assert!(log.contains("told an owner"), "{log}");
    for secret in ["whsec_", "t0ken"] {
        assert!(
            !shown.to_string().contains(secret) && !log.contains(secret),
            "{secret}: {log}"
        );
    }
}

#[tokio::test]
async fn over_tls_a_receiver_is_told_whose_certificate_is_trusted_here_and_no_other() {
    let folder = Folder::random();
    let (trusted, unknown) = (
        certified(&folder, "trusted").await,
        certified(&folder, "unknown").await,
    );
    let place = Place::new().await;
    let authorities = folder.join("trusted.pem").display().to_string();
    let place = place.with("CONTAINERLEASE_WEBHOOK_PRIVATE", "true");
    let place = place.with("SSL_CERT_FILE", authorities);
    let server = place.start().await;
    for (receiver, state, why) in [
        (&trusted, "delivered", None),
        (
            &unknown,
            "pending",
            Some("the receiver's certificate is not trusted"),
        ),
    ] {
        let url = format!("https://localhost:{}/", receiver.port());
        let body = json!({"imageType": "alpine", "durationMinutes": 5, "notifyUrl": url});
        let lease = server.provision(&body).await;
        let path = format!("/api/containers/{}", str_of(&lease["id"]));
        assert_eq!(server.delete(&path).await.status, 200);
        let told = eventually("an attempt", Duration::from_secs(15), async || {
            let told = server.lease(str_of(&lease["id"])).await["notifications"][0].clone();
            let tried = !told["lastStatus"].is_null() || !told["lastError"].is_null();
            tried.then_some(told)
        })
        .await;
        assert_eq!(told["state"], state, "{told}");
        assert_eq!(told["lastError"].as_str(), why, "{told}");
    }
    assert_eq!((trusted.messages().len(), unknown.messages().len()), (1, 0));
}

/// A receiver with its own certificate, which is in `name.pem`.
async fn certified(folder: &Path, name: &str) -> Receiver {
    let file = |suffix: &str| folder.join(format!("{name}.{suffix}"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "1", "-newkey", "ec"])
        .args([
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-subj",
            "/CN=localhost",
        ])
        .args(["-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(file("key"))
        .arg("-out")
        .arg(file("pem"))
        .output()
        .expect("the tests need openssl");
    assert!(made.status.success(), "{made:?}");
    Receiver::over_tls(&file("pem"), &file("key")).await
}
