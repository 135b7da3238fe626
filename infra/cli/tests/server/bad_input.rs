//! Bad input over HTTP: each is refused with a problem that says what to do, and does no harm.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite;

use crate::harness::{Answer, Place, Server, Viewer, answer, str_of};

/// An id that nobody has.
const UNKNOWN: &str = "0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c";

/// Checks that the answer is this problem, in RFC 9457's form, and returns it.
fn problem(what: &str, answer: &Answer, status: u16, name: &str) -> Value {
    assert_eq!(answer.status.as_u16(), status, "{what}: {}", answer.text);
    assert_eq!(
        answer.header("content-type"),
        "application/problem+json",
        "{what}"
    );
    assert_eq!(answer.header("cache-control"), "no-store", "{what}");
    let problem = answer.json();
    assert_eq!(
        problem["type"],
        format!("urn:containerlease:problem:{name}"),
        "{what}"
    );
    assert_eq!(problem["status"], status, "{what}");
    assert!(!str_of(&problem["title"]).is_empty(), "{what}");
    assert!(str_of(&problem["detail"]).ends_with('.'), "{what}");
    problem
}

/// Checks that the problem names the request as the log does.
fn assert_named(what: &str, problem: &Value) {
    let id = problem["requestId"].as_str();
    let id: Option<uuid::Uuid> = id.and_then(|id| id.parse().ok());
    assert!(id.is_some(), "{what}: {problem}");
}

/// Checks that the server still answers, and that nothing was leased.
async fn assert_unharmed(place: &Place, server: &Server) {
    assert_eq!(server.get("/healthz").await.status, StatusCode::OK);
    assert_eq!(server.leases().await, Vec::<Value>::new());
    assert_eq!(place.containers().await, []);
    let log = server.process.stderr();
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test]
async fn a_body_that_is_wrong_is_refused() {
    let place = Place::new().await;
    let server = place.start().await;

    let duration = "durationMinutes: ";
    let fields = [
        (
            json!({"imageType": "windows", "durationMinutes": 5}),
            "imageType: There is no image type \"windows\"; choose one of ubuntu, ",
        ),
        (json!({"imageType": 7, "durationMinutes": 5}), "imageType: "),
        (json!({"durationMinutes": 5}), "imageType: It is missing; "),
        (json!({"imageType": "redis"}), duration),
        (
            json!({"imageType": "redis", "durationMinutes": 0}),
            duration,
        ),
        (
            json!({"imageType": "redis", "durationMinutes": -5}),
            duration,
        ),
        (
            json!({"imageType": "redis", "durationMinutes": 1.5}),
            duration,
        ),
        (
            json!({"imageType": "redis", "durationMinutes": "ten"}),
            duration,
        ),
        (
            json!({"imageType": "redis", "durationMinutes": 1441}),
            duration,
        ),
        (
            json!({"imageType": "redis", "durationMinutes": 5, "duration": 5}),
            "duration: ",
        ),
        (
            json!({"imageType": "redis", "durationMinutes": 5, "memoryMB": 1_000_000}),
            "memoryMB: ",
        ),
        (
            json!({"imageType": "redis", "durationMinutes": 5, "cpuMilli": 0}),
            "cpuMilli: ",
        ),
        (
            json!({"imageType": "redis", "durationMinutes": 5, "command": "sh"}),
            "command: ",
        ),
        (
            json!({"imageType": "redis", "durationMinutes": 5, "env": {"1": "x"}}),
            "env: ",
        ),
    ];
    for (body, said) in fields {
        let what = body.to_string();
        let request = server.request(Method::POST, "/api/provision").json(&body);
        let problem = problem(&what, &answer(request).await, 400, "invalid-request");
        assert_named(&what, &problem);
        assert!(str_of(&problem["detail"]).starts_with(said), "{problem}");
        let faults = problem["errors"].as_array().unwrap();
        assert_eq!(faults.len(), 1, "{problem}");
    }

    let large = |bytes: usize| vec![b' '; bytes];
    let bodies: [(&str, Vec<u8>, u16, &str); 8] = [
        ("nothing", Vec::new(), 400, "invalid-body"),
        ("no JSON", b"imageType=redis".to_vec(), 400, "invalid-body"),
        (
            "half of a body",
            b"{\"imageType\":".to_vec(),
            400,
            "invalid-body",
        ),
        ("a list", b"[]".to_vec(), 400, "invalid-body"),
        ("no text", vec![0xff, 0xfe, 0x00], 400, "invalid-body"),
        ("65 KiB", large(65 * 1024), 413, "body-too-large"),
        ("2 MB", large(2_000_000), 413, "body-too-large"),
        ("11 MB", large(11_000_000), 413, "body-too-large"),
    ];
    for (what, body, status, name) in bodies {
        let request = server.request(Method::POST, "/api/provision").body(body);
        assert_named(what, &problem(what, &answer(request).await, status, name));
    }
    for key in [&b""[..], b"two words", b"\xff", &[b'k'; 256]] {
        let body = json!({"imageType": "alpine", "durationMinutes": 5});
        let request = server.request(Method::POST, "/api/provision").json(&body);
        let refused = answer(request.header("idempotency-key", key)).await;
        let what = format!("the key {key:?}");
        problem(&what, &refused, 400, "invalid-idempotency-key");
    }
    let renewal = server.request(Method::POST, &format!("/api/containers/{UNKNOWN}/renew"));
    let refused = answer(renewal.json(&json!({"durationMinutes": "ten"}))).await;
    problem("a renewal", &refused, 400, "invalid-request");
    assert_unharmed(&place, &server).await;
}

