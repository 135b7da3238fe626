//! API tokens: who makes, sees and revokes which, and what a function asks of its caller.

use std::time::Duration;

use containerlease_domain::{
    identity::{Identity, Role, Scope, Scopes, Subject, Token, TokenSpec, TokenState, TokenText},
    names::Owner,
    time::Time,
};
use containerlease_functions::{
    http::router::route,
    routes::{self, description::DESCRIPTION},
};
use containerlease_testkit::{
    Fault, TestApp, TestAppOptions,
    events::{Answer, Event, SAVED_ID, saved},
};
use serde_json::{Value, json};

use crate::{alpine, assert_refused, problems::connect};

async fn app() -> TestApp {
    TestAppOptions::default().without_engine().build().await
}

fn caller(owner: &str, role: Role) -> Identity {
    let owner = Owner::try_from(owner.to_owned()).expect("a name");
    Identity::new(Subject::Local, owner, role)
}

async fn make(test: &TestApp, by: &Identity, body: &Value) -> Answer {
    let event = Event::saved("provision-ubuntu").path("/api/tokens");
    event.body(body).from_caller(by).tokens(&test.app).await
}

/// A token that an admin has made.
async fn made(test: &TestApp, body: &Value) -> Value {
    let answer = make(test, &Identity::local(), body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body
}

async fn list(test: &TestApp, by: &Identity) -> Vec<String> {
    let event = Event::saved("list").path("/api/tokens").from_caller(by);
    let answer = event.tokens(&test.app).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let tokens = answer.body["tokens"].as_array().expect("a list");
    let names = tokens
        .iter()
        .map(|token| token["name"].as_str().expect("a name"));
    names.map(str::to_owned).collect()
}

async fn revoke(test: &TestApp, by: &Identity, id: &str) -> Answer {
    let event = Event::about("delete", id).path(&format!("/api/tokens/{id}"));
    event.from_caller(by).tokens(&test.app).await
}

fn id(made: &Value) -> &str {
    made["token"]["id"].as_str().expect("a text")
}

fn text(made: &Value) -> &str {
    made["secret"].as_str().expect("a text")
}

/// A list, asked for with that token and nothing else.
async fn list_with(test: &TestApp, token: &str) -> Answer {
    let event = Event::saved("list").from_nobody();
    let event = event.header("authorization", &format!("Bearer {token}"));
    event.list(&test.app).await
}

#[tokio::test]
async fn every_operation_refuses_a_caller_whom_nobody_knows() {
    let test = app().await;
    let description: Value = serde_json::from_str(DESCRIPTION).unwrap();
    let mut asked = 0;
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if operation["security"] == json!([]) {
                continue;
            }
            asked += 1;
            let (method, path) = (method.to_uppercase(), path.replace("{id}", SAVED_ID));
            let (function, _) = route(&method.parse().unwrap(), &path).unwrap();
            let event = Event::about("get", SAVED_ID).method(&method).path(&path);
            let request = event.from_nobody().request();
            let answer = Box::pin(routes::call(function, &test.app, request)).await;
            let answer = Answer::of(&answer);
            assert_refused(&answer, "sign-in-needed");
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
    }
    assert!(asked > 10, "{asked}");
    let mut event = saved("logs-connect");
    event["requestContext"]["authorizer"] = Value::Null;
    assert_refused(&connect(&test, event.clone(), true).await, "sign-in-needed");
    event["headers"]["Authorization"] = json!("Bearer x");
    assert_refused(&connect(&test, event, true).await, "invalid-token");
}

