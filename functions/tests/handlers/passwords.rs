//! Passwords keep redis and postgres for their owner, since others may reach their ports.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use containerlease_testkit::{TestApp, events::Event};
use serde_json::{Value, json};

use crate::{get, inspect, wait_for};

/// Waits until the answer of the redis at the port to a line begins as expected.
pub(crate) async fn wait_for_redis(port: u64, line: &str, reply: &str) {
    wait_for("redis answers", async || {
        let line = format!("{line}\r\n");
        let asked = move || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(format!("127.0.0.1:{port}"))?;
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            stream.write_all(line.as_bytes())?;
            let mut said = [0; 128];
            let length = stream.read(&mut said)?;
            Ok(String::from_utf8_lossy(&said[..length]).into_owned())
        };
        let said = tokio::task::spawn_blocking(asked)
            .await
            .expect("it is there");
        said.is_ok_and(|said| said.starts_with(reply))
    })
    .await;
}

/// A lease of a service, with more fields in its request.
async fn leased(test: &TestApp, image_type: &str, more: Value) -> Value {
    let mut body = json!({"imageType": image_type, "durationMinutes": 5});
    let more = more.as_object().expect("it is there").clone();
    body.as_object_mut().expect("it is there").extend(more);
    let answer = Event::saved("provision-redis").body(&body);
    let answer = answer.provision(&test.app).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body
}

fn url(lease: &Value) -> &str {
    lease["ports"][0]["url"].as_str().expect("it has a URL")
}

fn port(lease: &Value) -> u64 {
    lease["ports"][0]["hostPort"]
        .as_u64()
        .expect("it has a port")
}

/// The user and the password in a URL.
fn credentials(url: &str) -> (&str, &str) {
    let (_, rest) = url.split_once("://").expect("it is a URL");
    let (credentials, _) = rest.split_once('@').expect("it has a user");
    credentials.split_once(':').expect("it has a password")
}

/// The exit code and the output of a command in the container.
async fn run(test: &TestApp, lease: &Value, script: &str) -> (Value, String) {
    let body = json!({"command": ["sh", "-c", script]});
    let id = lease["id"].as_str().expect("it is there");
    let answer = Event::about("exec", id).body(&body).exec(&test.app).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let said = format!("{}{}", answer.body["stdout"], answer.body["stderr"]);
    (answer.body["exitCode"].clone(), said)
}

#[tokio::test]
async fn a_redis_lets_in_who_has_the_connection_string_and_nobody_else() {
    let test = TestApp::new().await;
    let lease = leased(&test, "redis", json!({})).await;
    let (user, password) = credentials(url(&lease));
    assert_eq!((user, password.len()), ("default", 32));
    wait_for_redis(port(&lease), "PING", "-NOAUTH ").await;
    wait_for_redis(port(&lease), "AUTH default wrong", "-WRONGPASS ").await;
    wait_for_redis(port(&lease), &format!("AUTH {user} {password}"), "+OK").await;
    let (code, said) = run(&test, &lease, "redis-cli ping").await;
    assert_eq!((code, said.contains("PONG")), (json!(0), true), "{said}");
    // The password must not be among the arguments of a process, which the host can see.
    let container = inspect(&test, lease["id"].as_str().expect("it is there")).await;
    let command = container["Config"]["Cmd"].to_string();
    assert!(!command.contains(password), "{command}");

    let other = leased(&test, "redis", json!({})).await;
    assert_ne!(credentials(url(&other)).1, password);
    let open = leased(&test, "redis", json!({"password": false})).await;
    assert!(!url(&open).contains('@'), "{open}");
    wait_for_redis(port(&open), "PING", "+PONG").await;
    let own = json!({"command": ["redis-server", "--requirepass", "mine"]});
    let own = leased(&test, "redis", own).await;
    assert!(!url(&own).contains('@'), "{own}");
    wait_for_redis(port(&own), "AUTH mine", "+OK").await;
}

#[tokio::test]
async fn a_postgres_lets_in_who_has_the_connection_string_and_nobody_else() {
    let test = TestApp::new().await;
    for (more, expected) in [
        (json!({}), None),
        (json!({"env": {"POSTGRES_USER": "ann"}}), None),
        (json!({"password": false}), Some("postgres")),
    ] {
        let lease = leased(&test, "postgres", more.clone()).await;
        let (user, password) = credentials(url(&lease));
        match expected {
            Some(expected) => assert_eq!(password, expected),
            None => assert_eq!(password.len(), 32),
        }
        assert_eq!(user == "ann", more["env"]["POSTGRES_USER"] == "ann");
        // From loopback, postgres accepts anyone inside the container without a password.
        let select = |password: &str| {
            format!(
                "psql \"postgresql://{user}:{password}@$(hostname -i):5432/postgres\" -Atc 'select 6 * 7'"
            )
        };
        wait_for("postgres answers", async || {
            let (code, said) = run(&test, &lease, &select(password)).await;
            code == 0 && said.contains("42")
        })
        .await;
        let (code, said) = run(&test, &lease, &select("wrong")).await;
        assert_ne!(code, 0, "{said}");
        assert!(said.contains("password authentication failed"), "{said}");
    }
}

#[tokio::test]
async fn the_connection_string_is_in_lists_until_the_end_and_only_there() {
    let test = TestApp::new().await;
    let lease = leased(&test, "redis", json!({})).await;
    let (id, url) = (lease["id"].as_str().expect("it is there"), url(&lease));
    let password = credentials(url).1;
    assert_eq!(get(&test, id).await["ports"][0]["url"], url);
    let listed = Event::saved("list").list(&test.app).await;
    assert_eq!(listed.body["containers"][0]["ports"][0]["url"], url);
    let renewed = Event::about("renew", id).renew(&test.app).await;
    assert_eq!(renewed.body["ports"][0]["url"], url, "{renewed:?}");
    let again = Event::saved("provision-redis").header("idempotency-key", "one");
    let first = again.provision(&test.app).await;
    let again = Event::saved("provision-redis").header("idempotency-key", "one");
    let second = again.provision(&test.app).await;
    assert_eq!(first.body["ports"], second.body["ports"]);

    Event::about("delete", id).delete(&test.app).await;
    let ended = get(&test, id).await;
    assert_eq!(ended["state"], "ended");
    assert!(!ended.to_string().contains(password), "{ended}");
    assert!(
        !ended["ports"][0]["url"]
            .as_str()
            .expect("it is there")
            .contains('@')
    );
}
