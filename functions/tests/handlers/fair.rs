//! Deliveries share their places fairly: a receiver that hangs delays no other.

use std::sync::Arc;

use containerlease_domain::{
    capacity::Limits,
    lease::{Lease, Placement, State},
    names::Owner,
    time::Time,
    webhook::{NotifyUrl, Secret, Webhook},
};
use containerlease_functions::jobs::cleanup;
use containerlease_testkit::{Receiver, Reply, TestAppOptions, test_app::LOOK_AHEAD};
use futures_util::{StreamExt as _, stream};
use tokio_util::sync::CancellationToken;

use crate::{MINUTE, SECOND, wait_for};

/// A lease for ten minutes, with a warning in the given number of seconds.
fn lease(owner: &str, receiver: &Receiver, warned_in: u32) -> Lease {
    let now = Time::now();
    Lease {
        owner: Owner::try_from(owner.to_owned()).expect("it is a name"),
        expires_at: now.plus(10 * MINUTE),
        hard_deadline: now.plus(60 * MINUTE),
        cpu_milli: 1,
        memory_mb: 1,
        webhook: Some(Webhook {
            url: NotifyUrl::parse(&receiver.url(), true).expect("the receiver has a URL"),
            secret: Secret::generate(),
            warn_seconds: Some(600 - warned_in),
        }),
        state: State::Provisioning,
        ..Lease::sample("alpine", now)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_leases_with_a_receiver_that_hangs_keep_no_other_owner_waiting() {
    const HANGING: usize = 1_000;
    let test = TestAppOptions::default().private_webhooks().build().await;
    let (hanging, prompt) = (Receiver::start().await, Receiver::start().await);
    hanging.replies(vec![Reply::Silence; 10 * HANGING]);
    let store = test.table.store();
    let start = async |lease: Lease| {
        let created = store.create(&lease, &Limits::default(), None).await;
        created.expect("the lease can be written");
        let placement = Placement {
            container: None,
            started_at: lease.created_at,
            image: "alpine".to_owned(),
            stand_in: false,
            ports: Vec::new(),
            credentials: None,
        };
        store.start(&lease, placement).await.expect("it starts");
        lease
    };
    stream::iter(0..HANGING)
        .for_each_concurrent(8, async |_| drop(start(lease("crowd", &hanging, 1)).await))
        .await;

    // Every two seconds, as the one-machine server does.
    let reaper = cleanup::reaper(&test.app, LOOK_AHEAD, CancellationToken::new());
    let reaper = Arc::new(reaper);
    let looks = tokio::spawn(async move {
        loop {
            let reaper = Arc::clone(&reaper);
            let until = Time::now().plus(5 * SECOND);
            tokio::spawn(async move { cleanup::deliver(&reaper, until).await });
            tokio::time::sleep(2 * SECOND).await;
        }
    });
    tokio::time::sleep(6 * SECOND).await;
    assert!(hanging.connections() > 0, "nobody hangs");
    let told = start(lease("quiet", &prompt, 8)).await;
    let due = told.created_at.plus(8 * SECOND);
    tokio::time::sleep(7 * SECOND).await;
    wait_for("the warning comes", async || !prompt.messages().is_empty()).await;
    looks.abort();
    let late = prompt.messages()[0].at.millis_since(due);
    assert!((0..5_000).contains(&late), "it came {late} ms late");
    // One receiver has eight places, and keeps each for ten seconds.
    assert!(hanging.connections() <= 24, "{}", hanging.connections());
}
