//! A container without a lease is removed when it is seen for the second time, and not before its
//! last moment where the table cannot tell.

use containerlease_domain::{
    container::{DEPLOYMENT_LABEL, HARD_DEADLINE_LABEL, LEASE_LABEL, OWNER_LABEL},
    names::LeaseId,
    time::Time,
};
use containerlease_service::reaper::{CleanupError, run};
use containerlease_testkit::{Fault, TestApp, TestAppOptions, events::Event};

use crate::{MINUTE, SECOND, inspect, lease};

#[tokio::test]
async fn a_container_without_a_lease_goes_when_it_is_seen_for_the_second_time() {
    let test = TestApp::new().await;
    let deployment = test.place.deployment().as_str();
    let id = LeaseId::generate().to_string();
    let past = Time::now().minus(SECOND).to_string();
    let ours_and_over = [
        (DEPLOYMENT_LABEL, deployment),
        (HARD_DEADLINE_LABEL, past.as_str()),
    ];
    test.place.stray(&ours_and_over).await;
    for (lease, owner) in [(id.as_str(), "local"), (id.as_str(), ""), ("../x", "local")] {
        let of_no_lease = [(LEASE_LABEL, lease), (OWNER_LABEL, owner)];
        let labels = [ours_and_over, of_no_lease].concat();
        test.place.stray(&labels).await;
    }
    let foreign = [(LEASE_LABEL, id.as_str()), ours_and_over[1]];
    let foreign = test.place.stray(&foreign).await;
    let others = format!("{deployment}-2");
    let others = [(DEPLOYMENT_LABEL, others.as_str()), ours_and_over[1]];
    let others = test.place.stray(&others).await;
    let leased = lease(&test).await;

    // It is too young to be an orphan, however often it is seen.
    for _ in 0..3 {
        let report = test.reap_strays(50 * SECOND).await;
        assert_eq!(report.orphans_removed, 0);
    }
    assert!(
        test.table
            .store()
            .sightings()
            .await
            .unwrap()
            .items
            .is_empty()
    );
    // The first sighting only records it.
    let report = test.reap_strays(61 * SECOND).await;
    assert_eq!(report.orphans_removed, 0);
    assert_eq!(test.table.store().sightings().await.unwrap().items.len(), 4);
    assert_eq!(test.place.containers().await.len(), 5);
    let report = test.reap_strays(121 * SECOND).await;
    assert_eq!(report.orphans_removed, 4, "{report:?}");
    assert_eq!(test.place.containers().await.len(), 1);
    assert_eq!(inspect(&test, &leased).await["State"]["Running"], true);
    for untouched in [foreign, others] {
        let there = test.place.is_there(&untouched).await;
        assert!(there, "what is not ours was touched");
    }
    test.reap_strays(181 * SECOND).await;
    assert!(
        test.table
            .store()
            .sightings()
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

#[tokio::test]
async fn the_container_of_a_lease_that_has_ended_is_an_orphan() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let deleted = Event::about("delete", &id).delete(&test.app).await;
    assert_eq!(deleted.status, 200);
    let deployment = test.place.deployment().as_str();
    let labels = [
        (DEPLOYMENT_LABEL, deployment),
        (LEASE_LABEL, id.as_str()),
        (OWNER_LABEL, "local"),
    ];
    test.place.stray(&labels).await;
    test.reap_strays(61 * SECOND).await;
    let report = test.reap_strays(121 * SECOND).await;
    assert_eq!(report.orphans_removed, 1, "{report:?}");
}

#[tokio::test]
async fn a_table_that_was_emptied_ends_no_lease_before_its_last_moment() {
    let test = TestAppOptions::default().most_minutes(10).build().await;
    let leased = [lease(&test).await, lease(&test).await];
    let deployment = test.place.deployment().as_str();
    // Also a container that was never ours, but has our label; only its age can be judged.
    let stranger = test.place.stray(&[(DEPLOYMENT_LABEL, deployment)]).await;
    test.table.empty().await;

    // They are seen repeatedly, but nothing proves that their leases have ended.
    for minutes in 1..=9 {
        let report = test.reap_strays(minutes * MINUTE + SECOND).await;
        assert_eq!(report.orphans_removed, 0, "{minutes}: {report:?}");
        let left = if minutes == 1 { 0 } else { 3 };
        assert_eq!(report.orphans_left, left, "{minutes}: {report:?}");
        assert_eq!(report.ended(), 0, "{minutes}: {report:?}");
    }
    for id in &leased {
        assert_eq!(inspect(&test, id).await["State"]["Running"], true);
    }
    assert!(test.place.is_there(&stranger).await);

    // Now the deadline has passed that they were labelled with when they were made.
    let report = test.reap_strays(10 * MINUTE).await;
    assert_eq!(
        (report.orphans_removed, report.orphans_left),
        (3, 0),
        "{report:?}"
    );
    assert_eq!(test.place.containers().await, []);
}

#[tokio::test]
async fn nothing_is_removed_when_the_table_cannot_be_read() {
    let test = TestApp::proxied().await;
    let deployment = test.place.deployment().as_str();
    let id = LeaseId::generate().to_string();
    let past = Time::now().minus(SECOND).to_string();
    let labels = [
        (DEPLOYMENT_LABEL, deployment),
        (LEASE_LABEL, id.as_str()),
        (OWNER_LABEL, "local"),
        (HARD_DEADLINE_LABEL, past.as_str()),
    ];
    test.place.stray(&labels).await;
    test.reap_strays(61 * SECOND).await;
    assert_eq!(test.table.store().sightings().await.unwrap().items.len(), 1);

    for cut in ["Query", "GetItem"] {
        test.table_proxy().on_each(move |seen| {
            if seen.is_operation(cut) {
                Fault::Cut
            } else {
                Fault::None
            }
        });
        let now = Time::now();
        let report = run(
            &test.reaper(),
            now.plus(121 * SECOND),
            now.plus(40 * SECOND),
        )
        .await;
        match cut {
            "Query" => assert!(matches!(report, Err(CleanupError::Store(_))), "{report:?}"),
            _ => assert_eq!(report.unwrap().orphans_left, 1),
        }
        assert_eq!(test.place.containers().await.len(), 1, "{cut}");
    }
    test.table_proxy().heal();
    let report = test.reap_strays(121 * SECOND).await;
    assert_eq!(report.orphans_removed, 1, "{report:?}");
}

#[tokio::test]
async fn one_orphan_that_cannot_be_removed_does_not_hold_up_the_others() {
    let test = TestApp::proxied().await;
    let deployment = test.place.deployment().as_str();
    let past = Time::now().minus(SECOND).to_string();
    let labels = [
        (DEPLOYMENT_LABEL, deployment),
        (HARD_DEADLINE_LABEL, past.as_str()),
    ];
    for _ in 0..4 {
        test.place.stray(&labels).await;
    }
    test.reap_strays(61 * SECOND).await;
    test.engine_proxy().on_each(|seen| {
        if seen.is("DELETE", "/containers/") {
            Fault::Delayed(2 * SECOND)
        } else {
            Fault::None
        }
    });
    let begun = std::time::Instant::now();
    let report = test.reap_strays(121 * SECOND).await;
    assert_eq!(report.orphans_removed, 4, "{report:?}");
    // One after another they would take eight seconds.
    assert!(begun.elapsed() < 5 * SECOND, "{:?}", begun.elapsed());
}
