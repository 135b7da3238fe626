//! Kill -9 at every step of every verb: nothing is left after two ticks.
//!
//! The tests first run a verb to learn its calls to the table and to the engine. Then they run it
//! again for each of its calls, each time on a fresh table and deployment. A new call of a verb
//! thus enters the matrix by itself.
//!
//! - [`killed`]: the verb is cut off for good at the call.
//! - [`in_trouble`]: it survives the call's fault.
//! - [`misfits`]: what a run of the reaper finds to correct.
//!
//! Each case costs the engine about a second of work, so a run takes only the cases that
//! differ most. `CONTAINERLEASE_CRASHES=all` takes every case.

mod in_trouble;
mod killed;
mod misfits;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use containerlease_domain::{names::Owner, time::Time};
use containerlease_service::reaper::run;
use containerlease_testkit::{
    Fault, Proxy, Receiver, Seen, TestApp, TestAppOptions,
    events::{Event, SAVED_ID},
};
use serde_json::{Value, json};

use self::misfits::misfits;
use crate::{MINUTE, SECOND, alpine_with};

/// How far ahead of the clock a run that looks for strays is.
const LATER: Duration = Duration::from_secs(122);

#[derive(Clone, Copy, Debug)]
enum Verb {
    Provision,
    Renew,
    Delete,
    /// The reaper, with expired leases to end.
    End,
    /// The reaper, with containers and leases that do not match.
    Reconcile,
}

impl Verb {
    /// Makes the lease that the verb needs, and returns its id.
    async fn prepare(self, test: &TestApp, receiver: &Receiver) -> String {
        match self {
            Self::Provision => SAVED_ID.to_owned(),
            Self::Renew | Self::Delete => told(test, receiver).await,
            Self::End => {
                let id = told(test, receiver).await;
                test.table.age(5 * MINUTE).await;
                id
            }
            Self::Reconcile => misfits(test).await,
        }
    }

    async fn act(self, test: &TestApp, receiver: &Receiver, id: &str) {
        match self {
            Self::Provision => {
                drop(provision_once(receiver).provision(&test.app).await);
            }
            Self::Renew => drop(Event::about("renew", id).renew(&test.app).await),
            Self::Delete => drop(Event::about("delete", id).delete(&test.app).await),
            Self::End => {
                let now = Time::now();
                drop(run(&test.reaper(), now, now.plus(MINUTE)).await);
            }
            // The first run is for the strays, as if it were later, the second for the leases.
            Self::Reconcile => {
                let now = Time::now();
                drop(run(&test.reaper(), now.plus(LATER), now.plus(40 * SECOND)).await);
                drop(run(&test.reaper(), now, now.plus(MINUTE)).await);
            }
        }
    }
}

/// A provision with an `Idempotency-Key`, so that it can be repeated, and with a webhook.
fn provision_once(receiver: &Receiver) -> Event {
    alpine_with(notify(receiver)).header("idempotency-key", "cut-off")
}

/// The id of a new lease with a webhook.
async fn told(test: &TestApp, receiver: &Receiver) -> String {
    let answer = alpine_with(notify(receiver)).provision(&test.app).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.id()
}

fn notify(receiver: &Receiver) -> Value {
    json!({"notifyUrl": receiver.url(), "warnSeconds": 60})
}

async fn test() -> (TestApp, Receiver) {
    // A network of its own adds one more call that can be cut.
    let plan = TestAppOptions::default()
        .proxied()
        .private_webhooks()
        .on_own_network();
    (plan.build().await, Receiver::start().await)
}

/// Whether to run every case.
#[expect(
    clippy::disallowed_methods,
    reason = "how much is tried is asked of the test alone"
)]
fn all() -> bool {
    std::env::var("CONTAINERLEASE_CRASHES").is_ok_and(|cases| cases == "all")
}

/// A verb's calls in order, from the shorter of two runs.
async fn calls_of(verb: Verb) -> Vec<String> {
    if matches!(verb, Verb::End | Verb::Reconcile) {
        // In one minute of ten a run recounts, which takes more calls.
        while [Time::now(), Time::now().plus(LATER)]
            .into_iter()
            .any(counts_anew)
        {
            tokio::time::sleep(SECOND).await;
        }
    }
    let first = Box::pin(heard_of(verb)).await;
    let second = Box::pin(heard_of(verb)).await;
    if second.len() < first.len() {
        second
    } else {
        first
    }
}

fn counts_anew(now: Time) -> bool {
    (now.as_millis() / 60_000) % 10 == 0
}

/// The calls of one run. A slow run makes a few more, since it renews its claims.
async fn heard_of(verb: Verb) -> Vec<String> {
    let (test, receiver) = test().await;
    let id = verb.prepare(&test, &receiver).await;
    let calls = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&calls);
    on_both(&test, move |seen| {
        noted.lock().expect("no hook panics").push(seen.to_string());
        Fault::None
    });
    verb.act(&test, &receiver, &id).await;
    test.place.clean().await;
    let calls = calls.lock().expect("no hook panics").clone();
    assert!(calls.len() > 1, "{verb:?} makes no calls? {calls:?}");
    calls
}

/// Runs the reaper twice and checks what is left.
async fn look(verb: Verb, test: &TestApp, receiver: &Receiver, id: &str, case: &str) {
    test.two_ticks().await;
    test.assert_nothing_leaked(&Owner::local(), case).await;
    test.assert_told(&Owner::local(), receiver, case).await;
    let active = test.table.store().active_of(&Owner::local()).await;
    let active = active.expect("the table can be read").len();
    match verb {
        Verb::Provision => {
            assert!(active <= 1, "{case}");
            // Its caller has no answer and repeats the request.
            let again = provision_once(receiver).provision(&test.app).await;
            assert_eq!(again.status, 201, "{case}: {again:?}");
            let once_more = provision_once(receiver).provision(&test.app).await;
            assert_eq!(once_more.id(), again.id(), "{case}");
            test.assert_nothing_leaked(&Owner::local(), case).await;
            let leases = test.table.store().active_of(&Owner::local()).await;
            let leases = leases.expect("the table can be read").len();
            assert_eq!(leases, 1, "{case}");
        }
        Verb::Renew | Verb::Reconcile => assert_eq!(active, 1, "{case}"),
        Verb::Delete => {
            // Its owner has no answer and repeats the request.
            let again = Event::about("delete", id).delete(&test.app).await;
            assert_eq!(again.status, 200, "{case}: {again:?}");
            test.assert_nothing_leaked(&Owner::local(), case).await;
        }
        Verb::End => assert_eq!(active, 0, "{case}"),
    }
}

/// One hook for the table and the engine together.
fn on_both(test: &TestApp, hook: impl Fn(&Seen) -> Fault + Send + Sync + 'static) {
    let hook = Arc::new(hook);
    for proxy in [test.table_proxy(), test.engine_proxy()] {
        let hook = Arc::clone(&hook);
        Proxy::on_each(proxy, move |seen| hook(seen));
    }
}
