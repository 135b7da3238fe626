//! The server is killed in the middle of its work, as the kernel does when memory is short, and
//! started again: nothing leaks, and no lease is forgotten.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use containerlease_domain::{lease::PROVISION_LIMIT, time::Time};
use containerlease_testkit::{Fault, Proxy, Seen, server::signal};
use futures_util::{StreamExt as _, stream};
use http::Method;
use serde_json::{Value, json};

use crate::harness::{PROMPT, Place, Server, eventually, sleep_until, str_of, time_of};

const TICK: Duration = Duration::from_secs(2);

/// How long an end takes at most while many servers work on few cores.
const END: Duration = Duration::from_secs(20);

/// How many servers are killed at the same time: one engine has to keep up with all of them.
const AT_ONCE: usize = 5;

/// The least number of engine calls that each verb makes.
const ALWAYS: usize = 3;

/// The server's work when it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Provision,
    Delete,
}

/// The call to the engine before or after which the server is killed.
#[derive(Clone, Copy, Debug)]
struct Point {
    verb: Verb,
    call: usize,
    carried_out: bool,
}

#[tokio::test]
async fn a_server_that_is_killed_at_any_step_of_a_provision_leaks_nothing() {
    killed_at_any_step(Verb::Provision).await;
}

#[tokio::test]
async fn a_server_that_is_killed_at_any_step_of_a_delete_leaks_nothing() {
    killed_at_any_step(Verb::Delete).await;
}

async fn killed_at_any_step(verb: Verb) {
    // The number of calls depends on whether the engine has the registry's image.
    let calls = calls_of(verb).await;
    assert!(calls.len() >= ALWAYS, "{calls:?}");
    let points = (0..calls.len()).flat_map(|call| {
        [false, true].map(|carried_out| Point {
            verb,
            call,
            carried_out,
        })
    });
    let points: Vec<_> = points.collect();
    let walked: Vec<(Point, bool)> = stream::iter(points)
        .map(async |point| (point, killed_at(point).await))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    // The recorded run may have made a call that other runs do not need: that depends on how fast a
    // program stops.
    for (point, reached) in walked {
        assert!(
            reached || point.call >= ALWAYS,
            "{point:?} of {calls:?} was not reached"
        );
    }
}

/// A place for one lease at a time, so that a leaked quota shows.
async fn place() -> Place {
    Place::new()
        .await
        .with("CONTAINERLEASE_TICK_SECONDS", TICK.as_secs().to_string())
        .with("CONTAINERLEASE_MAX_LEASES", "1")
}

/// A server whose calls to the engine go through the proxy.
async fn start_behind(place: &Place, proxy: &Proxy) -> Server {
    let socket = format!("unix://{}", proxy.unix().display());
    // A separate network adds one more call that can be cut.
    let own = ("CONTAINERLEASE_NETWORK", "own");
    place.start_with(&[("DOCKER_HOST", &socket), own]).await
}

/// Whether a verb made the call, not the reaper or a readiness check.
fn is_of_verb(seen: &Seen) -> bool {
    seen.path.contains("/networks/")
        || seen.path.contains("/containers/") && !seen.path.contains("/containers/json")
}

/// The verb's calls to the engine without any fault.
async fn calls_of(verb: Verb) -> Vec<String> {
    let place = place().await;
    let proxy = Proxy::before_unix(place.socket());
    let server = start_behind(&place, &proxy).await;
    let calls = || proxy.seen().into_iter().filter(is_of_verb);
    let lease = server.provision(&a_redis()).await;
    let provisioned = calls().count();
    let deleted = server.delete(&path_of(&lease)).await;
    assert_eq!(deleted.status, 200, "{}", deleted.text);
    let calls = calls().map(|seen| seen.to_string());
    match verb {
        Verb::Provision => calls.take(provisioned).collect(),
        Verb::Delete => calls.skip(provisioned).collect(),
    }
}

/// A container with a port, which needs one more engine call.
fn a_redis() -> Value {
    json!({"imageType": "redis", "durationMinutes": 5})
}

fn path_of(lease: &Value) -> String {
    format!("/api/containers/{}", str_of(&lease["id"]))
}

