//! `POST /api/containers/{id}/exec`.
//!
//! - [`output`]: both streams, the exit code and their limits.
//! - [`left_behind`]: a command leaves nothing behind, or the answer says so.
//! - [`refused`]: what cannot be run, and when nothing can.

mod left_behind;
mod output;
mod refused;

use containerlease_testkit::{
    TestApp,
    events::{Answer, Event},
};
use serde_json::{Value, json};

/// A command for the lease's container.
pub(crate) fn command(id: &str, body: &Value) -> Event {
    Event::about("exec", id).body(body)
}

/// What a shell in the lease's container answers.
pub(crate) async fn shell(test: &TestApp, id: &str, script: &str, more: Value) -> Answer {
    let mut body = json!({"command": ["sh", "-c", script]});
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more);
    }
    let answer = command(id, &body).exec(&test.app).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

/// The command lines of the processes in the lease's container, except its own program.
async fn processes(test: &TestApp, id: &str) -> Vec<String> {
    let name = format!("containerlease-{id}");
    let top = test.place.docker().top_processes(&name, None).await;
    let top = top.expect("the engine lists processes");
    let titles = top.titles.unwrap_or_default();
    let line = titles.iter().position(|title| title == "CMD");
    let line = line.expect("ps shows command lines");
    let rows = top.processes.unwrap_or_default().into_iter();
    let lines = rows.map(|mut row| row.swap_remove(line));
    let own = ["docker-init", "sleep 600", "sleep infinity"];
    lines
        .filter(|line| !own.iter().any(|own| line.contains(own)))
        .collect()
}