#[tokio::test]
async fn a_path_or_a_method_that_is_wrong_is_refused() {
    let place = Place::new().await;
    let server = place.start().await;
    let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
    let of = |id: &str| format!("/api/containers/{id}");
    let rows = [
        (&get, of("..%2Fimages%2Fx"), 400, "invalid-lease-id"),
        (&delete, of("..%2Fimages%2Fx"), 400, "invalid-lease-id"),
        (&delete, of("%2e%2e%2f%2e%2e"), 400, "invalid-lease-id"),
        (&get, of("%00"), 400, "invalid-lease-id"),
        (&get, of("%ff%fe"), 400, "invalid-lease-id"),
        (&get, of(""), 400, "invalid-lease-id"),
        (&get, of(&UNKNOWN.to_uppercase()), 400, "invalid-lease-id"),
        (&get, of(&"a".repeat(5_000)), 400, "invalid-lease-id"),
        (&get, of(UNKNOWN), 404, "lease-not-found"),
        (&delete, of(UNKNOWN), 404, "lease-not-found"),
        (
            &get,
            "/api/containers?x=%ff".to_owned(),
            400,
            "invalid-query",
        ),
        (
            &get,
            "/api/containers?limit=7".to_owned(),
            400,
            "invalid-query",
        ),
        (&get, "/api/nowhere".to_owned(), 404, "route-not-found"),
        (
            &get,
            "/api/containers/a/b/c".to_owned(),
            404,
            "route-not-found",
        ),
        (&post, "/api/x".to_owned(), 404, "route-not-found"),
    ];
    for (method, path, status, name) in rows {
        let what = format!("{method} {path}");
        let refused = answer(server.request(method.clone(), &path)).await;
        assert_named(&what, &problem(&what, &refused, status, name));
    }

    for (method, path, allowed) in [
        (Method::GET, "/api/provision".to_owned(), "POST"),
        (Method::PUT, "/api/provision".to_owned(), "POST"),
        (Method::POST, "/api/containers".to_owned(), "GET, HEAD"),
        (Method::PATCH, of(UNKNOWN), "GET, HEAD, DELETE"),
        (Method::GET, of(UNKNOWN) + "/renew", "POST"),
        (Method::DELETE, "/healthz".to_owned(), "GET, HEAD"),
    ] {
        let what = format!("{method} {path}");
        let refused = answer(server.request(method, &path)).await;
        assert_named(&what, &problem(&what, &refused, 405, "method-not-allowed"));
        assert_eq!(refused.header("allow"), allowed, "{what}");
    }
    assert_unharmed(&place, &server).await;
}

/// Every path outside the API serves the page's files, except these.
#[tokio::test]
async fn the_root_of_the_api_is_not_taken_for_a_file() {
    let place = Place::new().await;
    let server = place.start().await;
    for path in ["/api", "/api/"] {
        for method in [Method::GET, Method::POST] {
            let what = format!("{method} {path}");
            let refused = answer(server.request(method, path)).await;
            assert_named(&what, &problem(&what, &refused, 404, "route-not-found"));
        }
    }
}

/// Another site's page in the visitor's browser can neither lease nor read.
#[tokio::test]
async fn a_request_for_or_from_another_page_is_refused() {
    let place = Place::new().await;
    let server = place.start().await;
    let port = server.address.port();
    for (header, value) in [
        ("host", "evil.example".to_owned()),
        ("host", format!("evil.example:{port}")),
        ("host", "127.0.0.1:1".to_owned()),
        ("host", String::new()),
        ("origin", "http://evil.example".to_owned()),
        ("origin", format!("http://evil.example:{port}")),
        ("origin", format!("https://127.0.0.1:{port}")),
        ("origin", "null".to_owned()),
        ("origin", format!("http://127.0.0.1:{port}.evil.example")),
    ] {
        let what = format!("{header}: {value}");
        for path in ["/api/provision", "/healthz", "/", "/ws/logs/x"] {
            let request = server.request(Method::POST, path).header(header, &value);
            let body = json!({"imageType": "alpine", "durationMinutes": 1});
            let refused = answer(request.json(&body)).await;
            assert_named(&what, &problem(&what, &refused, 403, "foreign-origin"));
        }
    }
    for (header, value) in [
        ("host", format!("localhost:{port}")),
        ("origin", format!("http://localhost:{port}")),
        ("origin", format!("http://127.0.0.1:{port}")),
    ] {
        let request = server
            .request(Method::GET, "/healthz")
            .header(header, &value);
        assert_eq!(answer(request).await.status, StatusCode::OK, "{value}");
    }
    assert_unharmed(&place, &server).await;
}

