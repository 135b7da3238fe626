//! Kill -9 at every step of every verb: nothing is left after two ticks.
//!
//! The test first runs a verb to learn its calls to the table and to the engine. For each
//! call, it then runs the verb twice, each time on a fresh table and deployment: once cut off
//! for good right before the call is sent, and once right after the call was carried out. A
//! new call of a verb thus enters the matrix by itself.
//!
//! The same walk covers faults that the verb survives: a lost answer, and a network that is
//! gone for good from one call on.
//!
//! Each case costs the engine about a second of work, so a run takes only the cases that
//! differ most. A cut before a call leaves the same as a cut after the previous call, unless
//! both ran at once. `CONTAINERLEASE_CRASHES=all` takes every case.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use containerlease_domain::{
    capacity::Limits,
    container::{DEPLOYMENT_LABEL, HARD_DEADLINE_LABEL, LEASE_LABEL, OWNER_LABEL},
    lease::{Lease, State},
    names::{ContainerName, LeaseId, Owner},
    time::Time,
};
use containerlease_service::{docker::Recipe, reaper::run};
use containerlease_testkit::{
    Fault, Proxy, Receiver, Seen, TestApp, TestAppOptions,
    events::{Event, SAVED_ID},
};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::{MINUTE, SECOND, alpine_with, wait_until_exited};

/// How many cases use the engine at once.
const AT_ONCE: usize = 3;

/// How many cases run at once if their engine is away most of the time.
const IN_TROUBLE_AT_ONCE: usize = 6;

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

#[derive(Clone, Copy, Debug)]
enum Moment {
    BeforeItIsSent,
    AfterItIsDone,
}

#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// The call is carried out, but its answer is lost; all others pass.
    AnswerLost,
    /// Neither the table nor the engine is reached from this call on.
    AllAway,
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

/// Makes every mismatch of table and engine that the reaper corrects: a container without a
/// lease that was seen before, another that was not, a sighting of a container that is gone, a
/// lease whose container vanished, and a lease whose program has ended. Also makes a healthy
/// lease, and returns its id.
async fn misfits(test: &TestApp) -> String {
    let deployment = test.place.deployment().as_str();
    let of_no_lease = LeaseId::generate().to_string();
    let past = Time::now().minus(SECOND).to_string();
    let labels = [
        (DEPLOYMENT_LABEL, deployment),
        (LEASE_LABEL, of_no_lease.as_str()),
        (OWNER_LABEL, "local"),
        (HARD_DEADLINE_LABEL, past.as_str()),
    ];
    test.place.stray(&labels).await;
    test.reap_strays(61 * SECOND).await;
    test.place.stray(&labels).await;
    let gone = ContainerName::listed_by_engine("0a").expect("it is hexadecimal");
    let store = test.table.store();
    let sighted = store.sighted(&gone, Time::now()).await;
    sighted.expect("the table can be written");

    let image = test.app.catalogue.get("alpine");
    let image = image.expect("there is an alpine");
    let now = Time::now();
    let mut ids = vec![];
    let names = ["as it should be", "failed", "vanished"];
    for (name, command) in
        names
            .into_iter()
            .zip([Some("sleep 600"), Some("echo its last words; exit 3"), None])
    {
        let lease = Lease {
            name: Some(name.to_owned()),
            expires_at: now.plus(5 * MINUTE),
            hard_deadline: now.plus(60 * MINUTE),
            cpu_milli: 250,
            memory_mb: 128,
            ..Lease::sample("alpine", now)
        };
        let created = store.create(&lease, &Limits::default(), None).await;
        created.expect("the table can be written");
        ids.push(lease.id.to_string());
        if let Some(command) = command {
            let recipe = Recipe {
                image,
                command: Some(&["sh", "-c", command].map(str::to_owned)),
                env: &image.env,
                ports: &image.ports,
            };
            let host = &test.app.host;
            let made = host.create(&lease, &recipe).await;
            made.expect("a container can be made");
            let started = host.start(&ContainerName::of_lease(&lease.id)).await;
            started.expect("a container can be started");
        }
    }
    wait_until_exited(test, &ids[1]).await;
    ids.swap_remove(0)
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
