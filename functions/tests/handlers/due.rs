//! The queues' targets: messages about due ends and notifications, with a real table, a real
//! engine and a real receiver.

use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use containerlease_domain::{names::Owner, time::Time};
use containerlease_functions::{
    app::App,
    jobs::{cleanup, deliver, end},
    metrics::Ends,
};
use containerlease_service::{
    due::{Due, Queues, REACH},
    notify::deliver::Deliveries,
};
use containerlease_settings::QueueUrls;
use containerlease_testkit::{
    Fault, Receiver, TestApp, TestAppOptions,
    events::{Event, saved},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{MINUTE, SECOND, alpine_with, get, inspect, lease, millis};

/// The message for the lease's current end.
async fn end_of(test: &TestApp, id: &str) -> Due {
    due_at(test, id, "expiryTime").await
}

async fn due_at(test: &TestApp, id: &str, field: &str) -> Due {
    let lease = get(test, id).await;
    Due {
        owner: Owner::local(),
        lease_id: id.parse().expect("it is a lease's id"),
        due_at: Time::from_millis(millis(&lease, field)),
    }
}

/// The event with these messages, in the format of the saved event.
fn event(name: &str, messages: &[Due]) -> SqsEvent {
    let texts: Vec<_> = messages
        .iter()
        .map(|due| serde_json::to_string(due).expect("it is made of texts"))
        .collect();
    event_of(name, &texts)
}

fn event_of(name: &str, bodies: &[String]) -> SqsEvent {
    let saved = saved(name);
    let messages = bodies.iter().enumerate().map(|(number, body)| {
        let mut message = saved["Records"][0].clone();
        message["messageId"] = json!(number.to_string());
        message["body"] = json!(body);
        message
    });
    let event = json!({"Records": messages.collect::<Vec<_>>()});
    serde_json::from_value(event).expect("it is an event of SQS")
}

/// The messages that the queue must deliver again.
fn failures(response: &SqsBatchResponse) -> Vec<&str> {
    let failures = response.batch_item_failures.iter();
    failures.map(|one| one.item_identifier.as_str()).collect()
}

async fn ends(app: &App, messages: &[Due]) -> Ends {
    let (response, ends) = end::handle(app, event("end", messages)).await;
    assert_eq!(failures(&response), [""; 0]);
    ends
}

const STALE: Ends = Ends {
    overshoot_ms: Vec::new(),
    stale: 1,
    waiting: 0,
    attempts_failed: 0,
};

#[test]
fn the_saved_messages_are_what_is_sent() {
    for name in ["end", "deliver"] {
        let body = saved(name)["Records"][0]["body"]
            .as_str()
            .unwrap()
            .to_owned();
        let due: Due = serde_json::from_str(&body).unwrap();
        assert_eq!(serde_json::to_string(&due).unwrap(), body);
    }
}

#[tokio::test]
async fn a_lease_is_ended_at_its_own_instant_and_not_before() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    test.table.age(294 * SECOND).await;
    let message = end_of(&test, &id).await;
    assert!(Time::now() < message.due_at, "the message comes early");

    let ends = ends(&test.app, std::slice::from_ref(&message)).await;
    let ended = get(&test, &id).await;
    assert_eq!(ended["receipt"]["reason"], "expired", "{ended}");
    let overshoot = ended["receipt"]["overshootMs"].as_i64().unwrap();
    assert!((0..=10_000).contains(&overshoot), "{overshoot} ms late");
    assert_eq!(ends.overshoot_ms, [overshoot]);
    assert_eq!(inspect(&test, &id).await, Value::Null);
    test.assert_nothing_leaked(&Owner::local(), "one ended")
        .await;
}

#[tokio::test]
async fn of_many_messages_for_one_end_one_ends_the_lease() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    test.table.age(5 * MINUTE).await;
    let messages = vec![end_of(&test, &id).await; 5];
    let other = test.another_process();
    let (here, there, report) = tokio::join!(
        ends(&test.app, &messages),
        ends(&other, &messages),
        test.reap()
    );
    let ended = here.overshoot_ms.len() + there.overshoot_ms.len() + report.expired;
    assert_eq!(ended, 1, "{here:?} {there:?} {report:?}");
    assert_eq!(here.attempts_failed + there.attempts_failed, 0);
    let lease = get(&test, &id).await;
    assert_eq!(lease["receipt"]["reason"], "expired");
    assert_eq!(lease["receipt"]["attempts"], 1, "{lease}");
    test.assert_nothing_leaked(&Owner::local(), "one ended by many")
        .await;
}

#[tokio::test]
async fn a_message_for_an_end_that_is_not_the_leases_any_more_is_dropped() {
    let test = TestApp::new().await;
    let (renewed, deleted) = (lease(&test).await, lease(&test).await);
    test.table.age(294 * SECOND).await;
    let messages = [end_of(&test, &renewed).await, end_of(&test, &deleted).await];
    let later = Event::about("renew", &renewed).body(&json!({"durationMinutes": 5}));
    assert_eq!(later.renew(&test.app).await.status, 200);
    let gone = Event::about("delete", &deleted).delete(&test.app).await;
    assert_eq!(gone.status, 200);

    let ends = ends(&test.app, &messages).await;
    assert_eq!(ends, Ends { stale: 2, ..STALE });
    assert_eq!(get(&test, &renewed).await["state"], "running");
    assert_eq!(inspect(&test, &renewed).await["State"]["Running"], true);
    assert_eq!(get(&test, &deleted).await["receipt"]["reason"], "deleted");
}

