//! Leases under gVisor, whose own kernel handles a program's system calls.

use std::{sync::Arc, time::Duration};

use containerlease_bench::{leases, soak::reap_every};
use containerlease_domain::{
    catalogue::Catalogue,
    lease::{Reason, State},
    names::LeaseId,
    time::Time,
};
use containerlease_functions::{app::App, jobs::cleanup};
use containerlease_testkit::{
    Table,
    events::{Answer, Event},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::daemon::{Daemon, GVISOR, LIMIT, with_image};

async fn provision(app: &App) -> Answer {
    let script = "echo hello from within; exec sleep 600";
    let body = json!({
        "imageType": "alpine", "durationMinutes": 5, "command": ["sh", "-c", script],
    });
    let provision = Event::saved("provision-ubuntu").body(&body);
    provision.provision(app).await
}

async fn lease(app: &App) -> String {
    let answer = provision(app).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.id()
}

async fn exec(app: &App, id: &str, body: Value) -> Answer {
    Event::about("exec", id).body(&body).exec(app).await
}

/// Fails if the lease's program uses the machine's own kernel.
async fn assert_is_gvisor(app: &App, id: &str) {
    let said = exec(app, id, json!({"command": ["dmesg"]})).await;
    let said = said.body["stdout"].to_string();
    assert!(said.contains("Starting gVisor"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_lives_its_whole_life_under_gvisor() {
    let Some(daemon) = with_image(Daemon::start_with_gvisor()).await else {
        return;
    };
    let table = Table::in_memory().await;
    let app = daemon.app_with("CONTAINERLEASE_RUNTIME", GVISOR, &table);
    let id = lease(&app).await;
    assert_is_gvisor(&app, &id).await;

    let page = Event::about("log-page", &id).list(&app).await;
    assert_eq!(
        page.body["entries"][0]["message"], "hello from within",
        "{page:?}"
    );
    let stats = Event::about("stats", &id).list(&app).await.body;
    assert!(
        stats["memory"]["usedBytes"]
            .as_u64()
            .is_some_and(|used| used > 0),
        "{stats}"
    );

    // Commands that exceed their time limit, with their children; and an unknown command.
    let over = json!({"command": ["sh", "-c", "sleep 61 & sleep 62"], "timeoutSeconds": 1});
    let over = exec(&app, &id, over).await;
    assert_eq!(over.body["timedOut"], true, "{over:?}");
    assert_eq!(over.body["stillRunning"], false, "{over:?}");
    let left = exec(&app, &id, json!({"command": ["ps"]})).await;
    let left = left.body["stdout"].to_string();
    for gone in ["sleep 61", "sleep 62"] {
        assert!(!left.contains(gone), "{left}");
    }
    let missing = exec(&app, &id, json!({"command": ["no-such-program"]})).await;
    assert_eq!(
        (missing.status, missing.problem()),
        (422, "cannot-run"),
        "{missing:?}"
    );

    let ended = Event::about("delete", &id).delete(&app).await;
    assert_eq!(ended.body["state"], "ended", "{ended:?}");

    let reaper = cleanup::reaper(&app, Duration::from_secs(5), CancellationToken::new());
    let reaping = tokio::spawn(reap_every(Duration::from_secs(2), reaper));
    let id: LeaseId = lease(&app).await.parse().expect("it is a lease's id");
    let end = Time::now().plus(Duration::from_secs(4));
    leases::move_ends(&table.store(), &[(id, end)])
        .await
        .expect("ends can be moved");
    let ended = leases::ended(&table.store(), &[id], LIMIT).await;
    let ended = ended.expect("it ends");
    let State::Ended(receipt) = &ended[0].state else {
        panic!("{ended:?} has not ended")
    };
    assert_eq!(receipt.reason, Reason::Expired);
    // The most that a stop takes on a busy machine; a missed end would wait for another tick.
    assert!(
        receipt
            .overshoot_ms
            .is_some_and(|late| (0..10_000).contains(&late)),
        "{receipt:?}"
    );
    reaping.abort();
    let left = daemon.engine().containers().await;
    assert!(left.expect("the engine lists its containers").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_types_own_runtime_goes_before_the_setting_and_neither_is_replaced() {
    let Some(daemon) = with_image(Daemon::start_with_gvisor()).await else {
        return;
    };
    let table = Table::in_memory().await;
    let mut app = daemon.app_with("CONTAINERLEASE_RUNTIME", "no-such-runtime", &table);
    let refused = provision(&app).await;
    assert_eq!(
        (refused.status, refused.problem()),
        (503, "runtime-missing")
    );
    assert!(
        daemon
            .engine()
            .containers()
            .await
            .is_ok_and(|left| left.is_empty())
    );

    app.catalogue = Arc::new(catalogue_with_alpine_under(GVISOR));
    let id = lease(&app).await;
    assert_is_gvisor(&app, &id).await;
    // The other image types are set to the missing runtime.
    let warnings = app.all_warnings().await;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(
        daemon
            .app_with("CONTAINERLEASE_RUNTIME", GVISOR, &table)
            .all_warnings()
            .await,
        []
    );
    let ended = Event::about("delete", &id).delete(&app).await;
    assert_eq!(ended.body["state"], "ended", "{ended:?}");
}

fn catalogue_with_alpine_under(runtime: &str) -> Catalogue {
    let catalogue = include_str!("../../../images/catalogue.json");
    let mut catalogue: Value = serde_json::from_str(catalogue).expect("it is JSON");
    let images = catalogue["images"]
        .as_array_mut()
        .expect("there are images");
    let alpine = images
        .iter_mut()
        .find(|image| image["imageType"] == "alpine");
    alpine.expect("there is an alpine")["runtime"] = json!(runtime);
    serde_json::from_value(catalogue).expect("it is a catalogue")
}
