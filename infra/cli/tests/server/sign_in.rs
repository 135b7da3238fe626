//! API tokens: who may call what, whose leases a caller sees, and what a revoked token still does.

use std::{collections::BTreeMap, time::Duration};

use futures_util::StreamExt as _;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};

use crate::{
    callers::{can_be_another_user, sent_by_nobody},
    harness::{Answer, Place, Server, answer, eventually, send, str_of},
};

const NO_LEASE: &str = "0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c";
const NO_TOKEN: &str = "5f0c2a9d41be";

/// What a route needs of its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Needs {
    Nothing,
    Caller,
    Scope(String),
}

type Route = (Method, String, Needs);

/// Every operation of the API's description, the log's WebSocket, and the server's own figures.
async fn routes(server: &Server) -> Vec<Route> {
    let description = server.get("/api/openapi.json").await.json();
    let mut routes = Vec::new();
    for (path, methods) in description["paths"].as_object().expect("it has paths") {
        let id = if path.starts_with("/api/tokens") {
            NO_TOKEN
        } else {
            NO_LEASE
        };
        for (method, operation) in methods.as_object().expect("it has methods") {
            let security = operation["security"].as_array();
            let security = security.unwrap_or_else(|| panic!("{method} {path} is undecided"));
            let needs = match security.first().map(|it| &it["token"]) {
                None => Needs::Nothing,
                Some(scopes) => scopes[0]
                    .as_str()
                    .map_or(Needs::Caller, |scope| Needs::Scope(scope.to_owned())),
            };
            let method = method.to_uppercase().parse().expect("it is a method");
            routes.push((method, path.replace("{id}", id), needs));
        }
    }
    let log = format!("/ws/logs/{NO_LEASE}");
    routes.push((Method::GET, log, Needs::Scope("read".to_owned())));
    routes.push((
        Method::GET,
        "/metrics".to_owned(),
        Needs::Scope("admin".to_owned()),
    ));
    assert!(routes.len() > 15, "{routes:?}");
    routes
}

