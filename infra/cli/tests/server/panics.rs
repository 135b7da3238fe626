//! A panic ends one task of the server and nothing else. `make test` also runs this with a release
//! binary, which is what users install.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Stdio},
    time::Duration,
};

use http::StatusCode;
use serde_json::json;
use tokio::io::AsyncReadExt as _;

use crate::{
    harness::{PATIENCE, Place, Server, eventually, send, str_of},
    table::listening,
};

/// The value of a metric.
async fn metric(server: &Server, name: &str) -> f64 {
    let metrics = server.get("/metrics").await.text;
    let lines = metrics.lines().filter(|line| line.starts_with(name));
    let values = lines.filter_map(|line| line.split_whitespace().last()?.parse::<f64>().ok());
    values.sum()
}

/// The server's answer to a request's head, read to its end.
async fn answer_to(server: &Server, head: &str) -> String {
    let mut stream = send(server, head.as_bytes()).await;
    let mut said = String::new();
    let reading = stream.read_to_string(&mut said);
    let read = tokio::time::timeout(PATIENCE, reading).await;
    read.expect("it answers").expect("it is text");
    said
}

/// Input that makes a library of ours panic: a query so long that the whole URL exceeds the limit,
/// and targets and headers of the kinds below. The server refuses or repairs them first.
#[tokio::test]
async fn requests_that_were_panics_once_are_answered_and_all_else_goes_on() {
    let place = Place::new().await.with("CONTAINERLEASE_TICK_SECONDS", "1");
    let server = place.start().await;
    let lease = server
        .provision(&json!({"imageType": "alpine", "durationMinutes": 5}))
        .await;
    let host = server.address;
    let close = "Connection: close\r\n\r\n";
    let long = "x".repeat(65_515);
    for (head, status) in [
        (
            format!("GET /api/containers?{long} HTTP/1.1\r\nHost: {host}\r\n{close}"),
            "414",
        ),
        (
            format!(
                "GET /api/containers HTTP/1.1\r\nHost: {host}\r\n\
                 X-Forwarded-Proto: https,http\r\n{close}"
            ),
            "200",
        ),
        (
            format!("GET /api/containers HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n{close}"),
            "403",
        ),
        (
            format!("GET {host} HTTP/1.1\r\nHost: {host}\r\n{close}"),
            "403",
        ),
        (
            format!("GET http://{host}/healthz HTTP/1.1\r\nHost: {host}\r\n{close}"),
            "200",
        ),
    ] {
        let said = answer_to(&server, &head).await;
        let what = &head[..head.len().min(60)];
        assert!(
            said.starts_with(&format!("HTTP/1.1 {status}")),
            "{what}: {said}"
        );
    }
    let panics = metric(&server, "containerlease_panics_total").await;
    assert!(panics.abs() < 0.5, "{panics}");
    assert!(!server.process.stderr().contains("a task panicked"));

    let runs = metric(&server, "containerlease_cleanup_runs_total").await;
    eventually("the next run of the reaper", PATIENCE, async || {
        let now = metric(&server, "containerlease_cleanup_runs_total").await;
        (now > runs).then_some(())
    })
    .await;
    let deleted = server
        .delete(&format!("/api/containers/{}", str_of(&lease["id"])))
        .await;
    assert_eq!(deleted.status, StatusCode::OK, "{}", deleted.text);
}

/// Killed when it is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended, which the test has seen by then.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// As with `containerlease serve 2>&1 | head -1`.
#[tokio::test]
async fn a_server_whose_output_nobody_reads_goes_on() {
    let place = Place::new().await.with("CONTAINERLEASE_TICK_SECONDS", "1");
    let (nobody, closed) = std::io::pipe().unwrap();
    drop(nobody);
    let mut command = place.command(&[("RUST_LOG", "debug")]);
    command.stdout(Stdio::piped()).stderr(closed);
    let mut server = Killed(command.spawn().unwrap());
    let mut stdout = BufReader::new(server.0.stdout.take().unwrap());
    let mut first = String::new();
    stdout.read_line(&mut first).unwrap();
    drop(stdout);
    let url = first.trim().rsplit(' ').next().unwrap().to_owned();
    let client = reqwest::Client::new();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let answer = client.get(format!("{url}/readyz")).send().await;
        assert_eq!(answer.expect("it lives").status(), StatusCode::OK);
    }
    let metrics = client.get(format!("{url}/metrics")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(
        metrics.contains("containerlease_panics_total 0"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_server_whose_greeting_nobody_reads_comes_up() {
    let place = Place::new()
        .await
        .with("CONTAINERLEASE_LISTEN", "127.0.0.1:0");
    let (nobody, closed) = std::io::pipe().unwrap();
    drop(nobody);
    let mut command = place.command(&[("RUST_LOG", "debug")]);
    let server = command.stdout(closed).stderr(Stdio::piped()).spawn();
    let mut server = Killed(server.unwrap());
    let client = reqwest::Client::new();
    eventually("it answers", PATIENCE, async || {
        if server.0.try_wait().unwrap().is_some() {
            let mut said = String::new();
            let stderr = server.0.stderr.as_mut().unwrap();
            stderr.read_to_string(&mut said).unwrap();
            panic!("it has ended: {said}");
        }
        let address = *listening(server.0.id()).first()?;
        let answer = client.get(format!("http://{address}/healthz")).send().await;
        answer
            .is_ok_and(|it| it.status() == StatusCode::OK)
            .then_some(())
    })
    .await;
}
