//! What a leased program reaches around it: not the machine that it runs on.

use bollard::models::IpamConfig;
use containerlease_testkit::Bench;
use serde_json::json;
use tokio::net::TcpListener;

use crate::{SECOND, exec::shell, lease};

/// Whether the engine in use is one that the project's scripts have started, with a firewall.
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
    let bench = Bench::new().await;
    let id = lease(&bench).await;
    let network = bench.place.networks().await.remove(0);
    let ranges = network.ipam.and_then(|ipam| ipam.config);
    let gateway = ranges
        .into_iter()
        .flatten()
        .find_map(|IpamConfig { gateway, .. }| gateway);
    let gateway = gateway.expect("the engine gives a network a gateway");
    // On the machine's address in the leases' network somebody listens, as a developer's database
    // on all addresses does.
    let listener = TcpListener::bind((gateway.as_str(), 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = format!("echo hello | nc -w 3 {gateway} {port}; echo $?");
    let answer = shell(&bench, &id, &script, json!({})).await;
    assert_eq!(answer.body["stdout"], "1\n", "{answer:?}");
    let came = tokio::time::timeout(SECOND / 2, listener.accept()).await;
    assert!(came.is_err(), "{came:?}");
}
