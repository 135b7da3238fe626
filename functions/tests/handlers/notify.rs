//! Notifications of owners, with a real receiver.
//!
//! - [`timing`]: when an owner is told of an end, and warned of it.
//! - [`receivers`]: receivers that fail, say nothing, are gone or point elsewhere.
//! - [`processes`]: many processes at once, and some that are cut off.
//! - [`fields`]: the request's fields and the secret.

mod fields;
mod processes;
mod receivers;
mod timing;

use containerlease_domain::time::Time;
use containerlease_functions::{app::App, jobs::cleanup};
use containerlease_service::notify::deliver::Deliveries;
use containerlease_testkit::{
    Receiver, TestApp, TestAppOptions, events::Answer, test_app::LOOK_AHEAD,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{alpine_with, get};

async fn test() -> (TestApp, Receiver) {
    let test = TestAppOptions::default().private_webhooks().build().await;
    (test, Receiver::start().await)
}

/// A new lease for five minutes whose owner is warned two minutes before its end.
async fn told(test: &TestApp, receiver: &Receiver) -> Answer {
    let notify = json!({"notifyUrl": receiver.url(), "warnSeconds": 120});
    let answer = alpine_with(notify).provision(&test.app).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer
}

/// Delivers what is due now.
async fn deliver(app: &App) -> Deliveries {
    let reaper = cleanup::reaper(app, LOOK_AHEAD, CancellationToken::new());
    cleanup::deliver(&reaper, Time::now()).await
}

/// The lease's notification of that event; null if it has none.
async fn notification(test: &TestApp, id: &str, event: &str) -> Value {
    let lease = get(test, id).await;
    let all = lease["notifications"].as_array();
    let all = all.expect("a lease has its notifications").iter();
    let mut of_event = all.filter(|it| it["event"] == event);
    of_event.next().cloned().unwrap_or(Value::Null)
}
