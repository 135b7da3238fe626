//! docs/problems.md: a page for each kind of problem, whose example is what a handler answers.

use std::sync::Arc;

use containerlease_domain::{
    identity::{Identity, Role, Subject},
    names::Owner,
};
use containerlease_functions::{
    http::{
        answer::problem_response,
        problem::{Kind, Problem},
    },
    websocket::relay::StartFailed,
};
use containerlease_service::{docker::HostError, store::Shortage};
use containerlease_testkit::{
    Fault, TestApp, TestAppOptions,
    events::{Answer, Event, saved_for},
};
use serde_json::{Value, json};

use crate::{
    alpine, alpine_with, lease,
    once::provisioning,
    problems::{assert_is, catalogue_without_alpine, connect, connect_where, renew_at_each_read},
};

const PAGES: &str = include_str!("../../../docs/problems.md");

/// The pages show these in place of values that differ each time.
const SHOWN_ID: &str = "0193b6e0-aa1f-7d10-8c55-52d0b1f7a3e9";
const SHOWN_TIME: &str = "2026-11-24T10:00:00.000Z";

/// The future that produces all problems is too large for a test's own stack.
#[test]
fn every_problem_is_produced_as_its_page_shows_it() {
    let producing = std::thread::Builder::new().stack_size(32 * 1024 * 1024);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let produced = producing.spawn(move || runtime.block_on(produce_all()));
    let produced = produced.expect("a thread can be made").join();
    produced.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

async fn produce_all() {
    let mut wrong = Vec::new();
    for kind in Kind::ALL {
        let answer = Box::pin(produced(*kind)).await;
        assert_is(&answer, kind.name());
        let shown = shown(answer.body);
        if example(kind.name()).as_ref() != Some(&shown) {
            wrong.push(format!("## `{}`\n{shown:#}", kind.name()));
        }
    }
    assert!(
        wrong.is_empty(),
        "docs/problems.md does not have what is answered:\n\n{}",
        wrong.join("\n\n")
    );
}

#[test]
fn every_page_says_what_it_means_and_what_to_do() {
    let sections: Vec<_> = PAGES.split("\n## ").skip(1).collect();
    let titles: Vec<_> = sections
        .iter()
        .map(|it| it.lines().next().unwrap())
        .collect();
    let kinds: Vec<_> = Kind::ALL
        .iter()
        .map(|kind| format!("`{}`", kind.name()))
        .collect();
    assert_eq!(titles, kinds, "a page for each kind, in their order");
    for (section, kind) in sections.iter().zip(Kind::ALL) {
        let name = kind.name();
        let status = format!("**{}**", kind.status());
        assert!(section.contains(&status), "{name} has another status");
        assert!(
            section.contains(kind.summary()),
            "{name}: {}",
            kind.summary()
        );
        for part in ["**What to do.** ", "**Waiting.** "] {
            assert!(section.contains(part), "{name} has no {part}");
        }
    }
    for kind in Kind::ALL {
        let name = kind.name();
        let row = format!("| [`{name}`](#{name}) | {} |", kind.status().as_u16());
        assert!(PAGES.contains(&row), "docs/problems.md has no {row}");
    }
}

/// A problem of that kind from a handler. The problems of the one-machine server's gateway are
/// built here; its own tests produce them there.
async fn produced(kind: Kind) -> Answer {
    let without_engine = || TestAppOptions::default().without_engine().build();
    match kind {
        Kind::InvalidBody => {
            let event = Event::saved("provision-ubuntu").raw_body("imageType=redis");
            event.provision(&without_engine().await.app).await
        }
        Kind::InvalidRequest => {
            let event = alpine_with(json!({"imageType": "windows", "durationMinutes": 0}));
            event.provision(&without_engine().await.app).await
        }
        Kind::InvalidLeaseId => {
            Event::about("get", "redis")
                .list(&without_engine().await.app)
                .await
        }
        Kind::InvalidIdempotencyKey => {
            let event = alpine().header("idempotency-key", "my request");
            event.provision(&without_engine().await.app).await
        }
        Kind::InvalidQuery => {
            let event = Event::saved("list").query("state=over&limt=10");
            event.list(&without_engine().await.app).await
        }
        Kind::InvalidCursor => {
            let event = Event::saved("log-page").query("cursor=12");
            event.list(&without_engine().await.app).await
        }
        Kind::InvalidLogView => {
            let event = Event::saved("log-page").query("tail=some");
            event.list(&without_engine().await.app).await
        }
        Kind::SignInNeeded => of_gateway(&Problem::sign_in_needed()),
        Kind::InvalidToken => of_gateway(&Problem::invalid_token()),
        Kind::NotAllowed => {
            let viewer = Identity::new(Subject::Local, Owner::local(), Role::Viewer);
            let event = alpine().from_caller(&viewer);
            event.provision(&without_engine().await.app).await
        }
        Kind::TooManyTokens => of_gateway(&Problem::too_many_tokens(100)),
        Kind::TokenNotFound => {
            let event = Event::about("delete", "5f0c2a9d41be").path("/api/tokens/5f0c2a9d41be");
            event.tokens(&without_engine().await.app).await
        }
        Kind::ForeignOrigin => of_gateway(&Problem::foreign_origin()),
        Kind::UnknownCaller => {
            let event = alpine().context("authorizer", json!({"lambda": {}}));
            event.provision(&without_engine().await.app).await
        }
        Kind::LeaseNotFound => Event::saved("get").list(&without_engine().await.app).await,
        Kind::RouteNotFound => {
            let event = Event::saved("list").path("/api/leases");
            event.list(&without_engine().await.app).await
        }
        Kind::MethodNotAllowed => {
            let event = Event::saved("get").method("PATCH");
            event.list(&without_engine().await.app).await
        }
        Kind::TooSlow => of_gateway(&Problem::too_slow()),
        Kind::TargetTooLong => of_gateway(&Problem::target_too_long()),
        _ => Box::pin(produced_with_more(kind)).await,
    }
}

/// The rest of them.
async fn produced_with_more(kind: Kind) -> Answer {
    let without_engine = || TestAppOptions::default().without_engine().build();
    match kind {
        Kind::LeaseOver => {
            let test = TestApp::new().await;
            let id = lease(&test).await;
            Event::about("delete", &id).delete(&test.app).await;
            Event::about("renew", &id).renew(&test.app).await
        }
        Kind::LeaseNotRunning => {
            let test = without_engine().await;
            let lease = provisioning(&test).await;
            let event = Event::about("renew", &lease.id.to_string());
            event.renew(&test.app).await
        }
        Kind::LeaseContended => {
            let test = TestApp::proxied().await;
            let id = lease(&test).await;
            renew_at_each_read(&test, &id);
            Event::about("renew", &id).renew(&test.app).await
        }
        Kind::IdempotencyConflict => {
            let test = TestApp::new().await;
            let named = |event: Event| event.header("idempotency-key", "k");
            named(alpine()).provision(&test.app).await;
            let other = named(alpine_with(json!({"durationMinutes": 6})));
            other.provision(&test.app).await
        }
        Kind::ContainerPaused => {
            let test = TestApp::new().await;
            let id = lease(&test).await;
            let name = format!("containerlease-{id}");
            let paused = test.place.docker().pause_container(&name).await;
            paused.expect("a container can be paused");
            Event::about("exec", &id).exec(&test.app).await
        }
        Kind::BodyTooLarge => {
            let event = Event::saved("renew").raw_body(&" ".repeat(64 * 1024 + 1));
            event.renew(&without_engine().await.app).await
        }
        Kind::CannotRun => {
            let test = TestApp::new().await;
            let event = alpine_with(json!({"command": ["no-such-program"]}));
            event.provision(&test.app).await
        }
        Kind::RuntimeMissing => {
            let test = TestAppOptions::default()
                .under("no-such-runtime")
                .build()
                .await;
            alpine().provision(&test.app).await
        }
        Kind::EgressStaysOpen => of_gateway(&Problem::from(HostError::EgressStaysOpen)),
        Kind::WebsocketExpected => of_gateway(&Problem::websocket_expected()),
        Kind::QuotaReached => {
            let test = TestAppOptions::default().most_leases(1).build().await;
            lease(&test).await;
            alpine().provision(&test.app).await
        }
        Kind::Internal => {
            let test = TestApp::new().await;
            let id = lease(&test).await;
            connect(&test, saved_for("logs-connect", &id), false).await
        }
        Kind::EngineUnavailable => alpine().provision(&without_engine().await.app).await,
        Kind::StoreUnavailable => {
            let test = TestApp::proxied().await;
            test.table_proxy().on_each(|_| Fault::Cut);
            Event::saved("list").list(&test.app).await
        }
        Kind::StorageFull => Box::pin(on_a_full_disk()).await,
        Kind::HostFull => {
            let plan = TestAppOptions::default()
                .with("CONTAINERLEASE_HOST_CPU_MILLI", 1_000)
                .with("CONTAINERLEASE_HOST_MEMORY_MB", 200);
            let test = plan.build().await;
            lease(&test).await;
            alpine().provision(&test.app).await
        }
        Kind::TooManyLogs => {
            let test = TestApp::new().await;
            let id = lease(&test).await;
            let full = Err(StartFailed::Full);
            connect_where(&test, saved_for("logs-connect", &id), full).await
        }
        Kind::ImageMissing => {
            let mut test = TestApp::new().await;
            test.app.catalogue = Arc::new(catalogue_without_alpine());
            alpine().provision(&test.app).await
        }
        other => panic!("nothing here produces {other:?}"),
    }
}

async fn on_a_full_disk() -> Answer {
    let test = TestApp::new().await;
    test.app.store.room().note(Some(Shortage::DiskFull));
    alpine().provision(&test.app).await
}

fn of_gateway(problem: &Problem) -> Answer {
    Answer::of(&problem_response(Some("request"), problem))
}

/// The problem as a page shows it.
fn shown(mut problem: Value) -> Value {
    problem["requestId"] = Value::from(SHOWN_ID);
    if problem["freesUpAt"].is_string() {
        problem["freesUpAt"] = Value::from(SHOWN_TIME);
    }
    problem
}

/// The example on the page of that problem.
fn example(name: &str) -> Option<Value> {
    let (_, page) = PAGES.split_once(&format!("\n## `{name}`\n"))?;
    let (_, example) = page.split_once("```json\n")?;
    let (example, _) = example.split_once("```")?;
    serde_json::from_str(example).ok()
}
