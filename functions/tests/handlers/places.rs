//! The limited places for relays.

use containerlease_domain::{names::LeaseId, time::Time};
use containerlease_functions::websocket::{gateway::Places, relay::StartFailed};
use containerlease_testkit::{TestApp, events::saved_for};
use futures_util::future::join_all;

use crate::{MINUTE, SECOND, assert_refused, lease, problems::connect_where};

#[tokio::test]
async fn of_many_logs_at_once_only_so_many_have_a_relay() {
    let test = TestApp::new().await;
    let store = &test.app.store;
    let now = Time::now();
    let take = |lease: LeaseId, until| async move {
        store.take_relay_place(&lease, 3, now, until).await.unwrap()
    };
    let leases: Vec<_> = (0..20).map(|_| LeaseId::generate()).collect();
    let until = now.plus(MINUTE);
    let taken = join_all(leases.iter().map(|lease| take(*lease, until))).await;
    assert_eq!(taken.iter().filter(|taken| **taken).count(), 3);
    for (lease, taken) in leases.iter().zip(&taken) {
        assert_eq!(take(*lease, until).await, *taken, "a log keeps its place");
        assert_eq!(
            take(*lease, now.plus(SECOND)).await,
            *taken,
            "and for as long"
        );
    }
    // Their holds have expired.
    let (later, other) = (until.plus(SECOND), LeaseId::generate());
    let taken = store.take_relay_place(&other, 3, later, later.plus(MINUTE));
    assert!(taken.await.unwrap());
}

#[tokio::test]
async fn a_relay_keeps_its_place_while_it_runs() {
    let test = TestApp::new().await;
    let places = Places::new(test.app.store.clone(), Some(1));
    let (mine, other) = (LeaseId::generate(), LeaseId::generate());
    let take = |lease| {
        let now = Time::now();
        let taken = test
            .app
            .store
            .take_relay_place(lease, 1, now, now.plus(SECOND));
        async { taken.await.unwrap() }
    };
    let meanwhile = places.keep(&mine, async {
        tokio::time::sleep(SECOND).await;
        let at_first = take(&other).await;
        // Its first hold expired long ago; the renewals since keep the place.
        test.table.age(MINUTE).await;
        tokio::time::sleep(15 * SECOND).await;
        (at_first, take(&other).await)
    });
    let given_away = Box::pin(meanwhile).await;
    assert_eq!(given_away, (false, false), "the place was given away");
    test.table.age(MINUTE).await;
    assert!(take(&other).await, "the place was not free again");
}

#[tokio::test]
async fn a_viewer_of_one_log_too_many_is_refused_and_forgotten() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let event = saved_for("logs-connect", &id);
    let answer = connect_where(&test, event, Err(StartFailed::Full)).await;
    assert_refused(&answer, "too-many-logs");
    let (viewers, _) = test.app.store.viewers(&id.parse().unwrap()).await.unwrap();
    assert_eq!(viewers, []);
}