#[tokio::test]
async fn a_function_without_an_authorizer_knows_tokens_itself() {
    let test = TestApp::new().await;
    let token = made(&test, &json!({"name": "ci", "owner": "ada"})).await;
    let header = format!("Bearer {}", text(&token));
    let event = alpine().from_nobody().header("authorization", &header);
    let lease = event.provision(&test.app).await;
    assert_eq!(lease.status, 201, "{lease:?}");
    let listed = list_with(&test, text(&token)).await;
    assert_eq!(listed.body["containers"][0]["id"], lease.id());
    let mut event = containerlease_testkit::events::saved_for("logs-connect", &lease.id());
    event["requestContext"]["authorizer"] = Value::Null;
    event["headers"]["Authorization"] = json!(header);
    assert_eq!(connect(&test, event, true).await.status, 200);

    let twice = Event::saved("list").from_nobody();
    let twice = twice.header("authorization", &format!("{header},{header}"));
    assert_refused(&twice.list(&test.app).await, "invalid-token");
    let revoked = revoke(&test, &Identity::local(), id(&token)).await;
    assert_eq!(revoked.status, 200, "{revoked:?}");
    assert_refused(&list_with(&test, text(&token)).await, "invalid-token");
}

#[tokio::test]
async fn one_that_has_expired_is_refused() {
    let test = app().await;
    let text = TokenText::generate().unwrap();
    let now = Time::now();
    let wanted = TokenSpec {
        name: "old".to_owned(),
        owner: Owner::local(),
        role: Role::User,
        scopes: None,
        expires_at: now.minus(Duration::from_secs(1)),
    };
    let old = Token::new(wanted, &text, &Identity::local(), now);
    test.app.store.add_token(&old).await.unwrap();
    assert_refused(&list_with(&test, text.reveal()).await, "invalid-token");
    // It has ended already, and its record goes when it would have gone.
    let revoked = revoke(&test, &Identity::local(), text.id().as_str()).await;
    assert_eq!(revoked.body["state"], "expired", "{revoked:?}");
}

#[tokio::test]
async fn admins_manage_all_and_others_see_their_own() {
    let test = app().await;
    let (ada, eve) = (caller("ada", Role::User), caller("eve", Role::Viewer));
    let hers = made(&test, &json!({"name": "hers", "owner": "ada"})).await;
    made(&test, &json!({"name": "his", "owner": "eve"})).await;
    assert_eq!(list(&test, &ada).await, ["hers"]);
    assert_eq!(list(&test, &eve).await, ["his"]);
    assert_eq!(list(&test, &Identity::local()).await, ["his", "hers"]);

    for nobody in [&ada, &eve] {
        let refused = make(&test, nobody, &json!({"name": "x"})).await;
        assert_refused(&refused, "not-allowed");
    }
    assert_refused(&revoke(&test, &eve, id(&hers)).await, "token-not-found");
    assert_refused(&revoke(&test, &ada, "no-token").await, "token-not-found");
    assert_refused(&revoke(&test, &ada, id(&hers)).await, "not-allowed");
    let revoked = revoke(&test, &Identity::local(), id(&hers)).await;
    assert_eq!(revoked.body["state"], "revoked", "{revoked:?}");
    let again = revoke(&test, &Identity::local(), id(&hers)).await;
    assert_eq!(again.body["revokedAt"], revoked.body["revokedAt"]);
}

#[tokio::test]
async fn every_token_revokes_itself_whatever_it_may() {
    let test = app().await;
    for scope in Scope::ALL {
        let body = json!({"name": "x", "owner": "ada", "role": "admin", "scopes": [scope]});
        let token = made(&test, &body).await;
        let header = format!("Bearer {}", text(&token));
        let event = Event::about("delete", id(&token)).from_nobody();
        let event = event.path(&format!("/api/tokens/{}", id(&token)));
        let event = event.header("authorization", &header);
        let revoked = event.tokens(&test.app).await;
        assert_eq!(revoked.body["state"], "revoked", "{revoked:?}");
        assert_refused(&list_with(&test, text(&token)).await, "invalid-token");
    }
}

