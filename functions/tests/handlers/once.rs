//! `Idempotency-Key`: a request that arrives several times is carried out once.

use containerlease_domain::{
    lease::{Lease, Reason, StateName},
    names::Owner,
    time::Time,
};
use containerlease_testkit::{
    Fault, TestApp, TestAppOptions,
    events::{Answer, Event},
};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{MINUTE, SECOND, alpine, alpine_with, assert_refused, get, inspect, wait_for};

/// A provision of an alpine under this key.
fn named(key: &str) -> Event {
    alpine().header("idempotency-key", key)
}

/// The answer without the time that it was given at.
fn said(answer: &Answer) -> Value {
    let mut body = answer.body.clone();
    body["serverTime"] = Value::Null;
    body
}

/// The only lease that has not ended.
async fn only_lease(test: &TestApp) -> Lease {
    let active = test.table.store().active_of(&Owner::local()).await;
    let mut active = active.expect("the table can be read");
    assert_eq!(active.len(), 1, "{active:?}");
    active.remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_at_once_under_one_key_are_one_container_and_a_hundred_equal_answers() {
    // The lease that all of them ask for fills the owner's only place.
    let test = TestAppOptions::default().most_leases(1).build().await;
    let processes: Vec<_> = (0..4).map(|_| test.another_process()).collect();
    let answers = (0..100).map(|index| named("one").provision(&processes[index % 4]));
    let answers = join_all(answers).await;
    let first = said(&answers[0]);
    for answer in &answers {
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(said(answer), first);
    }
    assert_eq!(first["state"], "running");
    assert_eq!(test.place.containers().await.len(), 1);
    let owner = &Owner::local();
    test.assert_nothing_leaked(owner, "a hundred at once").await;
}

#[tokio::test]
async fn a_replay_answers_the_lease_whatever_has_become_of_it() {
    let test = TestApp::new().await;
    let first = named("k").provision(&test.app).await;
    assert_eq!(first.status, 201, "{first:?}");
    let again = named("k").provision(&test.app).await;
    assert_eq!((again.status, said(&again)), (201, said(&first)));
    // The order of fields, and null fields, do not make it another request.
    let body = r#"{"name": null, "durationMinutes": 5, "imageType": "alpine", "env": {}}"#;
    let reworded = named("k").raw_body(body).provision(&test.app).await;
    assert_eq!((reworded.status, said(&reworded)), (201, said(&first)));
    // Keys are separate for each owner, and each key has its own lease.
    let other = named("k").from_owner("ada").provision(&test.app).await;
    assert_ne!(other.id(), first.id());
    assert_ne!(named("l").provision(&test.app).await.id(), first.id());

    Event::about("delete", &first.id()).delete(&test.app).await;
    let ended = named("k").provision(&test.app).await;
    assert_eq!((ended.status, ended.id()), (201, first.id()));
    assert_eq!(ended.body["state"], "ended");
    assert_eq!(ended.body["receipt"]["reason"], "deleted");
}

#[tokio::test]
async fn another_request_under_the_key_is_a_conflict() {
    let test = TestApp::new().await;
    let first = named("k").provision(&test.app).await;
    for different in [
        json!({"durationMinutes": 6}),
        json!({"env": {"KEY": "hunter2"}}),
        json!({"labels": {"a": ""}}),
        json!({"preset": "medium"}),
    ] {
        let event = alpine_with(different).header("idempotency-key", "k");
        let answer = event.provision(&test.app).await;
        assert_refused(&answer, "idempotency-conflict");
        assert!(!answer.body.to_string().contains("hunter2"));
    }
    assert_eq!(only_lease(&test).await.id.to_string(), first.id());
}

#[tokio::test]
async fn a_key_stands_for_a_day() {
    let test = TestApp::new().await;
    let first = named("k").provision(&test.app).await;
    test.table.age((24 * 60 - 1) * MINUTE).await;
    test.reap().await;
    let again = named("k").provision(&test.app).await;
    assert_eq!((again.status, again.id()), (201, first.id()));
    test.table.age(MINUTE).await;
    // The item still exists; the time inside it decides.
    let later = alpine_with(json!({"durationMinutes": 9})).header("idempotency-key", "k");
    let later = later.provision(&test.app).await;
    assert_eq!(later.status, 201, "{later:?}");
    assert_ne!(later.id(), first.id());
    let owner = &Owner::local();
    test.assert_nothing_leaked(owner, "a day later").await;
}

#[tokio::test]
async fn what_failed_before_it_ran_has_used_nothing_up() {
    let test = TestApp::proxied().await;
    test.engine_proxy().on_each(|seen| {
        if seen.is("POST", "/start") {
            Fault::Cut
        } else {
            Fault::None
        }
    });
    let failed = named("k").provision(&test.app).await;
    assert_refused(&failed, "engine-unavailable");
    test.engine_proxy().heal();
    // Of many retries, one makes a lease.
    let answers = join_all((0..5).map(|_| named("k").provision(&test.app))).await;
    for answer in &answers {
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(said(answer), said(&answers[0]));
    }
    assert_eq!(only_lease(&test).await.id.to_string(), answers[0].id());
    let other = alpine_with(json!({"name": "x"})).header("idempotency-key", "k");
    let other = other.provision(&test.app).await;
    assert_refused(&other, "idempotency-conflict");
}

#[tokio::test]
async fn a_provision_that_was_abandoned_is_waited_for_and_then_made_anew() {
    let test = TestApp::proxied().await;
    let (cut_off, reached) = tokio::sync::oneshot::channel();
    let cut_off = std::sync::Mutex::new(Some(cut_off));
    test.engine_proxy().on_each(move |seen| {
        if !seen.is("POST", "/containers/create") {
            return Fault::None;
        }
        let cut_off = cut_off.lock().unwrap().take();
        Fault::NeverSent(Box::new(move || {
            if let Some(cut_off) = cut_off {
                cut_off.send(()).expect("the test waits for it");
            }
        }))
    });
    tokio::select! {
        answer = named("k").provision(&test.app) => panic!("{answer:?}"),
        _ = reached => {}
    }
    test.engine_proxy().heal();
    let abandoned = only_lease(&test).await;
    assert_eq!(abandoned.state_name(), StateName::Provisioning);
    let waiting = named("k").provision(&test.app);
    let reaping = async {
        tokio::time::sleep(SECOND / 2).await;
        test.table.age(36 * SECOND).await;
        test.reap().await
    };
    let (answer, report) = tokio::join!(waiting, reaping);
    assert_eq!(report.failed, 1, "{report:?}");
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_ne!(answer.id(), abandoned.id.to_string());
    let owner = &Owner::local();
    test.assert_nothing_leaked(owner, "an abandoned one").await;
}

#[tokio::test]
async fn one_that_is_under_way_for_too_long_is_not_waited_for() {
    let test = TestAppOptions::default().without_engine().build().await;
    let store = test.table.store();
    let lease = provisioning(&test).await;
    // Its age equals the longest time that a request may wait.
    let before = Time::now();
    let answer = named("k").provision(&test.app).await;
    assert_refused(&answer, "lease-not-running");
    assert!(
        before.until(Time::now()) < 29 * SECOND,
        "the gateway gives up"
    );

    // If the lease was deleted before it ran, a retry says so and makes no new lease.
    let claimed = store.claim(&lease, Reason::Deleted, Time::now()).await;
    claimed.unwrap();
    let answer = named("k").provision(&test.app).await;
    assert_refused(&answer, "lease-over");
}

/// A lease whose provision under the key `k` is in progress.
pub(crate) async fn provisioning(test: &TestApp) -> Lease {
    use containerlease_domain::{
        capacity::Limits, idempotency::IdempotencyKey, lease::State, names::LeaseId, request,
    };
    use containerlease_service::store::NewKeyUse;
    let body = json!({"imageType": "alpine", "durationMinutes": 5}).to_string();
    let policy = &test.app.policy;
    let asked = request::Provision::parse(body.as_bytes(), &test.app.catalogue, policy);
    let asked = asked.expect("it is a good request");
    let key: IdempotencyKey = "k".parse().expect("it is a good key");
    let now = Time::now();
    let lease = Lease {
        id: LeaseId::generate(),
        owner: Owner::local(),
        version: 1,
        image_type: asked.image.image_type.clone(),
        name: None,
        labels: asked.labels.clone(),
        created_at: now,
        expires_at: now.plus(asked.duration),
        hard_deadline: now.plus(policy.longest_lease),
        cpu_milli: asked.cpu_milli,
        memory_mb: asked.memory_mb,
        disk_mb: Some(asked.disk_mb),
        egress: asked.egress.clone(),
        amounts_counted: true,
        webhook: None,
        placement: None,
        state: State::Provisioning,
    };
    let used = NewKeyUse {
        key: &key,
        request: &key.fingerprint(asked.canonical.as_str()),
        replaces: None,
    };
    let store = test.table.store();
    let created = store.create(&lease, &Limits::default(), Some(&used)).await;
    created.expect("it can be written");
    lease
}

#[tokio::test]
async fn a_lease_whose_record_is_gone_is_not_made_again() {
    let test = TestApp::new().await;
    let first = named("k").provision(&test.app).await;
    Event::about("delete", &first.id()).delete(&test.app).await;
    let ended = test.lease(&Owner::local(), &first.id()).await;
    test.table.purge(&ended).await;
    let answer = named("k").provision(&test.app).await;
    assert_refused(&answer, "lease-not-found");
}

#[tokio::test]
async fn an_answer_that_the_table_loses_makes_no_second_lease() {
    let test = TestApp::proxied().await;
    for lost in ["TransactWriteItems", "UpdateItem", "GetItem"] {
        let already = std::sync::atomic::AtomicBool::new(false);
        test.table_proxy().on_each(move |seen| {
            let first = seen.is_operation(lost)
                && !already.swap(true, std::sync::atomic::Ordering::Relaxed);
            if first {
                Fault::AnswerLost
            } else {
                Fault::None
            }
        });
        let key = format!("lost-{lost}");
        let first = named(&key).provision(&test.app).await;
        assert_eq!(first.status, 201, "{lost}: {first:?}");
        let again = named(&key).provision(&test.app).await;
        assert_eq!(again.id(), first.id(), "{lost}");
        test.assert_nothing_leaked(&Owner::local(), lost).await;
    }
}

#[tokio::test]
async fn a_key_that_is_none() {
    let test = TestAppOptions::default().without_engine().build().await;
    for wrong in ["", " ", "two words", "tab\there", "é", &"x".repeat(256)] {
        let answer = named(wrong).provision(&test.app).await;
        assert_refused(&answer, "invalid-idempotency-key");
    }
}

#[tokio::test]
async fn a_secret_lies_nowhere_but_in_the_container() {
    let test = TestApp::new().await;
    let secret = alpine_with(json!({"env": {"KEY": "hunter2"}, "labels": {"a": "shown"}}));
    let secret = secret.header("idempotency-key", "a-key-of-mine");
    let answer = secret.clone().provision(&test.app).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let id = answer.id();
    let container = inspect(&test, &id).await.to_string();
    assert!(container.contains("hunter2"), "{container}");
    let replayed = secret.provision(&test.app).await;
    let listed = Event::saved("list").list(&test.app).await;
    Event::about("delete", &id).delete(&test.app).await;
    wait_for("it has ended", async || {
        get(&test, &id).await["state"] == "ended"
    })
    .await;
    let history = Event::saved("list")
        .query("state=all")
        .list(&test.app)
        .await;
    let receipt = get(&test, &id).await;
    for shown in [
        &answer.body,
        &replayed.body,
        &listed.body,
        &history.body,
        &receipt,
    ] {
        assert!(!shown.to_string().contains("hunter2"), "{shown}");
        assert!(shown.to_string().contains("shown"), "{shown}");
    }
    let items = test.table.dump().await;
    assert!(items.contains("key#"), "{items}");
    for secret in ["hunter2", "a-key-of-mine"] {
        assert!(!items.contains(secret), "{items}");
    }
}
