//! An engine that is away, fails or hangs, and a guard that is killed: what is overdue still goes.

use std::{
    fs,
    os::unix::fs::symlink,
    sync::Mutex,
    time::{Duration, Instant},
};

use bollard::query_parameters::RemoveContainerOptionsBuilder;
use containerlease_domain::time::Time;
use containerlease_testkit::{Fault, Folder, Place, Proxy, wait::PATIENCE};
use http::StatusCode;

use crate::{Guard, gone, ours, started};

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_an_engine_that_is_not_there_and_for_one_that_comes_back() {
    let place = Place::new().await;
    let past = Time::now().to_string();
    let first = started(&place, &ours(&place, &past)).await;
    let folder = Folder::random();
    let path = folder.join("docker.sock");

    let guard = Guard::start(&place, &path);
    guard
        .says("nothing can be guarded until the engine answers")
        .await;
    let proxy = Proxy::before_unix(place.socket());
    symlink(proxy.unix(), &path).expect("a folder of one's own can be written");
    gone(&place, &first, &guard).await;
    guard.says("the engine answers again").await;

    // The engine stops, and its socket's path stays.
    drop(proxy);
    let second = started(&place, &ours(&place, &past)).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(place.is_there(&second).await);
    let proxy = Proxy::before_unix(place.socket());
    fs::remove_file(&path).expect("it is ours");
    symlink(proxy.unix(), &path).expect("a folder of one's own can be written");
    gone(&place, &second, &guard).await;
    let log = guard.log();
    assert_eq!(log.matches("until the engine answers").count(), 2, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_resists_or_hangs_does_not_keep_the_others() {
    let place = Place::new().await;
    let past = Time::now().to_string();
    let refused = started(&place, &ours(&place, &past)).await;
    let hanging = started(&place, &ours(&place, &past)).await;
    let proxy = Proxy::before_unix(place.socket());
    let (refuses, hangs) = (refused.clone(), hanging.clone());
    proxy.on_each(move |seen| {
        if seen.is("DELETE", &refuses) {
            let message = r#"{"message":"the device is busy"}"#.to_owned();
            Fault::Answered(StatusCode::INTERNAL_SERVER_ERROR, message)
        } else if seen.is("DELETE", &hangs) {
            Fault::NeverSent(Box::new(|| {}))
        } else {
            Fault::None
        }
    });
    let mut others = Vec::new();
    for _ in 0..10 {
        others.push(place.stray(&ours(&place, &past)).await);
    }
    let begun = Instant::now();
    let guard = Guard::start(&place, proxy.unix());
    for other in &others {
        gone(&place, other, &guard).await;
    }
    // Far below the 10 s that the guard waits for the removal that hangs.
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}: {}", guard.log());
    guard
        .says("the engine answered 500: the device is busy")
        .await;
    guard.says("did not answer in 10 s").await;
    assert!(place.is_there(&refused).await && place.is_there(&hanging).await);

    proxy.heal();
    gone(&place, &refused, &guard).await;
    gone(&place, &hanging, &guard).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_fails_ends_nothing_and_is_tried_again() {
    let place = Place::new().await;
    let past = Time::now().to_string();
    let id = started(&place, &ours(&place, &past)).await;
    let proxy = Proxy::before_unix(place.socket());
    proxy.on_each(|seen| match seen.index {
        0 => Fault::Answered(StatusCode::INTERNAL_SERVER_ERROR, "{}".to_owned()),
        1 => Fault::Cut,
        2 => Fault::Answered(StatusCode::OK, "not JSON".to_owned()),
        _ => Fault::None,
    });
    let guard = Guard::start(&place, proxy.unix());
    gone(&place, &id, &guard).await;
    assert!(
        proxy.seen()[..3]
            .iter()
            .all(|one| one.is("GET", "/containers/json"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_another_removes_at_that_moment_is_no_fault() {
    let place = Place::new().await;
    let past = Time::now().to_string();
    let id = started(&place, &ours(&place, &past)).await;
    let proxy = Proxy::before_unix(place.socket());
    // It was listed, and is gone before the guard's removal arrives.
    let (ask, asked) = std::sync::mpsc::channel();
    let (tell, told) = std::sync::mpsc::channel();
    let told = Mutex::new(told);
    proxy.on_each(move |seen| {
        if seen.is("DELETE", "/containers/") {
            ask.send(()).ok();
            // Blocking is fine: the test's runtime has other threads.
            let told = told.lock().expect("nobody panics with it");
            tokio::task::block_in_place(|| told.recv_timeout(PATIENCE)).ok();
        }
        Fault::None
    });
    let (engine, listed) = (place.docker().clone(), id.clone());
    tokio::spawn(async move {
        let asked = tokio::task::spawn_blocking(move || asked.recv_timeout(PATIENCE));
        asked.await.expect("it does not panic").expect("it removes");
        let options = RemoveContainerOptionsBuilder::new().force(true).build();
        drop(engine.remove_container(&listed, Some(options)).await);
        tell.send(()).ok();
    });
    let guard = Guard::start(&place, proxy.unix());
    guard.says("was removed by another").await;
    assert!(!guard.log().contains("ERROR"), "{}", guard.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_that_was_killed_in_the_middle_goes_on_when_it_is_started_again() {
    let place = Place::new().await;
    let past = Time::now().to_string();
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(started(&place, &ours(&place, &past)).await);
    }
    let proxy = Proxy::before_unix(place.socket());
    let (asked, was_asked) = std::sync::mpsc::channel();
    proxy.on_each(move |seen| {
        if seen.is("DELETE", "/containers/") {
            let asked = asked.clone();
            Fault::NeverSent(Box::new(move || {
                asked.send(()).ok();
            }))
        } else {
            Fault::None
        }
    });
    let mut guard = Guard::start(&place, proxy.unix());
    let asked = tokio::task::spawn_blocking(move || was_asked.recv_timeout(PATIENCE));
    asked.await.expect("it does not panic").expect("it removes");
    guard.kill();
    for id in &all {
        assert!(place.is_there(id).await);
    }
    proxy.heal();
    let guard = Guard::start(&place, proxy.unix());
    for id in &all {
        gone(&place, id, &guard).await;
    }
}
