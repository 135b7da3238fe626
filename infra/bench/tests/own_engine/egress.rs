//! An engine without the firewall's label cannot restrict egress, so it refuses leases with no
//! egress or with a list. `infra/docker-host/test.sh` tests the rules themselves.

use containerlease_functions::app::App;
use containerlease_testkit::{
    Table,
    events::{Answer, Event},
};
use serde_json::{Value, json};

use crate::daemon::{Daemon, skip, with_image};

/// Requests a lease with this `egress`.
async fn provision(app: &App, egress: Option<&str>) -> Answer {
    let body = json!({"imageType": "alpine", "durationMinutes": 5, "egress": egress});
    let event = Event::saved("provision-ubuntu").body(&body);
    event.provision(app).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_out_that_stays_open_is_not_said_to_be_closed() {
    let mut daemon = match Daemon::start() {
        Ok(daemon) => daemon,
        Err(why) => return skip(&why),
    };
    daemon.wait_until_it_answers().await;
    let table = Table::in_memory().await;
    let app = daemon.app_with("CONTAINERLEASE_EGRESS", "open,web", &table);
    for egress in ["none", "web"] {
        let answer = provision(&app, Some(egress)).await;
        let said = (answer.status, answer.problem());
        assert_eq!(said, (422, "egress-stays-open"), "{egress}");
    }
    let engine = daemon.engine();
    assert!(engine.containers().await.is_ok_and(|left| left.is_empty()));
    assert!(engine.networks().await.is_ok_and(|made| made.is_empty()));
}

/// A network's bridge, and its containers' name servers.
async fn bridge_and_name_servers(daemon: &Daemon, id: &str) -> (String, Value) {
    let engine = daemon.engine();
    let name = format!("containerlease-{id}");
    let details = engine.docker().inspect_container(&name, None).await;
    let host = details
        .expect("it is there")
        .host_config
        .expect("it has settings");
    let mode = host.network_mode.expect("it is on a network");
    let network = engine.docker().inspect_network(&mode, None).await;
    let mut options = network.expect("it is there").options.expect("it has some");
    let bridge = options.remove("com.docker.network.bridge.name");
    (bridge.unwrap_or_default(), json!(host.dns))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_let_out_to_a_list_is_behind_the_bridge_by_which_the_firewall_knows_it() {
    let labels = [
        "containerlease.firewall=closes-egress",
        "containerlease.firewall.lists=web@192.0.2.53,db",
    ];
    let Some(daemon) = with_image(Daemon::start_with(&json!({"labels": labels}))).await else {
        return;
    };
    let table = Table::in_memory().await;
    let app = daemon.app_with("CONTAINERLEASE_EGRESS", "web,db,none,mail", &table);
    // `printf web | sha256sum` begins with 4b5e, `printf db` with 7bdc.
    for (asked, given, begins, name_server) in [
        (None, "web", "cl4b5e-", "192.0.2.53"),
        (Some("web"), "web", "cl4b5e-", "192.0.2.53"),
        (Some("db"), "db", "cl7bdc-", "192.0.2.1"),
        (Some("none"), "none", "clc-", "192.0.2.1"),
    ] {
        let answer = provision(&app, asked).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(answer.body["egress"], given);
        let (bridge, name_servers) = bridge_and_name_servers(&daemon, &answer.id()).await;
        assert!(bridge.starts_with(begins), "{given}: {bridge}");
        assert_eq!(name_servers, json!([name_server]), "{given}");
    }
    let missing = provision(&app, Some("mail")).await;
    let said = (missing.status, missing.problem());
    assert_eq!(said, (422, "egress-stays-open"), "{missing:?}");
    let not_allowed = provision(&app, Some("open")).await;
    assert_eq!(not_allowed.status, 400, "{not_allowed:?}");
}
