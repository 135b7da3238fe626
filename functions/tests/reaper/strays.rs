//! A container that seems to have no lease is not touched on a guess.
//!
//! On AWS the index that the reaper reads lags, so a lease may be missing from it for a while.
//! The embedded table's index does not, so here the lease is taken out of it by hand.

use std::time::Duration;

use containerlease_shared::{
    capacity::Limits,
    cleanup::BETWEEN_SIGHTINGS,
    lease::Lease,
    names::{Deployment, Owner},
};
use containerlease_testkit::{Engine, Table};

use crate::{MINUTE, Process, lease};

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
    assert_eq!(sightings.len(), 1, "the reaper has not looked at it at all");
}