/// Whether the server got as far as this point.
async fn killed_at(point: Point) -> bool {
    let place = place().await;
    let proxy = Proxy::before_unix(place.socket());
    let mut server = start_behind(&place, &proxy).await;
    let leased = match point.verb {
        Verb::Provision => None,
        Verb::Delete => Some(server.provision(&a_redis()).await),
    };

    let pid = server.process.pid();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    proxy.on_each(move |seen| {
        if !is_of_verb(seen) || counted.fetch_add(1, Ordering::SeqCst) != point.call {
            return Fault::None;
        }
        let kill = Box::new(move || signal(pid, "KILL"));
        if point.carried_out {
            Fault::NeverAnswered(kill)
        } else {
            Fault::NeverSent(kill)
        }
    });
    let request = match &leased {
        None => server
            .request(Method::POST, "/api/provision")
            .json(&a_redis()),
        Some(lease) => server.request(Method::DELETE, &path_of(lease)),
    };
    if let Ok(answer) = request.send().await {
        let reached = calls.load(Ordering::SeqCst) > point.call;
        assert!(!reached, "{point:?}: it lives and says {answer:?}");
        return false;
    }
    let killed_at = Time::now();
    server.process.kill();
    drop(server);

    // The record was written before the engine call.
    let server = place.start().await;
    let (lease, reason) = if let Some(lease) = leased {
        // This server takes over the earlier one's claims at once.
        (lease, "deleted")
    } else {
        let leases = server.leases().await;
        let [lease] = leases.as_slice() else {
            panic!("{point:?}: {leases:?}")
        };
        assert_eq!(lease["state"], "provisioning", "{point:?}");
        sleep_until(killed_at.plus(PROVISION_LIMIT)).await;
        (lease.clone(), "failed")
    };
    let path = path_of(&lease);
    eventually(&format!("{point:?}"), 2 * TICK + END, async || {
        let lease = server.get(&path).await.json();
        (lease["state"] == "ended").then_some(())
    })
    .await;
    let receipt = &server.get(&path).await.json()["receipt"];
    assert_eq!(receipt["reason"], reason, "{point:?}");
    assert_eq!(place.containers().await, [], "{point:?}");
    assert_eq!(server.leases().await, Vec::<Value>::new(), "{point:?}");

    // There is room for exactly one more.
    let again = server.provision(&a_redis()).await;
    assert_eq!(place.containers().await.len(), 1, "{point:?}");
    let deleted = server.delete(&path_of(&again)).await;
    assert_eq!(deleted.status, 200, "{point:?}: {}", deleted.text);
    let networks = place.engine.networks().await;
    assert!(networks.len() <= 1, "{point:?}: {networks:?}");
    true
}

/// Both are tested at once, since the shortest lease takes a minute.
#[tokio::test]
async fn leases_of_a_server_that_was_killed_end_on_time_or_as_soon_as_it_is_back() {
    tokio::join!(back_before_the_end(), back_after_the_end());
}

async fn leased_and_killed(place: &Place) -> Value {
    let mut server = place.start().await;
    let lease = server
        .provision(&json!({"imageType": "alpine", "durationMinutes": 1}))
        .await;
    server.process.kill();
    assert_eq!(place.containers().await.len(), 1);
    lease
}

async fn back_before_the_end() {
    let place = Place::new().await;
    let lease = leased_and_killed(&place).await;
    let expiry = time_of(&lease["expiryTime"]);
    let server = place.start().await;
    let leases = server.leases().await;
    assert_eq!(leases.len(), 1);
    assert_eq!(leases[0]["id"], lease["id"]);
    assert_eq!(leases[0]["state"], "running");
    assert_eq!(leases[0]["expiryTime"], lease["expiryTime"]);

    sleep_until(expiry).await;
    eventually("its end", PROMPT, async || {
        place.containers().await.is_empty().then_some(())
    })
    .await;
    ended_as_expired(&server, &lease).await;
}

async fn back_after_the_end() {
    let place = Place::new().await;
    let lease = leased_and_killed(&place).await;
    sleep_until(time_of(&lease["expiryTime"]).plus(Duration::from_secs(3))).await;
    assert_eq!(place.containers().await.len(), 1, "nobody was there");
    // The tick is a minute, so only the run at the start can end it so soon.
    let server = place.start().await;
    eventually("its end", PROMPT, async || {
        place.containers().await.is_empty().then_some(())
    })
    .await;
    ended_as_expired(&server, &lease).await;
}

async fn ended_as_expired(server: &Server, lease: &Value) {
    // The receipt is written right after the container is gone.
    let ended = eventually("its receipt", PROMPT, async || {
        let lease = server.lease(str_of(&lease["id"])).await;
        (lease["state"] == "ended").then_some(lease)
    })
    .await;
    assert_eq!(ended["receipt"]["reason"], "expired");
}