/// Makes a token, as the user who runs the server, and returns it with its id.
async fn token(server: &Server, body: Value) -> (String, String) {
    let made = answer(server.request(Method::POST, "/api/tokens").json(&body)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let made = made.json();
    let id = str_of(&made["token"]["id"]).to_owned();
    (str_of(&made["secret"]).to_owned(), id)
}

/// Asks with a token; a request that is posted has that body.
async fn ask(server: &Server, token: &str, method: &Method, path: &str, body: &Value) -> Answer {
    let mut request = server.request(method.clone(), path).bearer_auth(token);
    if method == Method::POST {
        request = request.json(body);
    }
    if path.starts_with("/ws/") {
        request = request
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    }
    answer(request).await
}

/// Leases an alpine with a token, and returns the lease's id.
async fn lease(server: &Server, token: &str) -> String {
    let body = json!({"imageType": "alpine", "durationMinutes": 5});
    let made = ask(server, token, &Method::POST, "/api/provision", &body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    str_of(&made.json()["id"]).to_owned()
}

fn problem(answer: &Answer) -> String {
    let kind = str_of(&answer.json()["type"]).to_owned();
    kind.rsplit(':').next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_only_those_whom_it_should() {
    let place = Place::new().await;
    let server = place.start().await;
    let routes = routes(&server).await;
    let of = |role: &str, scopes: Option<&[&str]>| {
        let mut body = json!({"name": role, "owner": "team", "role": role});
        if let Some(scopes) = scopes {
            body["scopes"] = json!(scopes);
        }
        body
    };
    let mut callers = BTreeMap::new();
    for (name, body, scopes) in [
        ("viewer", of("viewer", None), &["read"][..]),
        ("user", of("user", None), &["read", "lease", "exec"]),
        (
            "admin",
            of("admin", None),
            &["read", "lease", "exec", "admin"],
        ),
        ("read only", of("user", Some(&["read"])), &["read"]),
        ("lease only", of("user", Some(&["lease"])), &["lease"]),
        ("exec only", of("user", Some(&["exec"])), &["exec"]),
        ("admin only", of("admin", Some(&["admin"])), &["admin"]),
    ] {
        let (secret, _) = token(&server, body).await;
        callers.insert(name, (secret, scopes));
    }
    // Nobody is to get anything: an allowed request is refused for its body.
    for (method, path, needed) in &routes {
        for (name, (secret, scopes)) in &callers {
            let answered = ask(&server, secret, method, path, &json!({})).await;
            let allowed = match needed {
                Needs::Nothing | Needs::Caller => true,
                Needs::Scope(scope) => scopes.contains(&scope.as_str()),
            };
            let what = format!("{method} {path} by {name}: {}", answered.text);
            if allowed {
                assert_ne!(answered.status, StatusCode::UNAUTHORIZED, "{what}");
                assert_ne!(answered.status, StatusCode::FORBIDDEN, "{what}");
            } else {
                assert_eq!(answered.status, StatusCode::FORBIDDEN, "{what}");
                assert_eq!(problem(&answered), "not-allowed", "{what}");
                let challenge = answered.header("www-authenticate");
                assert!(challenge.contains("insufficient_scope"), "{challenge}");
            }
        }
    }

    let (revoked, id) = token(&server, of("admin", None)).await;
    let gone = server.delete(&format!("/api/tokens/{id}")).await;
    assert_eq!(gone.json()["state"], "revoked");
    let (right, id) = token(&server, of("admin", None)).await;
    let wrong_secret = format!("cl_{id}_{}", "0".repeat(64));
    let unknown = format!("cl_{NO_TOKEN}_{}", "0".repeat(64));
    for (name, secret) in [
        ("revoked", revoked.as_str()),
        ("of another secret", &wrong_secret),
        ("unknown", &unknown),
        ("malformed", "eyJhbGciOiJub25lIn0.e30."),
        ("cut off", &right[..right.len() - 1]),
    ] {
        for (method, path, needed) in &routes {
            let answered = ask(&server, secret, method, path, &json!({})).await;
            let what = format!("{method} {path} by one {name}: {}", answered.text);
            if *needed == Needs::Nothing {
                assert!(answered.status.is_success(), "{what}");
                continue;
            }
            assert_eq!(answered.status, StatusCode::UNAUTHORIZED, "{what}");
            assert_eq!(problem(&answered), "invalid-token", "{what}");
            let challenge = answered.header("www-authenticate");
            assert!(challenge.contains("invalid_token"), "{challenge}");
        }
    }
    let two = server.request(Method::GET, "/api/containers");
    let two = answer(two.bearer_auth(&right).bearer_auth(&right)).await;
    assert_eq!(problem(&two), "invalid-token");

    if can_be_another_user() {
        for (method, path, needed) in &routes {
            let said = sent_by_nobody(server.address, method.as_str(), path, "");
            let is_open = *needed == Needs::Nothing;
            let expected = if is_open { "200" } else { "401" };
            let status = said.split(' ').nth(1).unwrap_or_default();
            assert_eq!(status, expected, "{method} {path} by nobody: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_sees_nothing_of_another_owner() {
    let place = Place::new().await;
    let server = place.start().await;
    let (hers, _) = token(&server, json!({"name": "ada", "owner": "ada"})).await;
    let (his, _) = token(&server, json!({"name": "eve", "owner": "eve"})).await;
    let id = lease(&server, &hers).await;

    for (method, path, _) in routes(&server).await {
        if !path.contains(NO_LEASE) {
            continue;
        }
        let there = path.replace(NO_LEASE, &id);
        let body = match path.rsplit('/').next() {
            Some("renew") => json!({"durationMinutes": 6}),
            Some("exec") => json!({"command": ["true"]}),
            _ => json!({}),
        };
        let mut answers = Vec::new();
        for path in [&there, &path] {
            let answered = ask(&server, &his, &method, path, &body).await;
            assert_eq!(answered.status, StatusCode::NOT_FOUND, "{method} {path}");
            let mut body = answered.json();
            body["requestId"] = Value::Null;
            answers.push(body);
        }
        assert_eq!(answers[0], answers[1], "one that is there looks like none");
    }
    let lists = |token: String| async {
        let request = server.request(Method::GET, "/api/containers?state=all");
        answer(request.bearer_auth(token)).await.json()["containers"].clone()
    };
    assert_eq!(lists(his).await, json!([]));
    assert_eq!(lists(hers.clone()).await[0]["id"], id.as_str());
    // The user who runs the server is an owner, too: an admin, but not in everybody's boxes.
    assert!(server.leases().await.is_empty());

    let ended = server.request(Method::DELETE, &format!("/api/containers/{id}"));
    assert_eq!(
        answer(ended.bearer_auth(&hers)).await.status,
        StatusCode::OK
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_watches_no_log_any_more() {
    let place = Place::new().await;
    let server = place.start().await;
    let (secret, id) = token(&server, json!({"name": "ada", "owner": "ada"})).await;
    let (other, _) = token(&server, json!({"name": "eve", "owner": "ada"})).await;
    let lease = lease(&server, &secret).await;
    let watch = async |token: &str| {
        let url = format!("ws://{}/ws/logs/{lease}", server.address);
        let mut request = url.into_client_request().unwrap();
        let header = format!("Bearer {token}").parse().unwrap();
        request.headers_mut().insert("authorization", header);
        tokio_tungstenite::connect_async(request)
            .await
            .map(|it| it.0)
    };
    let mut watching = watch(&secret).await.expect("its token is good");
    let mut stays = watch(&other).await.expect("its token is good");

    let gone = server.delete(&format!("/api/tokens/{id}")).await;
    assert_eq!(gone.status, StatusCode::OK, "{}", gone.text);
    assert!(watch(&secret).await.is_err(), "it is revoked");
    let closed = async {
        while let Some(message) = watching.next().await {
            if let Ok(Message::Close(Some(frame))) = message {
                return u16::from(frame.code);
            }
        }
        0
    };
    // It says five seconds; the rest is for a busy machine.
    let closed = tokio::time::timeout(Duration::from_secs(8), closed).await;
    assert_eq!(closed, Ok(4401));
    let beats = tokio::time::timeout(Duration::from_secs(7), async {
        while let Some(message) = stays.next().await {
            let message = message.expect("it stays open");
            assert!(!message.is_close(), "{message}");
        }
    });
    assert!(beats.await.is_err(), "the other one watches on");
    let ended = server.request(Method::DELETE, &format!("/api/containers/{lease}"));
    assert_eq!(
        answer(ended.bearer_auth(&other)).await.status,
        StatusCode::OK
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_works_after_a_restart_and_its_secret_is_nowhere() {
    let place = Place::new().await;
    let place = place.with("RUST_LOG", "trace");
    let server = place.start().await;
    let (secret, id) = token(&server, json!({"name": "ada", "owner": "ada"})).await;
    let me = server.request(Method::GET, "/api/me");
    let me = answer(me.bearer_auth(&secret)).await.json();
    assert_eq!(me["subject"], format!("token:{id}"));
    assert_eq!((&me["owner"], &me["role"]), (&json!("ada"), &json!("user")));
    let local = server.get("/api/me").await.json();
    assert_eq!(
        (&local["subject"], &local["role"]),
        (&json!("local"), &json!("admin"))
    );
    let used = eventually("its use is recorded", Duration::from_secs(5), async || {
        let listed = server.get("/api/tokens").await.json();
        let token = listed["tokens"][0].clone();
        token["lastUsedAt"].is_string().then_some(token)
    })
    .await;
    assert_eq!(used["id"], id.as_str());
    let log = server.process.stdout() + &server.process.stderr();
    let made = log.lines().find(|line| line.contains("made a token"));
    let made = made.expect("the log says that it was made");
    assert!(
        made.contains("caller=local") && made.contains(&id),
        "{made}"
    );
    drop(server);

    let hidden = secret.rsplit('_').next().unwrap();
    assert!(!log.contains(hidden), "the log has the secret");
    let mut found_id = false;
    for entry in std::fs::read_dir(place.folder.join("data")).unwrap() {
        let path = entry.unwrap().path();
        assert!(path.is_file(), "{} is no file", path.display());
        let bytes = std::fs::read(&path).unwrap();
        let has = |text: &str| {
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        };
        assert!(!has(hidden), "{} has the secret", path.display());
        found_id |= has(&id);
    }
    assert!(found_id, "the token's record is in there");
    let server = place.start().await;
    let again = server.request(Method::GET, "/api/me");
    assert_eq!(
        answer(again.bearer_auth(&secret)).await.status,
        StatusCode::OK
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_revoked_while_a_body_arrives_does_nothing_more() {
    let place = Place::new().await;
    let server = place.start().await;
    let (secret, id) = token(&server, json!({"name": "ada", "owner": "ada"})).await;
    let body = json!({"imageType": "alpine", "durationMinutes": 5}).to_string();
    let head = format!(
        "POST /api/provision HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {secret}\r\n\
         Content-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{{",
        server.address,
        body.len()
    );
    let mut slow = send(&server, head.as_bytes()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let gone = server.delete(&format!("/api/tokens/{id}")).await;
    assert_eq!(gone.status, StatusCode::OK, "{}", gone.text);
    let rest = slow.write_all(&body.as_bytes()[1..]).await;
    rest.expect("the server still reads");
    let mut said = String::new();
    let read = slow.read_to_string(&mut said).await;
    read.expect("the server answers");
    assert!(said.starts_with("HTTP/1.1 401 "), "{said}");
    assert_eq!(place.containers().await, [], "nothing was leased");
}
