//! Records that this program cannot read, after the rollback of a newer release or a manual
//! change of the table. They hold up nothing else.

use containerlease_domain::{
    logs::{Start, Tail},
    names::Owner,
};
use containerlease_service::store::Viewer;
use containerlease_testkit::{TestAppOptions, events::Event};
use serde_json::Value;

use crate::{MINUTE, SECOND, get, inspect, lease};

#[tokio::test]
async fn a_record_in_a_state_of_a_later_release_holds_up_no_other_end() {
    let test = TestAppOptions::default().most_minutes(10).build().await;
    let (strange, other) = (lease(&test).await, lease(&test).await);
    let record = test.lease(&Owner::local(), &strange).await;
    test.table.put_into_unknown_state(&record).await;
    test.table.age(5 * MINUTE).await;

    for due in [1, 0] {
        let report = test.reap().await;
        assert_eq!((report.due, report.expired), (due, due), "{report:?}");
        assert_eq!(report.unreadable, 1, "{report:?}");
    }
    assert_eq!(get(&test, &other).await["state"], "ended");

    // Whether the lease has ended is unknown, so its container stays and is not an orphan.
    for minutes in [2, 4] {
        let report = test.reap_strays(minutes * MINUTE).await;
        let orphans = (report.orphans_removed, report.orphans_left);
        assert_eq!(orphans, (0, 0), "{report:?}");
    }
    assert_eq!(inspect(&test, &strange).await["State"]["Running"], true);
    // Only its hard deadline still counts, which no release moves.
    let report = test.reap_strays(10 * MINUTE).await;
    assert_eq!(report.orphans_removed, 1, "{report:?}");
    assert_eq!(inspect(&test, &strange).await, Value::Null);
}

#[tokio::test]
async fn lists_pass_over_a_record_that_cannot_be_read() {
    let test = TestAppOptions::default().build().await;
    let (older, strange, newer) = (lease(&test).await, lease(&test).await, lease(&test).await);
    let record = test.lease(&Owner::local(), &strange).await;
    test.table.put_into_unknown_state(&record).await;
    let listed = Event::saved("list").list(&test.app).await;
    let ids = |answer: &Value| -> Vec<String> {
        let containers = answer["containers"].as_array().unwrap().iter();
        let ids = containers.map(|container| container["id"].as_str().unwrap().to_owned());
        ids.collect()
    };
    assert_eq!(ids(&listed.body), [older.clone(), newer.clone()]);

    // The pages of the history continue after it.
    let store = test.table.store();
    let owner = Owner::local();
    let first = store.page_of(&owner, None, 1, |_| true).await.unwrap();
    let second = store.page_of(&owner, first.last, 1, |_| true).await;
    let second = second.unwrap();
    let found: Vec<_> = [&first, &second]
        .iter()
        .flat_map(|page| &page.leases)
        .map(|lease| lease.id.to_string())
        .collect();
    assert_eq!(found, [newer, older]);
    assert_eq!(second.last, None);
}

#[tokio::test]
async fn strange_sightings_notifications_and_viewers_are_passed_over() {
    let test = TestAppOptions::default().build().await;
    let id = lease(&test).await;
    let watched = format!("viewers#{id}");
    for item in [
        &[("pk", "reaper"), ("sk", "sighting#../x")][..],
        &[("pk", "reaper"), ("sk", "sighting#0a"), ("seenAt", "then")],
        &[
            ("pk", "notify#nobody"),
            ("sk", "lease.sung"),
            ("duePk", "notify"),
            ("dueAt", "1"),
        ],
        &[
            ("pk", "owner#local"),
            ("sk", "lease#x"),
            ("duePk", "due"),
            ("dueAt", "1"),
        ],
        &[("pk", &watched), ("sk", "viewer#a"), ("start", "anywhere")],
    ] {
        test.table.plant(item).await;
    }
    let store = test.table.store();
    let lease = test.lease(&Owner::local(), &id).await;
    let viewer = Viewer {
        connection: "b".to_owned(),
        start: Start::With {
            tail: Tail::All,
            since: None,
        },
        paused: false,
        skips: 0,
        served_by: None,
    };
    let added = store.add_viewer(&lease.owner, &lease.id, lease.hard_deadline, &viewer);
    added.await.unwrap();
    let (viewers, _) = store.viewers(&lease.id).await.unwrap();
    assert_eq!(viewers, [viewer]);

    test.table.age(5 * MINUTE + SECOND).await;
    let report = test.reap().await;
    assert_eq!((report.expired, report.unreadable), (1, 4), "{report:?}");
}
