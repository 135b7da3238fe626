//! Faults that a verb survives: a lost answer, and a network that is gone for good from one call
//! on.

use std::sync::atomic::{AtomicUsize, Ordering};

use containerlease_testkit::Fault;
use futures_util::{StreamExt as _, stream};

use super::{Verb, all, calls_of, look, on_both, test};
use crate::MINUTE;

/// How many cases run at once if their engine is away most of the time.
const IN_TROUBLE_AT_ONCE: usize = 6;

#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// The call is carried out, but its answer is lost; all others pass.
    AnswerLost,
    /// Neither the table nor the engine is reached from this call on.
    AllAway,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provision_in_trouble_anywhere_leaves_nothing() {
    walk_in_trouble(Verb::Provision).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_in_trouble_anywhere_leaves_nothing() {
    walk_in_trouble(Verb::Delete).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reaper_in_trouble_anywhere_leaves_nothing() {
    walk_in_trouble(Verb::End).await;
}

async fn walk_in_trouble(verb: Verb) {
    let calls = Box::pin(calls_of(verb)).await;
    let troubles = [Trouble::AnswerLost, Trouble::AllAway];
    let cases = calls.iter().enumerate().flat_map(|(index, call)| {
        troubles
            .into_iter()
            .filter(move |trouble| {
                all() || index % 3 == 0 || matches!(trouble, Trouble::AnswerLost)
            })
            .map(move |trouble| (index, call, trouble))
    });
    stream::iter(cases)
        .map(|(index, call, trouble)| disturb(verb, index, call, trouble))
        .buffer_unordered(IN_TROUBLE_AT_ONCE)
        .collect::<()>()
        .await;
}

/// Runs the verb to its end with trouble at the call of that index, and checks what two ticks
/// leave.
async fn disturb(verb: Verb, index: usize, call: &str, trouble: Trouble) {
    let case = format!("{verb:?} in trouble at call {index} ({call}), {trouble:?}");
    let (test, receiver) = test().await;
    let id = verb.prepare(&test, &receiver).await;
    let calls = AtomicUsize::new(0);
    on_both(&test, move |_| {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        match trouble {
            Trouble::AnswerLost if call == index => Fault::AnswerLost,
            Trouble::AllAway if call >= index => Fault::Cut,
            Trouble::AnswerLost | Trouble::AllAway => Fault::None,
        }
    });
    let done = tokio::time::timeout(MINUTE, verb.act(&test, &receiver, &id)).await;
    assert!(done.is_ok(), "{case}: it does not come to an end");
    test.table_proxy().heal();
    test.engine_proxy().heal();
    look(verb, &test, &receiver, &id, &case).await;
    test.place.clean().await;
}
