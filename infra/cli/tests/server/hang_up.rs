//! Clients that hang up right after their request: the request is still carried out.

use std::time::{Duration, Instant};

use containerlease_testkit::{Fault, Proxy};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{PATIENCE, Place, Server, answer, eventually, send, str_of, time_of};

/// How long started work may take on few cores. It is well below the time after which an abandoned
/// claim or provision is taken over.
const SOON: Duration = Duration::from_secs(20);

/// How many milliseconds after its request a client hangs up; and whether with a reset, which at
/// once may take the request along.
const HANG_UPS: [(u64, bool); 6] = [
    (0, false),
    (1, false),
    (20, false),
    (20, true),
    (100, false),
    (100, true),
];

/// A server whose engine is slow to start and to stop a container, so that clients hang up in the
/// middle.
async fn start_slow(place: &Place) -> (Server, Proxy) {
    let proxy = Proxy::before_unix(place.socket());
    proxy.on_each(|seen| {
        if seen.is("POST", "/start") || seen.is("POST", "/stop") {
            Fault::Delayed(Duration::from_millis(300))
        } else {
            Fault::None
        }
    });
    let socket = format!("unix://{}", proxy.unix().display());
    let server = place.start_with(&[("DOCKER_HOST", &socket)]).await;
    (server, proxy)
}

async fn ask_and_hang_up(
    server: &Server,
    method: Method,
    path: &str,
    body: &str,
    (after, reset): (u64, bool),
) {
    let (host, length) = (server.address, body.len());
    // Some hang up before the server could look up the connection's user.
    let token = &server.token;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let stream = send(server, request.as_bytes()).await;
    tokio::time::sleep(Duration::from_millis(after)).await;
    if reset {
        stream.set_zero_linger().expect("a socket takes that");
    }
}

fn path_of(lease: &Value) -> String {
    format!("/api/containers/{}", str_of(&lease["id"]))
}

fn an_alpine() -> Value {
    json!({"imageType": "alpine", "durationMinutes": 5})
}

#[tokio::test]
async fn a_delete_goes_on_without_its_caller() {
    let place = Place::new().await;
    let (server, _proxy) = start_slow(&place).await;
    for hang_up in HANG_UPS {
        let path = path_of(&server.provision(&an_alpine()).await);
        ask_and_hang_up(&server, Method::DELETE, &path, "", hang_up).await;
        let what = format!("the end with a hang-up of {hang_up:?}");
        eventually(&what, SOON, async || {
            let lease = server.get(&path).await.json();
            (lease["state"] == "ended").then_some(())
        })
        .await;
    }
    assert_eq!(place.containers().await, []);
}

#[tokio::test]
async fn a_provision_goes_on_without_its_caller() {
    let place = Place::new().await;
    let (server, _proxy) = start_slow(&place).await;
    let body = an_alpine().to_string();
    for (index, hang_up) in HANG_UPS.into_iter().enumerate() {
        ask_and_hang_up(&server, Method::POST, "/api/provision", &body, hang_up).await;
        let what = format!("the lease with a hang-up of {hang_up:?}");
        eventually(&what, SOON, async || {
            let leases = server.leases().await;
            let run = leases.iter().filter(|lease| lease["state"] == "running");
            (run.count() == index + 1).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_renewal_goes_on_without_its_caller() {
    let place = Place::new().await;
    let (server, _proxy) = start_slow(&place).await;
    let lease = server.provision(&an_alpine()).await;
    let path = path_of(&lease);
    let mut end = time_of(&lease["expiryTime"]);
    for (index, hang_up) in HANG_UPS.into_iter().enumerate() {
        let body = json!({"durationMinutes": 10 * (index + 1)}).to_string();
        let renew = format!("{path}/renew");
        ask_and_hang_up(&server, Method::POST, &renew, &body, hang_up).await;
        let what = format!("the later end with a hang-up of {hang_up:?}");
        end = eventually(&what, SOON, async || {
            let lease = server.get(&path).await.json();
            let later = time_of(&lease["expiryTime"]);
            (later > end).then_some(later)
        })
        .await;
    }
}

/// Another request is already ending the lease; a repeated delete waits for that end.
#[tokio::test]
async fn a_second_delete_waits_for_the_end_that_is_under_way() {
    let place = Place::new().await;
    let (server, proxy) = start_slow(&place).await;
    let path = path_of(&server.provision(&an_alpine()).await);
    ask_and_hang_up(&server, Method::DELETE, &path, "", (0, false)).await;
    eventually("the stop", PATIENCE, async || {
        let seen = proxy.seen();
        let stops = seen.iter().any(|seen| seen.is("POST", "/stop"));
        stops.then_some(())
    })
    .await;
    let asked = Instant::now();
    let again = answer(server.request(Method::DELETE, &path)).await;
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
    assert_eq!(again.status, StatusCode::OK, "{}", again.text);
    assert_eq!(again.json()["state"], "ended");
}
