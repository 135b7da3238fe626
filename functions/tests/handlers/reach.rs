//! A leased program reaches neither its own machine nor a neighbour.

use containerlease_testkit::{TestApp, TestAppOptions};
use serde_json::{Value, json};
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
};

use crate::{SECOND, alpine_with, exec::shell, inspect, lease, wait_for};

/// Whether the project's scripts have started the engine in use, with a firewall.
#[expect(
    clippy::disallowed_methods,
    reason = "what the engine is like is no setting of ours"
)]
fn has_firewall() -> bool {
    std::env::var_os("CONTAINERLEASE_TEST_FIREWALL").is_some()
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "a test that tries nothing says so")]
async fn a_lease_opens_no_connection_to_the_machine() {
    if !has_firewall() {
        containerlease_testkit::assert_may_skip("the engine has no firewall of ours");
        eprintln!("not tried: the engine is not one that `make test` has started");
        return;
    }
    for test in [TestApp::new().await, own_network().await] {
        opens_no_connection_to_the_machine(&test).await;
    }
}

async fn opens_no_connection_to_the_machine(test: &TestApp) {
    let id = lease(test).await;
    let gateway = network_of(test, &id).await["Gateway"].clone();
    let gateway = gateway.as_str().expect("the network has a gateway");
    // A listener on the machine's address in the leases' network, like a developer's database
    // that listens on all addresses.
    let listener = TcpListener::bind((gateway, 0))
        .await
        .expect("the address is the machine's");
    let port = listener.local_addr().expect("it listens").port();
    let script = format!("echo hello | nc -w 3 {gateway} {port}; echo $?");
    let answer = shell(test, &id, &script, json!({})).await;
    assert_eq!(answer.body["stdout"], "1\n", "{answer:?}");
    let came = tokio::time::timeout(SECOND / 2, listener.accept()).await;
    assert!(came.is_err(), "{came:?}");
}

async fn own_network() -> TestApp {
    TestAppOptions::default().on_own_network().build().await
}

/// The engine's record of the only network of the lease's container.
async fn network_of(test: &TestApp, id: &str) -> Value {
    let on = inspect(test, id).await["NetworkSettings"]["Networks"].clone();
    let on = on.as_object().expect("it is on networks");
    assert_eq!(on.len(), 1, "{on:?}");
    on.values().next().cloned().unwrap_or_default()
}

#[tokio::test]
async fn neighbours_do_not_reach_each_other_on_any_network() {
    for test in [TestApp::new().await, own_network().await] {
        let (one, other) = (lease(&test).await, lease(&test).await);
        let address = network_of(&test, &one).await["IPAddress"].clone();
        let address = address.as_str().expect("it has an address");
        let listening = "for port in 7000 7001; do nc -l -p $port -e echo hello >/dev/null 2>&1 & done; \
                         sleep 0.2; nc -w 3 127.0.0.1 7000 </dev/null; netstat -ltn | grep -c :7001";
        let heard = shell(&test, &one, listening, json!({})).await;
        assert_eq!(heard.body["stdout"], "hello\n1\n", "{heard:?}");
        let asking = format!(
            "nc -w 2 {address} 7001 </dev/null; echo $?; \
             ping -c 1 -W 1 {address} >/dev/null 2>&1; echo $?"
        );
        let answer = shell(&test, &other, &asking, json!({})).await;
        assert_eq!(answer.body["stdout"], "1\n1\n", "{answer:?}");
    }
}

/// The engine's default bridge has no name server. The name server of any other network knows
/// its containers by name, and so by the ids of their leases.
#[tokio::test]
#[expect(clippy::print_stderr, reason = "a test that tries nothing says so")]
async fn on_the_default_bridge_neighbours_learn_no_names() {
    let own = own_network().await;
    let (one, said) = learnt_of_a_neighbour(&own).await;
    assert!(said.contains(&one) && said.contains("found"), "{said}");

    let test = TestApp::new().await;
    let (one, said) = learnt_of_a_neighbour(&test).await;
    if !test.place.networks().await.is_empty() {
        containerlease_testkit::assert_may_skip("the default bridge keeps nobody apart");
        eprintln!("not tried: the engine's default bridge does not keep containers apart");
        return;
    }
    assert!(!said.contains(&one) && !said.contains("found"), "{said}");
}

/// A lease's id, and the answers when another lease looks up the first one's names.
async fn learnt_of_a_neighbour(test: &TestApp) -> (String, String) {
    let (one, other) = (lease(test).await, lease(test).await);
    let address = network_of(test, &one).await["IPAddress"].clone();
    let address = address.as_str().expect("it has an address");
    let asking = format!(
        "cat /etc/hosts; timeout 2 nslookup {address} 127.0.0.11; timeout 2 nslookup {address}; \
         timeout 2 nslookup containerlease-{one} >/dev/null 2>&1 && echo found; true"
    );
    let answer = shell(test, &other, &asking, json!({})).await;
    let said = answer.body["stdout"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    (one, said)
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "a test that tries nothing says so")]
async fn who_is_to_open_no_connection_is_behind_a_bridge_that_the_firewall_knows() {
    if !has_firewall() {
        containerlease_testkit::assert_may_skip("the engine has no firewall of ours");
        eprintln!("not tried: the engine is not one that `make test` has started");
        return;
    }
    let test = TestApp::new().await;
    let asked = json!({"egress": "none", "ports": [7000]});
    let leases = [alpine_with(asked.clone()), alpine_with(asked)];
    let leases = leases.map(|asked| asked.provision(&test.app));
    let leases = futures_util::future::join_all(leases).await;
    for lease in &leases {
        assert_eq!(lease.status, 201, "{lease:?}");
        assert_eq!(lease.body["egress"], "none");
    }
    // `infra/docker-host/test.sh` tests what the firewall drops; here is nothing outside this
    // machine to reach.
    let [network] = &test.place.networks().await[..] else {
        panic!("they are on one network")
    };
    let options = network.options.as_ref().unwrap();
    assert!(
        options["com.docker.network.bridge.name"].starts_with("clc-"),
        "{network:?}"
    );
    let id = leases[0].id();
    let answer = shell(&test, &id, "cat /etc/resolv.conf", json!({})).await;
    let said = answer.body["stdout"].as_str().unwrap();
    assert!(!said.contains("8.8.8.8"), "{said}");
    let dns = &inspect(&test, &id).await["HostConfig"]["Dns"];
    assert_eq!(*dns, json!(["192.0.2.1"]));

    let serve = "nc -l -l -p 7000 -e echo hello >/dev/null 2>&1 & echo on";
    shell(&test, &id, serve, json!({})).await;
    let port = leases[0].body["ports"][0]["hostPort"].as_u64().unwrap();
    let port = u16::try_from(port).unwrap();
    wait_for("an answer at its port", async || {
        answer_at(port).await.is_ok_and(|said| said == "hello\n")
    })
    .await;
}

async fn answer_at(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let mut said = String::new();
    stream.read_to_string(&mut said).await?;
    Ok(said)
}
