//! Manual interference with a leased container, on a real engine.

use std::sync::Arc;

use containerlease_shared::{names::Owner, time::Time};
use containerlease_testkit::{Bench, Fault, Plan, events::Event};
use http::StatusCode;
use serde_json::json;

use crate::{
    MINUTE, SECOND, alpine, alpine_with, get, inspect, lease, millis,
    problems::catalogue_with_alpine_tagged, wait_until_exited,
};

async fn expire(bench: &Bench, id: &str) {
    let expiry = bench.lease(&Owner::local(), id).await.expires_at;
    bench.table.age(Time::now().until(expiry)).await;
}

#[tokio::test]
async fn one_that_was_renamed_is_found_by_its_id() {
    let bench = Bench::new().await;
    let id = lease(&bench).await;
    let container = inspect(&bench, &id).await["Id"]
        .as_str()
        .unwrap()
        .to_owned();
    let renamed = bollard::query_parameters::RenameContainerOptionsBuilder::new()
        .name(&format!("mine-{}", &container[..12]))
        .build();
    let docker = bench.place.docker();
    docker.rename_container(&container, renamed).await.unwrap();
    let answer = Event::about("delete", &id).delete(&bench.app).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(bench.place.containers().await, [], "it runs on");
    let receipt = &get(&bench, &id).await["receipt"];
    assert!(receipt["stoppedAt"].is_string(), "{receipt}");
}

#[tokio::test]
async fn one_whose_id_is_not_on_record_is_found_by_its_labels() {
    let bench = Plan::default().proxied().build().await;
    // The process dies before it could write the id.
    bench.table_proxy().on_each(|seen| {
        if seen.is_operation("UpdateItem") {
            Fault::Cut
        } else {
            Fault::None
        }
    });
    let answer = alpine().provision(&bench.app).await;
    assert_ne!(answer.status, 201, "{answer:?}");
    bench.table_proxy().heal();
    for container in bench.place.containers().await {
        let id = container.id.unwrap();
        let renamed = bollard::query_parameters::RenameContainerOptionsBuilder::new()
            .name(&format!("mine-{}", &id[..12]))
            .build();
        bench
            .place
            .docker()
            .rename_container(&id, renamed)
            .await
            .unwrap();
    }
    bench.two_ticks().await;
    assert_eq!(bench.place.containers().await, [], "it runs on");
    bench
        .assert_nothing_leaked(&Owner::local(), "renamed")
        .await;
}

#[tokio::test]
async fn an_engine_that_refuses_to_say_proves_nothing() {
    let bench = Plan::default().proxied().build().await;
    let id = lease(&bench).await;
    bench.engine_proxy().on_each(|seen| {
        if seen.is("POST", "/stop") || seen.is("DELETE", "/containers/") {
            Fault::Answered(StatusCode::SERVICE_UNAVAILABLE, "not now".to_owned())
        } else {
            Fault::None
        }
    });
    let answer = Event::about("delete", &id).delete(&bench.app).await;
    assert_eq!(
        (answer.status, &answer.body["state"]),
        (202, &json!("ending"))
    );
    bench.engine_proxy().heal();
    assert_eq!(inspect(&bench, &id).await["State"]["Running"], true);
    bench.table.age(10 * SECOND).await;
    assert_eq!(bench.reap().await.deleted, 1);
}