#[tokio::test]
async fn a_message_about_nobodys_lease_or_for_a_far_end_is_dropped_at_once() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let far = end_of(&test, &id).await;
    let strangers = Due {
        owner: Owner::try_from("stranger".to_owned()).unwrap(),
        due_at: Time::now(),
        ..far.clone()
    };
    let began = Time::now();
    let ends = ends(&test.app, &[far, strangers]).await;
    assert_eq!(ends, Ends { stale: 2, ..STALE });
    assert!(Time::now() < began.plus(2 * SECOND), "it was waited for");
    assert_eq!(get(&test, &id).await["state"], "running");
}

#[tokio::test]
async fn a_message_is_given_out_again_while_the_table_cannot_be_read() {
    let test = TestApp::proxied().await;
    let id = lease(&test).await;
    test.table.age(5 * MINUTE).await;
    let message = end_of(&test, &id).await;
    let bodies = [serde_json::to_string(&message).unwrap(), "what?".to_owned()];
    test.table_proxy().on_each(|seen| {
        if seen.is_operation("GetItem") {
            Fault::Cut
        } else {
            Fault::None
        }
    });
    let (response, ends) = end::handle(&test.app, event_of("end", &bodies)).await;
    assert_eq!(failures(&response), ["0", "1"]);
    assert_eq!(ends, Ends::default());
    test.table_proxy().heal();
    let (response, ends) = end::handle(&test.app, event_of("end", &bodies)).await;
    assert_eq!(
        failures(&response),
        ["1"],
        "what is none of ours is none yet"
    );
    assert_eq!(ends.overshoot_ms.len(), 1);
}

#[tokio::test]
async fn an_owner_is_warned_at_the_warnings_time_and_once() {
    let (test, receiver) = (
        TestAppOptions::default().private_webhooks().build().await,
        Receiver::start().await,
    );
    let notify = json!({"notifyUrl": receiver.url(), "warnSeconds": 120});
    let id = alpine_with(notify).provision(&test.app).await.id();
    test.table.age(178 * SECOND).await;
    let warning = get(&test, &id).await["notifications"][0].clone();
    let message = Due {
        owner: Owner::local(),
        lease_id: id.parse().unwrap(),
        due_at: Time::from_millis(millis(&warning, "nextAttemptAt")),
    };
    let deliverer = cleanup::deliverer(&test.app, CancellationToken::new());
    let cut_off = Time::now().plus(MINUTE);
    let event = event("deliver", &[message.clone(), message.clone()]);
    let (response, deliveries) = deliver::handle(&deliverer, event, cut_off).await;
    assert_eq!(failures(&response), [""; 0]);
    let once = Deliveries {
        delivered: 1,
        ..Deliveries::default()
    };
    assert_eq!(deliveries, once);
    let messages = receiver.messages();
    assert_eq!(messages.len(), 1);
    let late = messages[0].at.millis_since(message.due_at);
    assert!((0..=10_000).contains(&late), "{late} ms late");
}

#[tokio::test]
async fn a_queue_that_cannot_be_used_fails_no_provision_and_no_renewal() {
    let mut test = TestApp::new().await;
    // A table answers there, which takes no messages.
    let urls = QueueUrls {
        ends: "http://127.0.0.1:1/ends".to_owned(),
        deliveries: "http://127.0.0.1:1/deliveries".to_owned(),
    };
    let queues = Arc::new(Queues::new(test.table.aws(), &urls));
    test.app.queues = Some(Arc::clone(&queues));
    let id = lease(&test).await;
    let later = Event::about("renew", &id).body(&json!({"durationMinutes": 10}));
    assert_eq!(later.renew(&test.app).await.status, 200);

    let sent = queues.ahead(&test.app.store, Time::now()).await.unwrap();
    assert_eq!((sent.ends, sent.unsent), (0, 1));
    let until = test.app.store.sent_until().await.unwrap();
    let unsent = end_of(&test, &id).await;
    assert_eq!(until, Some(unsent.due_at), "the next run tries it again");
}

#[tokio::test]
async fn what_runs_and_ends_within_reach_is_to_be_sent() {
    let test = TestApp::new().await;
    let (id, ended) = (lease(&test).await, lease(&test).await);
    let gone = Event::about("delete", &ended).delete(&test.app).await;
    assert_eq!(gone.status, 200);
    let store = &test.app.store;
    let end = end_of(&test, &id).await.due_at;
    let after = Time::from_millis(end.as_millis() + 1);
    for (from, until, found) in [
        (Time::now(), Time::now().plus(REACH), 1),
        (end, end, 1),
        (after, after.plus(REACH), 0),
        (Time::now(), end.minus(SECOND), 0),
    ] {
        let ends = store.ends_between(from, until).await.unwrap();
        assert_eq!(ends.len(), found, "{from} {until}");
    }
    assert_eq!(store.sent_until().await.unwrap(), None);
    store.note_sent_until(end).await.unwrap();
    assert_eq!(store.sent_until().await.unwrap(), Some(end));
    assert!(store.sightings().await.unwrap().items.is_empty());
}
