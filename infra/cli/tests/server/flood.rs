//! Many clients that are silent, slow, or send nonsense: leases still end on time, the memory stays
//! bounded, and no client holds a connection for long.

use std::{
    fs,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream};
use http::{Method, StatusCode};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::harness::{PATIENCE, PROMPT, Place, Server, eventually, send, str_of};

/// The number of silent connections, and of slow ones.
const IDLE: usize = 2_000;
const SLOW: usize = 200;

/// The most memory that the server may need for all of it, in MiB. At rest it has about 40.
const MEMORY_BOUND: u64 = 256;

fn memory(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.process.pid()));
    let status = status.expect("Linux has it");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.split_whitespace().next()?.parse::<u64>().ok());
    kib.expect("it is a number") / 1024
}

async fn opened(server: &Server, says: &str) -> TcpStream {
    send(server, says.as_bytes()).await
}

async fn many(server: &Server, how_many: usize, says: &str) -> Vec<TcpStream> {
    let opening = (0..how_many).map(|_| opened(server, says));
    stream::iter(opening).buffered(32).collect().await
}

/// The bytes until the connection closes.
async fn rest(mut stream: TcpStream) -> String {
    let mut said = Vec::new();
    let reading = stream.read_to_end(&mut said);
    let read = tokio::time::timeout(6 * PATIENCE, reading).await;
    // A reset connection is closed as well.
    drop(read.expect("the connection is closed"));
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_are_on_time_beside_a_flood_and_nobody_keeps_a_connection_by_doing_nothing() {
    let place = Place::new().await;
    let server = place.start().await;
    let lease = json!({"imageType": "alpine", "durationSeconds": 30});
    let lease = server.provision(&lease).await;
    let id = str_of(&lease["id"]).to_owned();

    let idle = many(&server, IDLE, "").await;
    let heads = many(&server, SLOW, "GET /healthz HTTP/1.1\r\nHost: ").await;
    let host = server.address;
    let body =
        format!("POST /api/provision HTTP/1.1\r\nHost: {host}\r\nContent-Length: 99\r\n\r\n{{");
    let bodies = many(&server, SLOW, &body).await;
    let until = Instant::now() + Duration::from_secs(15);
    let nonsense = async {
        while Instant::now() < until {
            let garbage: Vec<u8> = (0..fastrand::usize(1..2_000))
                .map(|_| fastrand::u8(..))
                .collect();
            if let Ok(mut stream) = TcpStream::connect(server.address).await {
                drop(stream.write_all(&garbage).await);
            }
        }
    };
    let asking = async {
        let (mut answered, mut slowest) = (0, Duration::ZERO);
        let begun = Instant::now();
        while Instant::now() < until || answered < 20 {
            let asked = Instant::now();
            assert_eq!(server.get("/api/containers").await.status, StatusCode::OK);
            slowest = slowest.max(asked.elapsed());
            answered += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(
            begun.elapsed() < 3 * PATIENCE,
            "{answered} answers, the slowest after {slowest:?}"
        );
    };
    tokio::join!(nonsense, asking);

    for (what, held) in [("silent", idle), ("slow heads", heads)] {
        let begun = Instant::now();
        let said: Vec<String> = stream::iter(held)
            .map(rest)
            .buffer_unordered(64)
            .collect()
            .await;
        assert!(said.iter().all(|said| !said.contains(" 200 ")), "{what}");
        assert!(begun.elapsed() < 6 * PATIENCE, "{what}");
    }
    let said: Vec<String> = stream::iter(bodies)
        .map(rest)
        .buffer_unordered(64)
        .collect()
        .await;
    let refused = said.iter().filter(|said| said.starts_with("HTTP/1.1 408 "));
    assert_eq!(refused.count(), SLOW, "{:?}", said.first());
    assert!(
        said[0].contains("urn:containerlease:problem:too-slow"),
        "{}",
        said[0]
    );

    let ended = eventually("it has ended", 2 * PATIENCE, async || {
        let lease = server.lease(&id).await;
        (lease["state"] == "ended").then_some(lease)
    })
    .await;
    let receipt = &ended["receipt"];
    let late = receipt["overshootMs"].as_u64().map(Duration::from_millis);
    assert!(late.is_some_and(|late| late < PROMPT), "{receipt}");
    assert_eq!(place.containers().await, []);
    let peak = memory(&server);
    assert!(peak < MEMORY_BOUND, "{peak} MiB");
    let log = server.process.stderr();
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test]
async fn what_is_too_large_is_refused_while_it_arrives() {
    let place = Place::new().await;
    let server = place.start().await;
    let host = server.address;
    for (what, head, status) in [
        ("announced", "Content-Length: 10000000\r\n", "413"),
        ("in chunks", "Transfer-Encoding: chunked\r\n", "413"),
        (
            "asked before",
            "Content-Length: 10000000\r\nExpect: 100-continue\r\n",
            "413",
        ),
    ] {
        let request = format!("POST /api/provision HTTP/1.1\r\nHost: {host}\r\n{head}\r\n");
        let mut stream = opened(&server, &request).await;
        if head.contains("chunked") {
            // 65 KiB of some megabytes; the rest is never sent.
            let chunk = format!("400000\r\n{}", " ".repeat(65 * 1024));
            stream.write_all(chunk.as_bytes()).await.unwrap();
        }
        let mut said = vec![0; 4_096];
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut said)).await;
        let read = read.unwrap_or_else(|_| panic!("{what}: it waits for the rest"));
        let said = String::from_utf8_lossy(&said[..read.unwrap()]).into_owned();
        assert!(
            said.starts_with(&format!("HTTP/1.1 {status} ")),
            "{what}: {said}"
        );
    }
    let broken = "Transfer-Encoding: chunked\r\n\r\nno length\r\n";
    let request = format!("POST /api/provision HTTP/1.1\r\nHost: {host}\r\n{broken}");
    let said = rest(opened(&server, &request).await).await;
    assert!(said.starts_with("HTTP/1.1 400 "), "{said}");
}

#[tokio::test]
async fn a_long_target_is_refused_and_nothing_panics() {
    let place = Place::new().await;
    let server = place.start().await;
    for length in [8_193, 60_000, 65_500, 70_000] {
        let path = format!("/api/containers?label={}", "x".repeat(length));
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            server.address
        );
        let said = rest(opened(&server, &request).await).await;
        let refused = ["HTTP/1.1 414 ", "HTTP/1.1 431 "];
        assert!(
            refused.iter().any(|status| said.starts_with(status)),
            "{length}: {said}"
        );
    }
    let kept = format!("/api/containers?label={}", "x".repeat(7_000));
    let answer = server.request(Method::GET, &kept).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let metrics = server.get("/metrics").await.text;
    assert!(
        metrics.contains("containerlease_panics_total 0"),
        "{metrics}"
    );
}
