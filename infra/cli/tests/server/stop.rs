//! A server that is told to stop does so at once, and leaves the leases as they are.

use std::time::Duration;

use containerlease_testkit::{Fault, Proxy};
use http::{Method, StatusCode};
use serde_json::json;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::harness::{Frame, Place, Server, Viewer, answer, eventually, str_of};

#[tokio::test]
async fn a_server_that_is_terminated_keeps_its_leases() {
    keeps_its_leases(&Place::new().await, "TERM").await;
}

#[tokio::test]
async fn a_server_that_is_interrupted_keeps_its_leases() {
    keeps_its_leases(&Place::new().await, "INT").await;
}

async fn keeps_its_leases(place: &Place, signal: &str) {
    let mut server = place.start().await;
    // A run of the reaper holds a lease of a minute, and waits for its end.
    let lease = server
        .provision(&json!({"imageType": "alpine", "durationMinutes": 1}))
        .await;
    let id = str_of(&lease["id"]);
    let mut viewer = Viewer::open(&server, id, None).await;
    viewer.line(|line| line["stream"] == "stdout").await;

    server.signal(signal);
    match viewer.next().await {
        Frame::Closed(Some(code)) => assert_eq!(code, CloseCode::Away),
        other => panic!("{other:?} instead of a close"),
    }
    let status = server.process.end(Duration::from_secs(5)).await;
    assert_eq!(status.code(), Some(0), "{}", server.process.stderr());
    assert!(
        !server.process.stderr().contains("panicked"),
        "{}",
        server.process.stderr()
    );
    assert_eq!(place.containers().await.len(), 1);

    let server = place.start().await;
    let leases = server.leases().await;
    assert_eq!(leases.len(), 1);
    assert_eq!(leases[0]["id"], lease["id"]);
    assert_eq!(leases[0]["state"], "running");
    assert_eq!(leases[0]["expiryTime"], lease["expiryTime"]);
}

/// A server whose calls to start a container meet a fault, with the proxy that injects it.
async fn start_with_fault(place: &Place, fault: fn() -> Fault) -> (Server, Proxy) {
    let proxy = Proxy::before_unix(place.socket());
    proxy.on_each(move |seen| {
        if seen.is("POST", "/start") {
            fault()
        } else {
            Fault::None
        }
    });
    let socket = format!("unix://{}", proxy.unix().display());
    let server = place.start_with(&[("DOCKER_HOST", &socket)]).await;
    (server, proxy)
}

#[tokio::test]
async fn a_request_that_has_begun_is_answered_before_the_server_ends() {
    let place = Place::new().await;
    let slow = || Fault::Delayed(Duration::from_secs(2));
    let (mut server, proxy) = start_with_fault(&place, slow).await;
    let request = server.request(Method::POST, "/api/provision");
    let body = json!({"imageType": "alpine", "durationMinutes": 1});
    let provisioned = tokio::spawn(answer(request.json(&body)));
    starting(&proxy).await;

    server.signal("TERM");
    let provisioned = provisioned.await.unwrap();
    assert_eq!(
        provisioned.status,
        StatusCode::CREATED,
        "{}",
        provisioned.text
    );
    let status = server.process.end(Duration::from_secs(5)).await;
    assert_eq!(status.code(), Some(0), "{}", server.process.stderr());
    assert_eq!(place.containers().await.len(), 1);
}

/// A supervisor waits for a while and then kills; the server must be done before.
#[tokio::test]
async fn an_engine_that_hangs_does_not_keep_the_server_from_ending() {
    let place = Place::new().await;
    let hangs = || Fault::NeverSent(Box::new(|| {}));
    let (mut server, proxy) = start_with_fault(&place, hangs).await;
    let request = server.request(Method::POST, "/api/provision");
    let body = json!({"imageType": "alpine", "durationMinutes": 1});
    let provisioned = tokio::spawn(request.json(&body).send());
    starting(&proxy).await;

    server.signal("TERM");
    let status = server.process.end(Duration::from_secs(26)).await;
    assert_eq!(status.code(), Some(0), "{}", server.process.stderr());
    provisioned.abort();

    let server = place.start().await;
    let leases = server.leases().await;
    assert!(
        leases.iter().all(|lease| lease["state"] != "running"),
        "{leases:?}"
    );
}

/// Waits until the server has asked the engine to start a container.
async fn starting(proxy: &Proxy) {
    eventually("the start", Duration::from_secs(20), async || {
        let seen = proxy.seen();
        seen.iter()
            .any(|seen| seen.is("POST", "/start"))
            .then_some(())
    })
    .await;
}