#[tokio::test]
async fn whoever_only_reads_sees_no_password() {
    let test = TestApp::new().await;
    let redis = Event::saved("provision-ubuntu").body(&json!({
        "imageType": "redis", "durationMinutes": 5,
    }));
    let redis = redis.provision(&test.app).await;
    assert_eq!(redis.status, 201, "{redis:?}");
    let url = |answer: &Answer| {
        let body = &answer.body;
        let lease = body["containers"].get(0).unwrap_or(body);
        lease["ports"][0]["url"].as_str().unwrap().to_owned()
    };
    for (scopes, sees) in [
        (vec![Scope::Read], false),
        (vec![Scope::Read, Scope::Lease], true),
        (vec![Scope::Read, Scope::Exec], true),
    ] {
        let reader = Identity {
            scopes: Scopes::of(&scopes),
            ..Identity::local()
        };
        for name in ["get", "list"] {
            let event = Event::about(name, &redis.id()).from_caller(&reader);
            let answer = event.list(&test.app).await;
            let url = url(&answer);
            assert_eq!(url.contains('@'), sees, "{name} with {scopes:?}: {url}");
        }
    }
}

#[tokio::test]
async fn an_owner_with_a_hundred_gets_no_more() {
    let test = app().await;
    for number in 0..100 {
        let body = json!({"name": format!("t{number}"), "owner": "ada"});
        made(&test, &body).await;
    }
    let one_more = json!({"name": "x", "owner": "ada"});
    let refused = make(&test, &Identity::local(), &one_more).await;
    assert_refused(&refused, "too-many-tokens");
    made(&test, &json!({"name": "x", "owner": "eve"})).await;
}

#[tokio::test]
async fn where_they_are_kept_in_memory_strangers_cost_the_table_nothing() {
    let test = TestAppOptions::default().proxied().build().await;
    let old = made(&test, &json!({"name": "old"})).await;
    test.app.store.keep_tokens().await.unwrap();
    let new = made(&test, &json!({"name": "new"})).await;
    for token in [&old, &new] {
        assert_eq!(list_with(&test, text(token)).await.status, 200);
    }
    let before = test.table_proxy().seen().len();
    for _ in 0..100 {
        let stranger = TokenText::generate().unwrap();
        let refused = list_with(&test, stranger.reveal()).await;
        assert_refused(&refused, "invalid-token");
    }
    assert_eq!(list(&test, &Identity::local()).await, ["new", "old"]);
    assert_eq!(test.table_proxy().seen().len(), before);

    // A revocation counts even if the table takes no write.
    test.table_proxy().on_each(|_| Fault::Cut);
    let refused = revoke(&test, &Identity::local(), id(&new)).await;
    assert_refused(&refused, "store-unavailable");
    assert_refused(&list_with(&test, text(&new)).await, "invalid-token");
    // It is written by the next attempt, so that it also counts after a restart.
    test.table_proxy().heal();
    let again = revoke(&test, &Identity::local(), id(&new)).await;
    assert_eq!(again.body["state"], "revoked", "{again:?}");
    let written = test.table.store().token(&id(&new).parse().unwrap()).await;
    let written = written.unwrap().expect("its record is there");
    assert_eq!(written.state(Time::now()), TokenState::Revoked);
}

#[tokio::test]
async fn a_use_that_cannot_be_recorded_refuses_nobody() {
    let test = TestAppOptions::default().proxied().build().await;
    let token = made(&test, &json!({"name": "ci"})).await;
    for fault in ["cut", "slow"] {
        test.table_proxy().on_each(move |seen| match fault {
            _ if !seen.is_operation("UpdateItem") => Fault::None,
            "cut" => Fault::Cut,
            _ => Fault::Delayed(Duration::from_secs(3)),
        });
        let began = std::time::Instant::now();
        let listed = list_with(&test, text(&token)).await;
        assert_eq!(listed.status, 200, "{listed:?}");
        assert!(began.elapsed() < Duration::from_secs(3), "{fault}");
    }
    test.table_proxy().on_each(|seen| {
        if seen.is_operation("GetItem") {
            Fault::Cut
        } else {
            Fault::None
        }
    });
    let unknown = list_with(&test, text(&token)).await;
    assert_refused(&unknown, "store-unavailable");
}