#[tokio::test]
async fn one_that_was_restarted_lives_on_with_its_new_port() {
    let bench = Bench::new().await;
    let event = alpine_with(json!({"ports": [7000]}));
    let id = event.provision(&bench.app).await.id();
    let port = get(&bench, &id).await["ports"][0]["hostPort"].clone();
    let container = format!("containerlease-{id}");
    let restarted = bench.place.docker().restart_container(&container, None);
    restarted.await.unwrap();
    let report = bench.reap().await;
    assert_eq!(report.due, 0, "{report:?}");
    let now_at = inspect(&bench, &id).await["NetworkSettings"]["Ports"]["7000/tcp"][0]["HostPort"]
        .as_str()
        .unwrap()
        .parse::<u16>()
        .unwrap();
    assert_ne!(json!(now_at), port, "the engine gave it the same port");
    let lease = get(&bench, &id).await;
    assert_eq!(lease["state"], "running");
    assert_eq!(lease["ports"][0]["hostPort"], now_at);
    assert_eq!(lease["ports"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn one_that_was_paused_or_killed_or_has_no_network_any_more_ends_on_time() {
    let bench = Bench::new().await;
    let docker = bench.place.docker();
    let (paused, killed, cut_off) = (
        lease(&bench).await,
        lease(&bench).await,
        lease(&bench).await,
    );
    let name = |id: &str| format!("containerlease-{id}");
    docker.pause_container(&name(&paused)).await.unwrap();
    docker.kill_container(&name(&killed), None).await.unwrap();
    wait_until_exited(&bench, &killed).await;
    let on = inspect(&bench, &cut_off).await["NetworkSettings"]["Networks"].clone();
    let network = on.as_object().unwrap().keys().next().unwrap().clone();
    let request = bollard::models::NetworkDisconnectRequest {
        container: name(&cut_off),
        force: Some(true),
    };
    docker.disconnect_network(&network, request).await.unwrap();
    let report = bench.reap().await;
    assert_eq!((report.due, report.failed), (1, 1), "{report:?}");
    assert_eq!(get(&bench, &killed).await["receipt"]["exitCode"], 137);
    expire(&bench, &paused).await;
    expire(&bench, &cut_off).await;
    let now = Time::now();
    let reaper = bench.reaper();
    let report = containerlease_shared::cleanup::run(&reaper, now, now.plus(MINUTE)).await;
    assert_eq!(report.unwrap().expired, 2);
    bench
        .assert_nothing_leaked(&Owner::local(), "by hand")
        .await;
}

/// An engine keeps the layers of a running container's image; only the name can be removed.
#[tokio::test]
async fn one_whose_image_was_removed_ends_on_time() {
    let mut bench = Bench::new().await;
    let docker = bench.place.docker().clone();
    let model = lease(&bench).await;
    // An image that no other test uses, so that its removal disturbs none.
    let tag = format!("removed-{}", &model[..18]);
    let committed = docker
        .commit_container(
            bollard::query_parameters::CommitContainerOptionsBuilder::new()
                .container(&format!("containerlease-{model}"))
                .repo("alpine")
                .tag(&tag)
                .build(),
            bollard::models::ContainerConfig::default(),
        )
        .await
        .unwrap();
    bench.app.catalogue = Arc::new(catalogue_with_alpine_tagged(&tag));
    let id = lease(&bench).await;
    let force = bollard::query_parameters::RemoveImageOptionsBuilder::new()
        .force(true)
        .build();
    let remove = async |image: &str| {
        let removed = docker.remove_image(image, Some(force.clone()), None);
        removed.await.map(drop)
    };
    remove(&format!("alpine:{tag}")).await.unwrap();

    assert_eq!(bench.reap().await.due, 0);
    expire(&bench, &id).await;
    assert_eq!(bench.reap().await.expired, 2);
    let receipt = &get(&bench, &id).await["receipt"];
    assert_eq!(receipt["reason"], "expired");
    assert!(receipt["stoppedAt"].is_string(), "{receipt}");
    bench
        .assert_nothing_leaked(&Owner::local(), "without its image")
        .await;
    // Newer engines keep an image without a name; older ones may have removed it already.
    drop(remove(&committed.id).await);
}

#[tokio::test]
async fn one_that_took_too_much_memory_says_so() {
    let bench = Bench::new().await;
    let script = "x=a; while true; do x=$x$x; done";
    let event = alpine_with(json!({"command": ["sh", "-c", script], "memoryMB": 64}));
    let id = event.provision(&bench.app).await.id();
    wait_until_exited(&bench, &id).await;
    assert_eq!(bench.reap().await.failed, 1);
    let receipt = &get(&bench, &id).await["receipt"];
    assert_eq!(receipt["reason"], "failed");
    assert_eq!(receipt["exitCode"], 137);
    assert_eq!(receipt["detail"], "out of memory, limit 64 MB");
}

#[tokio::test]
async fn a_receipt_says_when_the_program_ended_and_not_when_somebody_looked() {
    let bench = Bench::new().await;
    let event = alpine_with(json!({"command": ["sh", "-c", "exit 3"]}));
    let id = event.provision(&bench.app).await.id();
    wait_until_exited(&bench, &id).await;
    let finished_at = millis(&inspect(&bench, &id).await["State"], "FinishedAt");
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(bench.reap().await.failed, 1);
    let receipt = &get(&bench, &id).await["receipt"];
    assert_eq!(receipt["exitCode"], 3);
    assert_eq!(millis(receipt, "stoppedAt"), finished_at, "{receipt}");
}
