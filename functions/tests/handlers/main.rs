//! Tests that feed the saved events to the handlers, on the embedded DynamoDB and a real
//! engine.
//!
//! Each test has its own table and deployment, so the tests run in any order and in parallel.
//! They are one program, since linking it takes longer than most of them.

mod busy;
mod capacity;
mod claims;
mod cleanup;
mod confined;
mod container;
mod crash;
mod delete;
mod disk;
mod due;
mod engine_away;
mod exec;
mod exec_late;
mod fair;
mod gateway;
mod history;
mod list;
mod log_gaps;
mod log_page;
mod logs;
mod no_room;
mod notify;
mod once;
mod pages;
mod passwords;
mod places;
mod problems;
mod provision;
mod reach;
mod renew;
mod stats;
mod system_calls;
mod tokens;
mod unreadable;

use std::time::Duration;

use containerlease_testkit::{
    TestApp,
    events::{Answer, Event},
};
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A provision of an alpine for five minutes: the fastest container.
fn alpine() -> Event {
    alpine_with(json!({}))
}

/// A provision of an alpine for five minutes, with more fields.
fn alpine_with(more: Value) -> Event {
    let mut body = json!({"imageType": "alpine", "durationMinutes": 5});
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more);
    }
    Event::saved("provision-ubuntu").body(&body)
}

/// The id of a new lease on an alpine.
async fn lease(test: &TestApp) -> String {
    let answer = alpine().provision(&test.app).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.id()
}

/// The lease as its owner sees it.
async fn get(test: &TestApp, id: &str) -> Value {
    let answer = Event::about("get", id).list(&test.app).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// The engine's record of the lease's container; null if it has none.
async fn inspect(test: &TestApp, id: &str) -> Value {
    let container = test.place.container_of(id).await;
    serde_json::to_value(container).expect("what the engine says is JSON")
}

/// A time in an answer, in milliseconds.
fn millis(answer: &Value, field: &str) -> i64 {
    let time = serde_json::from_value::<containerlease_domain::time::Time>(answer[field].clone());
    time.unwrap_or_else(|error| panic!("{field} is no time ({error}): {answer}"))
        .as_millis()
}

/// Waits until `look` returns true, and panics after too long.
async fn wait_for(what: &str, mut look: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if look().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited ten seconds for this in vain: {what}");
}

/// Waits until the program of the lease's container has ended by itself.
async fn wait_until_exited(test: &TestApp, id: &str) {
    wait_for("the program has ended", async || {
        inspect(test, id).await["State"]["Status"] == "exited"
    })
    .await;
}

/// Asserts that the answer is the named problem, complete and without the table's or the
/// engine's own messages.
fn assert_refused(answer: &Answer, problem: &str) {
    problems::assert_is(answer, problem);
}