#[tokio::test]
async fn a_viewer_who_asks_for_what_is_not_there_is_refused_at_the_handshake() {
    let place = Place::new().await;
    let server = place.start().await;
    for (asked, status, name) in [
        (UNKNOWN, 404, "lease-not-found"),
        ("x", 400, "invalid-lease-id"),
        ("..%2F..%2Fx", 400, "invalid-lease-id"),
        (
            &format!("{UNKNOWN}?cursor=yesterday"),
            400,
            "invalid-cursor",
        ),
        (&format!("{UNKNOWN}?cursor=1.0"), 400, "invalid-cursor"),
        (&format!("{UNKNOWN}?curser=1.0"), 400, "invalid-query"),
        (&format!("{UNKNOWN}?tail=5&follow"), 400, "invalid-query"),
        (&format!("{UNKNOWN}?tail=5&tail=5"), 400, "invalid-query"),
        (&format!("{UNKNOWN}?tail=5&t%61il=6"), 400, "invalid-query"),
        (&format!("x?containerId={UNKNOWN}"), 400, "invalid-query"),
    ] {
        let what = asked;
        let refused = match Viewer::try_open(&server, asked, None).await {
            Err(tungstenite::Error::Http(response)) => response,
            Err(error) => panic!("{what}: {error}"),
            Ok(_) => panic!("{what}: the viewer is let in"),
        };
        let (parts, body) = refused.into_parts();
        let refused = Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(body.unwrap_or_default()).unwrap(),
        };
        assert_named(what, &problem(what, &refused, status, name));
    }
    assert_unharmed(&place, &server).await;
}

#[tokio::test]
async fn a_viewer_who_does_not_open_a_websocket_is_told_so() {
    let place = Place::new().await;
    let server = place.start().await;
    let path = format!("/ws/logs/{UNKNOWN}");
    let plain = server.get(&path).await;
    assert!(plain.status.is_client_error(), "{}", plain.text);
    assert_eq!(plain.header("content-type"), "application/problem+json");
    let posted = answer(server.request(Method::POST, &path)).await;
    assert_eq!(posted.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(posted.header("content-type"), "application/problem+json");
    assert_unharmed(&place, &server).await;
}

/// Requests that no client library sends.
#[tokio::test]
async fn bytes_that_are_no_request_hurt_nobody() {
    let place = Place::new().await;
    let server = place.start().await;
    let ours = server.address;
    let post =
        |rest: &str| format!("POST /api/provision HTTP/1.1\r\nHost: {ours}\r\n{rest}").into_bytes();
    for (bytes, status) in [
        (&b"GET /healthz HTTP/1.1\r\n\r\n"[..], "403"),
        (b"GET /healthz HTTP/1.1\r\nHost: \xff\r\n\r\n", "403"),
        (
            b"GET http://evil.example/healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n",
            "403",
        ),
        (
            &format!("GET http://evil.example/healthz HTTP/1.1\r\nHost: {ours}\r\n\r\n")
                .into_bytes(),
            "403",
        ),
        (
            &format!("GET http://{ours}/healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n")
                .into_bytes(),
            "403",
        ),
        (
            &format!("GET http://{ours}/healthz HTTP/1.1\r\nHost: {ours}\r\n\r\n").into_bytes(),
            "200",
        ),
        (&post("Transfer-Encoding: chunked\r\n\r\nz\r\n"), "400"),
        (
            &post("Transfer-Encoding: chunked\r\n\r\n5\r\n{}xxxxxx\r\n"),
            "400",
        ),
        (&post("Transfer-Encoding: chunked\r\n\r\n-1\r\n"), "400"),
        (
            &post("Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n"),
            "400",
        ),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "400"),
        (
            b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
            "400",
        ),
    ] {
        let what = String::from_utf8_lossy(bytes);
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut said = [0; 12];
        let answered = stream.read_exact(&mut said);
        tokio::time::timeout(crate::harness::PATIENCE, answered)
            .await
            .expect("it answers")
            .unwrap();
        assert_eq!(&said[9..], status.as_bytes(), "{what}");
    }
    assert_unharmed(&place, &server).await;
}
