//! Every close of a viewer's connection has a code, even after unreadable input.

use std::time::Duration;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::harness::{PATIENCE, Place, Server, send, str_of};

/// A WebSocket whose bytes the test writes itself.
async fn open(server: &Server, lease: &str) -> TcpStream {
    let request = format!(
        "GET /ws/logs/{lease} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        server.address
    );
    let mut stream = send(server, request.as_bytes()).await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("it answers"));
    }
    assert!(
        head.starts_with(b"HTTP/1.1 101 "),
        "{}",
        head.escape_ascii()
    );
    stream
}

/// The code of the close frame; none if the connection ends without one.
async fn close_code(stream: &mut TcpStream) -> Option<u16> {
    loop {
        let opcode = stream.read_u8().await.ok()? & 0x0f;
        let length = match stream.read_u8().await.ok()? {
            126 => usize::from(stream.read_u16().await.ok()?),
            127 => usize::try_from(stream.read_u64().await.ok()?).expect("it fits"),
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await.ok()?;
        if opcode == 8 {
            return payload.first_chunk().map(|code| u16::from_be_bytes(*code));
        }
    }
}

/// A frame as a client sends it, with a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u64::try_from(payload.len()).expect("it fits");
    let mut bytes = vec![first, 0x80 | 127];
    bytes.extend(length.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

#[tokio::test]
async fn a_viewer_who_says_what_cannot_be_read_is_told_why_it_ends() {
    let place = Place::new().await;
    let server = place.start().await;
    let lease = server
        .provision(&json!({"imageType": "alpine", "durationMinutes": 1}))
        .await;
    let id = str_of(&lease["id"]);
    for (what, bytes, expected) in [
        ("no UTF-8", frame(0x81, b"\xff\xfe"), 1007),
        ("a frame without a mask", vec![0x81, 1, b'x'], 1002),
        ("an opcode that there is not", frame(0x83, b"x"), 1002),
        (
            "a message too long",
            frame(0x81, &vec![b'x'; 200_000]),
            1009,
        ),
        ("a close", frame(0x88, &1000_u16.to_be_bytes()), 1000),
    ] {
        let mut stream = open(&server, id).await;
        stream.write_all(&bytes).await.expect("it is taken");
        let code = tokio::time::timeout(PATIENCE, close_code(&mut stream)).await;
        assert_eq!(code.expect("it ends"), Some(expected), "{what}");
        // Then the connection ends.
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest));
        drop(ended.await.expect("it is let go"));
    }
    let mut stream = open(&server, id).await;
    server.delete(&format!("/api/containers/{id}")).await;
    let code = tokio::time::timeout(PATIENCE, close_code(&mut stream)).await;
    assert_eq!(code.expect("it ends"), Some(1000), "the lease ends");
}
