//! What is past its deadline goes, in time, and nothing else.

use std::time::Duration;

use bollard::{
    models::ContainerCreateBody,
    query_parameters::{CreateContainerOptions, InspectContainerOptions},
};
use containerlease_domain::{
    container::{DEPLOYMENT_LABEL, HARD_DEADLINE_LABEL, LEASE_LABEL},
    time::Time,
};
use containerlease_testkit::Place;

use crate::{Guard, LOOK_EVERY, gone, ours, runs, started};

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test(flavor = "multi_thread")]
async fn what_is_overdue_goes_and_nothing_else() {
    let place = Place::new().await;
    let past = Time::now().minus(Duration::from_secs(1)).to_string();
    let future = Time::now().plus(HOUR).to_string();
    let deployment = place.deployment().as_str();

    let running = started(&place, &ours(&place, &past)).await;
    let paused = started(&place, &ours(&place, &past)).await;
    let pausing = place.docker().pause_container(&paused).await;
    pausing.expect("a running container can be paused");
    let never_started = place.stray(&ours(&place, &past)).await;

    let not_due = started(&place, &ours(&place, &future)).await;
    let no_label = started(&place, &[]).await;
    let deadline_alone = place.stray(&[(HARD_DEADLINE_LABEL, &past)]).await;
    let lease_of_nobody = place
        .stray(&[(HARD_DEADLINE_LABEL, &past), (LEASE_LABEL, "x")])
        .await;
    let deployment_alone = place.stray(&[(DEPLOYMENT_LABEL, deployment)]).await;
    let unreadable = place.stray(&ours(&place, "tomorrow")).await;
    let similar = format!("{deployment}-2");
    let anothers = place
        .stray(&[(DEPLOYMENT_LABEL, &similar), (HARD_DEADLINE_LABEL, &past)])
        .await;

    let guard = Guard::start(&place, place.socket());
    for overdue in [&running, &paused, &never_started] {
        gone(&place, overdue, &guard).await;
    }
    // Two more rounds, in which it could wrongly remove containers.
    tokio::time::sleep(Duration::from_millis(2_200)).await;
    for (name, left) in [
        ("not due", &not_due),
        ("no label", &no_label),
        ("the deadline alone", &deadline_alone),
        ("no deployment", &lease_of_nobody),
        ("the deployment alone", &deployment_alone),
        ("unreadable", &unreadable),
        ("another deployment's", &anothers),
    ] {
        assert!(place.is_there(left).await, "{name}: {}", guard.log());
    }
    assert!(runs(&place, &not_due).await && runs(&place, &no_label).await);
    // Each is named once, not in every round.
    let log = guard.log();
    for warned in [&deployment_alone, &unreadable] {
        let lines = log.lines().filter(|line| line.contains(warned.as_str()));
        assert_eq!(lines.count(), 1, "{log}");
    }
}

/// The promise: nothing else of ours runs, and all settings are defaults except the
/// deployment, which keeps it away from other tests.
#[tokio::test(flavor = "multi_thread")]
async fn with_its_own_settings_it_ends_what_is_past_its_deadline_within_a_minute() {
    let place = Place::new().await;
    let guard = Guard::run(
        place.socket(),
        &[(
            "CONTAINERLEASE_GUARD_DEPLOYMENTS",
            place.deployment().as_str(),
        )],
    );
    guard.says("standing guard").await;
    let deadline = Time::now().plus(Duration::from_secs(5));
    let overdue = started(&place, &ours(&place, &deadline.to_string())).await;
    let no_label = started(&place, &[]).await;
    let reapers_time = deadline.plus(Duration::from_secs(20));
    while Time::now() < reapers_time {
        let is_there = place.is_there(&overdue).await;
        // Time may have passed during the round.
        assert!(is_there || Time::now() >= reapers_time, "{}", guard.log());
        tokio::time::sleep(LOOK_EVERY).await;
    }
    gone(&place, &overdue, &guard).await;
    let late = Time::now().millis_since(deadline);
    assert!(late < 60_000, "{late} ms: {}", guard.log());
    assert!(runs(&place, &no_label).await, "{}", guard.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn its_anonymous_volumes_go_with_it() {
    let place = Place::new().await;
    let past = Time::now().to_string();
    let labels = ours(&place, &past).map(|(name, value)| (name.to_owned(), value.to_owned()));
    let body = ContainerCreateBody {
        image: Some("containerlease/stand-in-alpine:1".to_owned()),
        cmd: Some(vec!["sleep".to_owned(), "60".to_owned()]),
        labels: Some(labels.into()),
        volumes: Some(vec!["/data".to_owned()]),
        ..ContainerCreateBody::default()
    };
    let docker = place.docker();
    let made = docker
        .create_container(None::<CreateContainerOptions>, body)
        .await;
    let id = made.expect("a container can be made").id;
    let details = docker.inspect_container(&id, None::<InspectContainerOptions>);
    let mounts = details.await.expect("it is there").mounts;
    let volume = mounts.and_then(|mut mounts| mounts.pop()?.name);
    let volume = volume.expect("it has a volume");
    assert!(docker.inspect_volume(&volume).await.is_ok());

    let guard = Guard::start(&place, place.socket());
    gone(&place, &id, &guard).await;
    assert!(docker.inspect_volume(&volume).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_wakes_for_a_deadline_and_not_only_every_ten_seconds() {
    let place = Place::new().await;
    let deadline = Time::now().plus(Duration::from_secs(3));
    let id = started(&place, &ours(&place, &deadline.to_string())).await;
    let guard = Guard::with(
        &place,
        place.socket(),
        &[
            ("CONTAINERLEASE_GUARD_LOOK_SECONDS", "10"),
            ("CONTAINERLEASE_GUARD_GRACE_SECONDS", "1"),
        ],
    );
    while Time::now() < deadline.plus(Duration::from_secs(1)) {
        assert!(place.is_there(&id).await, "never early: {}", guard.log());
        tokio::time::sleep(LOOK_EVERY).await;
    }
    gone(&place, &id, &guard).await;
    let late = Time::now().millis_since(deadline.plus(Duration::from_secs(1)));
    assert!(late < 3_000, "{late} ms: {}", guard.log());
}
