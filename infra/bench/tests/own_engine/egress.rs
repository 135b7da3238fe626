//! An engine that says nothing of a firewall closes no way out, and a lease that wants none is
//! not made.

use containerlease_testkit::{Table, events::Event};
use serde_json::json;

use crate::daemon::{Daemon, skip};

#[tokio::test(flavor = "multi_thread")]
async fn a_way_out_that_stays_open_is_not_said_to_be_closed() {
    let mut daemon = match Daemon::start() {
        Ok(daemon) => daemon,
        Err(why) => return skip(&why),
    };
    daemon.wait_until_it_answers().await;
    let table = Table::in_memory().await;
    let app = daemon.app(&table);
    let body = json!({"imageType": "alpine", "durationMinutes": 5, "egress": "none"});
    let answer = Event::saved("provision-ubuntu")
        .body(&body)
        .provision(&app)
        .await;
    assert_eq!(
        (answer.status, answer.problem()),
        (422, "egress-stays-open")
    );
    let engine = daemon.engine();
    assert!(engine.containers().await.is_ok_and(|left| left.is_empty()));
    assert!(engine.networks().await.is_ok_and(|made| made.is_empty()));
}
