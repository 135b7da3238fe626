//! The verb is cut off for good, once right before the call is sent, and once right after it was
//! carried out.
//!
//! A cut before a call leaves the same as a cut after the previous call, unless both ran at once.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use containerlease_domain::{lease::State, names::Owner, time::Time};
use containerlease_testkit::{Fault, TestApp};
use futures_util::{StreamExt as _, stream};
use tokio::sync::oneshot;

use super::{Verb, all, calls_of, look, on_both, test};

/// How many cases use the engine at once.
const AT_ONCE: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Moment {
    BeforeItIsSent,
    AfterItIsDone,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provision_that_is_killed_anywhere_leaves_nothing() {
    walk(Verb::Provision).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_that_is_killed_anywhere_leaves_nothing() {
    walk(Verb::Renew).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_that_is_killed_anywhere_leaves_nothing() {
    walk(Verb::Delete).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reaper_that_is_killed_anywhere_leaves_nothing() {
    walk(Verb::End).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reconciler_that_is_killed_anywhere_leaves_nothing() {
    walk(Verb::Reconcile).await;
}

async fn walk(verb: Verb) {
    // Boxed: a verb's own future is large.
    let calls = Box::pin(calls_of(verb)).await;
    let moments = [Moment::BeforeItIsSent, Moment::AfterItIsDone];
    let cases = calls.iter().enumerate().flat_map(|(index, call)| {
        moments
            .into_iter()
            .filter(move |moment| all() || index == 0 || matches!(moment, Moment::AfterItIsDone))
            .map(move |moment| (index, call, moment))
    });
    let reached: Vec<bool> = stream::iter(cases)
        .map(|(index, call, moment)| kill(verb, index, call, moment))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let cut_off = reached.iter().filter(|reached| **reached).count();
    assert!(
        cut_off * 10 >= reached.len() * 9,
        "{verb:?}: of {} cases only {cut_off} came as far as their call",
        reached.len()
    );
}

/// Cuts the verb off at the call of that index, and checks what two ticks leave. Returns
/// whether the verb reached that call.
async fn kill(verb: Verb, index: usize, call: &str, moment: Moment) -> bool {
    let case = format!("{verb:?} killed at call {index} ({call}), {moment:?}");
    let (test, receiver) = test().await;
    let id = verb.prepare(&test, &receiver).await;
    let (killed, kill) = oneshot::channel();
    let killed = Mutex::new(Some(killed));
    let calls = AtomicUsize::new(0);
    on_both(&test, move |_| {
        if calls.fetch_add(1, Ordering::SeqCst) != index {
            return Fault::None;
        }
        let killed = killed.lock().expect("no hook panics").take();
        let tell = Box::new(move || {
            if let Some(killed) = killed {
                killed.send(()).expect("the test waits for it");
            }
        });
        match moment {
            Moment::BeforeItIsSent => Fault::NeverSent(tell),
            Moment::AfterItIsDone => Fault::NeverAnswered(tell),
        }
    });
    let reached = tokio::select! {
        () = verb.act(&test, &receiver, &id) => false,
        _ = kill => true,
    };
    test.table_proxy().heal();
    test.engine_proxy().heal();
    let gone_by = gone_by(&test).await;

    if !matches!(verb, Verb::Reconcile) {
        test.assert_all_recorded(&case).await;
    }
    look(verb, &test, &receiver, &id, &case).await;
    assert_receipts(verb, &test, gone_by, &case).await;
    test.place.clean().await;
    reached
}

/// When the engine has removed all containers at the latest, if it lists none now: it lists one no
/// more a moment before it has removed it.
async fn gone_by(test: &TestApp) -> Option<Time> {
    let there = test.place.containers().await;
    there
        .is_empty()
        .then(|| Time::now().plus(Duration::from_secs(1)))
}

/// Wherever an end was cut off, its receipt says only what was found of the container.
/// `gone_by` is when the container was gone, if that was before another process took over.
async fn assert_receipts(verb: Verb, test: &TestApp, gone_by: Option<Time>, case: &str) {
    let store = test.table.store();
    let page = store.page_of(&Owner::local(), None, 100, |_| true).await;
    let leases = page.expect("the table can be read").leases;
    for lease in &leases {
        let State::Ended(receipt) = &lease.state else {
            continue;
        };
        // A lease that was cut off before it ran may have had no container.
        if matches!(verb, Verb::Provision) && lease.placement.is_none() {
            continue;
        }
        let what = format!("{case}: {receipt:?}");
        let vanished = lease.name.as_deref() == Some("vanished");
        assert_eq!(receipt.stopped_at.is_some(), !vanished, "{what}");
        assert_eq!(receipt.exit_code.is_some(), !vanished, "{what}");
        if lease.name.as_deref() == Some("failed") {
            assert_eq!(receipt.exit_code, Some(3), "{what}");
            assert_eq!(receipt.last_lines, ["its last words"], "{what}");
        }
        if matches!(verb, Verb::Delete | Verb::End)
            && let Some(gone_by) = gone_by
        {
            assert!(receipt.removed_at <= gone_by, "{what} after {gone_by}");
        }
    }
}
