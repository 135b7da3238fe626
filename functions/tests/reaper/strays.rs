//! The reaper does not guess that a container has no lease.
//!
//! On AWS the index that the reaper reads lags, so a lease may be missing from it for a while.
//! The embedded table's index does not lag, so these tests remove the lease from it by hand.

use std::time::Duration;

use containerlease_domain::{
    capacity::Limits,
    container::{DEPLOYMENT_LABEL, HARD_DEADLINE_LABEL},
    lease::Lease,
    names::{ContainerName, Deployment, Owner},
    plan::BETWEEN_SIGHTINGS,
    time::Time,
};
use containerlease_testkit::{Engine, Table};
use futures_util::{StreamExt as _, stream};

use crate::{MINUTE, Process, SECOND, lease};

#[tokio::test]
async fn a_lease_that_the_index_does_not_show_yet_keeps_its_container() {
    let table = Table::in_memory().await;
    let engine = Engine::new(0, Duration::ZERO);
    let deployment: Deployment = "strays".parse().expect("the name keeps to its bounds");
    let process = Process::new(&table, &engine.address(), &deployment);
    let lease = lease(Owner::local());
    let lease = Lease {
        created_at: lease.created_at.minus(5 * MINUTE),
        ..lease
    };
    let created = process.store.create(&lease, &Limits::default(), None).await;
    created.expect("the lease can be written");
    engine.run(&lease, &deployment);
    table.hide_from_index(&lease).await;

    for _ in 0..3 {
        let report = process.clone().reap(MINUTE).await;
        assert_eq!(
            (report.orphans_removed, report.ended()),
            (0, 0),
            "{report:?}"
        );
        tokio::time::sleep(BETWEEN_SIGHTINGS + Duration::from_millis(100)).await;
    }
    let container = engine.of_lease(&lease.id).expect("it was there");
    assert_eq!(container.touched_at, None, "{container:?}");
    let sightings = process.store.sightings().await;
    let sightings = sightings.expect("the table can be read");
    assert_eq!(
        sightings.items.len(),
        1,
        "the reaper has not looked at it at all"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_orphans_delay_no_end_and_lose_no_report() {
    const ORPHANS: usize = 5_000;
    // This run is the first to see the others.
    const SEEN_BEFORE: usize = 1_500;
    const TIME: Duration = Duration::from_secs(20);
    let table = Table::in_memory().await;
    let engine = Engine::new(0, Duration::from_millis(200));
    let deployment: Deployment = "strays".parse().expect("the name keeps to its bounds");
    let process = Process::new(&table, &engine.address(), &deployment);
    let (now, past) = (Time::now(), Time::now().minus(MINUTE).to_string());
    let labels = [
        (DEPLOYMENT_LABEL, deployment.as_str()),
        (HARD_DEADLINE_LABEL, past.as_str()),
    ];
    let store = table.store();
    let strays = (0..ORPHANS)
        .map(|number| engine.stray(&format!("stray-{number}"), &labels, now.minus(10 * MINUTE)));
    let strays: Vec<_> = strays.collect();
    stream::iter(strays.into_iter().take(SEEN_BEFORE))
        .for_each_concurrent(16, async |id| {
            let container = ContainerName::listed_by_engine(&id).expect("it is an id");
            let noted = store.sighted(&container, now.minus(MINUTE)).await;
            noted.expect("a sighting can be written");
        })
        .await;
    // They fall due while the orphans are removed.
    let now = Time::now().plus(6 * SECOND);
    let leases: Vec<_> = (0..40)
        .map(|number: u32| Lease {
            created_at: now.minus(10 * MINUTE),
            expires_at: now.plus(number * SECOND / 4),
            ..lease(Owner::local())
        })
        .collect();
    for lease in &leases {
        let created = process.store.create(lease, &Limits::default(), None).await;
        created.expect("the lease can be written");
        engine.run(lease, &deployment);
    }

    let begun = Time::now();
    let report = process.reap_for(TIME, TIME).await;
    let took = begun.until(Time::now());
    assert!(took < TIME + 5 * SECOND, "the run took {took:?}");
    assert_eq!(report.expired, leases.len(), "{report:?}");
    let late = report.overshoot().expect("leases have expired");
    assert!(late.max < 5_000, "{late:?}");
    assert!(report.orphans_removed > 0, "{report:?}");
    let seen = report.orphans_removed + report.orphans_left;
    assert_eq!(seen, SEEN_BEFORE, "{report:?}");
    assert!(report.orphans_removed <= 500, "{report:?}");
}
