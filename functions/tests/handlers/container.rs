//! Manual interference with a leased container, on a real engine.

use std::sync::Arc;

use containerlease_domain::{names::Owner, time::Time};
use containerlease_testkit::{Fault, TestApp, TestAppOptions, events::Event};
use http::StatusCode;
use serde_json::json;

use crate::{
    MINUTE, SECOND, alpine, alpine_with, get, inspect, lease, millis,
    problems::catalogue_with_alpine_tagged, wait_until_exited,
};

async fn expire(test: &TestApp, id: &str) {
    let expiry = test.lease(&Owner::local(), id).await.expires_at;
    test.table.age(Time::now().until(expiry)).await;
}

#[tokio::test]
async fn one_that_was_renamed_is_found_by_its_id() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let container = inspect(&test, &id).await["Id"].as_str().unwrap().to_owned();
    let renamed = bollard::query_parameters::RenameContainerOptionsBuilder::new()
        .name(&format!("mine-{}", &container[..12]))
        .build();
    let docker = test.place.docker();
    docker.rename_container(&container, renamed).await.unwrap();
    let answer = Event::about("delete", &id).delete(&test.app).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(test.place.containers().await, [], "it runs on");
    let receipt = &get(&test, &id).await["receipt"];
    assert!(receipt["stoppedAt"].is_string(), "{receipt}");
}

#[tokio::test]
async fn one_whose_id_is_not_on_record_is_found_by_its_labels() {
    let test = TestAppOptions::default().proxied().build().await;
    // The process dies before it could write the id.
    test.table_proxy().on_each(|seen| {
        if seen.is_operation("UpdateItem") {
            Fault::Cut
        } else {
            Fault::None
        }
    });
    let answer = alpine().provision(&test.app).await;
    assert_ne!(answer.status, 201, "{answer:?}");
    test.table_proxy().heal();
    for container in test.place.containers().await {
        let id = container.id.unwrap();
        let renamed = bollard::query_parameters::RenameContainerOptionsBuilder::new()
            .name(&format!("mine-{}", &id[..12]))
            .build();
        test.place
            .docker()
            .rename_container(&id, renamed)
            .await
            .unwrap();
    }
    test.two_ticks().await;
    assert_eq!(test.place.containers().await, [], "it runs on");
    test.assert_nothing_leaked(&Owner::local(), "renamed").await;
}

#[tokio::test]
async fn an_engine_that_refuses_to_say_proves_nothing() {
    let test = TestAppOptions::default().proxied().build().await;
    let id = lease(&test).await;
    test.engine_proxy().on_each(|seen| {
        if seen.is("POST", "/stop") || seen.is("DELETE", "/containers/") {
            Fault::Answered(StatusCode::SERVICE_UNAVAILABLE, "not now".to_owned())
        } else {
            Fault::None
        }
    });
    let answer = Event::about("delete", &id).delete(&test.app).await;
    assert_eq!(
        (answer.status, &answer.body["state"]),
        (202, &json!("ending"))
    );
    test.engine_proxy().heal();
    assert_eq!(inspect(&test, &id).await["State"]["Running"], true);
    test.table.age(10 * SECOND).await;
    assert_eq!(test.reap().await.deleted, 1);
}

#[tokio::test]
async fn one_that_was_restarted_lives_on_with_its_new_port() {
    let test = TestApp::new().await;
    let event = alpine_with(json!({"ports": [7000]}));
    let id = event.provision(&test.app).await.id();
    let port = get(&test, &id).await["ports"][0]["hostPort"].clone();
    let container = format!("containerlease-{id}");
    let restarted = test.place.docker().restart_container(&container, None);
    restarted.await.unwrap();
    let report = test.reap().await;
    assert_eq!(report.due, 0, "{report:?}");
    let now_at = inspect(&test, &id).await["NetworkSettings"]["Ports"]["7000/tcp"][0]["HostPort"]
        .as_str()
        .unwrap()
        .parse::<u16>()
        .unwrap();
    assert_ne!(json!(now_at), port, "the engine gave it the same port");
    let lease = get(&test, &id).await;
    assert_eq!(lease["state"], "running");
    assert_eq!(lease["ports"][0]["hostPort"], now_at);
    assert_eq!(lease["ports"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn one_that_was_paused_or_killed_or_has_no_network_any_more_ends_on_time() {
    let test = TestApp::new().await;
    let docker = test.place.docker();
    let (paused, killed, cut_off) = (lease(&test).await, lease(&test).await, lease(&test).await);
    let name = |id: &str| format!("containerlease-{id}");
    docker.pause_container(&name(&paused)).await.unwrap();
    docker.kill_container(&name(&killed), None).await.unwrap();
    wait_until_exited(&test, &killed).await;
    let on = inspect(&test, &cut_off).await["NetworkSettings"]["Networks"].clone();
    let network = on.as_object().unwrap().keys().next().unwrap().clone();
    let request = bollard::models::NetworkDisconnectRequest {
        container: name(&cut_off),
        force: Some(true),
    };
    docker.disconnect_network(&network, request).await.unwrap();
    let report = test.reap().await;
    assert_eq!((report.due, report.failed), (1, 1), "{report:?}");
    assert_eq!(get(&test, &killed).await["receipt"]["exitCode"], 137);
    expire(&test, &paused).await;
    expire(&test, &cut_off).await;
    let now = Time::now();
    let reaper = test.reaper();
    let report = containerlease_service::reaper::run(&reaper, now, now.plus(MINUTE)).await;
    assert_eq!(report.unwrap().expired, 2);
    test.assert_nothing_leaked(&Owner::local(), "by hand").await;
}

/// An engine keeps the layers of a running container's image; only the name can be removed.
#[tokio::test]
async fn one_whose_image_was_removed_ends_on_time() {
    let mut test = TestApp::new().await;
    let docker = test.place.docker().clone();
    let model = lease(&test).await;
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
    test.app.catalogue = Arc::new(catalogue_with_alpine_tagged(&tag));
    let id = lease(&test).await;
    let force = bollard::query_parameters::RemoveImageOptionsBuilder::new()
        .force(true)
        .build();
    let remove = async |image: &str| {
        let removed = docker.remove_image(image, Some(force.clone()), None);
        removed.await.map(drop)
    };
    remove(&format!("alpine:{tag}")).await.unwrap();

    assert_eq!(test.reap().await.due, 0);
    expire(&test, &id).await;
    assert_eq!(test.reap().await.expired, 2);
    let receipt = &get(&test, &id).await["receipt"];
    assert_eq!(receipt["reason"], "expired");
    assert!(receipt["stoppedAt"].is_string(), "{receipt}");
    test.assert_nothing_leaked(&Owner::local(), "without its image")
        .await;
    // Newer engines keep an image without a name; older ones may have removed it already.
    drop(remove(&committed.id).await);
}

#[tokio::test]
async fn one_that_took_too_much_memory_says_so() {
    let test = TestApp::new().await;
    let script = "x=a; while true; do x=$x$x; done";
    // A busy engine loses a few of the kernel's events in a hundred, so one lease may not show it.
    for _ in 0..5 {
        let event = alpine_with(json!({"command": ["sh", "-c", script], "memoryMB": 64}));
        let id = event.provision(&test.app).await.id();
        wait_until_exited(&test, &id).await;
        let known = inspect(&test, &id).await["State"]["OOMKilled"] == true;
        assert_eq!(test.reap().await.failed, 1);
        let receipt = &get(&test, &id).await["receipt"];
        assert_eq!(receipt["reason"], "failed");
        assert_eq!(receipt["exitCode"], 137);
        let detail = receipt["detail"].as_str().unwrap_or_default();
        if known {
            assert_eq!(detail, "out of memory, limit 64 MB");
            return;
        }
        assert!(detail.ends_with("out of memory, limit 64 MB"), "{receipt}");
    }
    panic!("the engine reported the lack of memory for none of five leases");
}

#[tokio::test]
async fn a_receipt_says_when_the_program_ended_and_not_when_somebody_looked() {
    let test = TestApp::new().await;
    let event = alpine_with(json!({"command": ["sh", "-c", "exit 3"]}));
    let id = event.provision(&test.app).await.id();
    wait_until_exited(&test, &id).await;
    let finished_at = millis(&inspect(&test, &id).await["State"], "FinishedAt");
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(test.reap().await.failed, 1);
    let receipt = &get(&test, &id).await["receipt"];
    assert_eq!(receipt["exitCode"], 3);
    assert_eq!(millis(receipt, "stoppedAt"), finished_at, "{receipt}");
}
