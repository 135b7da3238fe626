//! Who may call a server: its own user and root, and anybody with its token or its link.
//!
//! To be another user, the tests must be root.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::{Child, Command, Stdio},
    time::Duration,
};

use bollard::{
    models::{ContainerCreateBody, HostConfig},
    query_parameters::{
        CreateContainerOptions, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
        StartContainerOptions, WaitContainerOptions,
    },
};
use futures_util::StreamExt as _;
use serde_json::json;

use crate::harness::{PATIENCE, Place, Server, eventually};

const NOBODY: u32 = 65_534;

/// Whether the test can act as another user; says so if not.
#[expect(clippy::print_stderr, reason = "a test that tries nothing says so")]
pub(crate) fn can_be_another_user() -> bool {
    let can = Command::new("true").uid(NOBODY).status().is_ok();
    if !can {
        containerlease_testkit::assert_may_skip("only root can be another user");
        eprintln!("not tried: only root can be another user");
    }
    can
}

/// The answer that another user gets.
fn asked_by_nobody(address: SocketAddr, path: &str, more: &str) -> String {
    sent_by_nobody(address, "GET", path, more)
}

/// The answer that another user gets to a request without a body.
pub(crate) fn sent_by_nobody(address: SocketAddr, method: &str, path: &str, more: &str) -> String {
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{more}Connection: close\r\n\r\n");
    let script = format!(
        "exec 3<>/dev/tcp/{}/{}; cat >&3; cat <&3",
        address.ip(),
        address.port()
    );
    let mut asking = Command::new("bash")
        .args(["-c", &script])
        .uid(NOBODY)
        .gid(NOBODY)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("bash is there");
    let mut stdin = asking.stdin.take().expect("it is piped");
    stdin.write_all(request.as_bytes()).expect("it is read");
    drop(stdin);
    let output = asking.wait_with_output().expect("it ends");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn token(place: &Place) -> String {
    let file = place.folder.join("data/token");
    let mode = std::fs::metadata(&file)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let token = std::fs::read_to_string(file).expect("it is ours");
    token.trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_user_needs_the_token() {
    if !can_be_another_user() {
        return;
    }
    let place = Place::new().await;
    let server = place.start().await;
    assert_eq!(
        server.get("/api/containers").await.status,
        200,
        "it is ours"
    );
    let address = server.address;
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let watch = "/ws/logs/0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c";
    for (path, more) in [
        ("/api/containers", ""),
        ("/api/images", ""),
        ("/api", ""),
        ("/api/no/such/path", ""),
        ("/metrics", ""),
        (watch, upgrade),
    ] {
        let said = asked_by_nobody(address, path, more);
        assert!(said.starts_with("HTTP/1.1 401 "), "{path}: {said}");
        assert!(
            said.to_lowercase().contains("www-authenticate: bearer"),
            "{said}"
        );
        assert!(
            said.contains("urn:containerlease:problem:sign-in-needed"),
            "{said}"
        );
    }
    for path in ["/healthz", "/readyz"] {
        let said = asked_by_nobody(address, path, "");
        assert!(said.starts_with("HTTP/1.1 200 "), "{path}: {said}");
    }
    let token = token(&place);
    let with_token = format!("Authorization: Bearer {token}\r\n");
    let said = asked_by_nobody(address, "/api/containers", &with_token);
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    let wrong = with_token.replace(&token[..4], "0000");
    let said = asked_by_nobody(address, "/api/containers", &wrong);
    assert!(said.starts_with("HTTP/1.1 401 "), "{said}");
    assert!(!(server.process.stdout() + &server.process.stderr()).contains(&token));

    // It stays the same when the server starts again.
    drop(server);
    let server = place.start().await;
    let said = asked_by_nobody(server.address, "/api/containers", &with_token);
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_lets_one_browser_in() {
    if !can_be_another_user() {
        return;
    }
    let place = Place::new().await;
    let server = place.start().await;
    let greeting = server.process.stdout();
    let link = greeting
        .split_whitespace()
        .find(|word| word.contains("/sign-in/"));
    let (_, path) = link
        .expect("it is printed")
        .split_at(format!("http://{}", server.address).len());
    let said = asked_by_nobody(server.address, path, "");
    assert!(said.starts_with("HTTP/1.1 303 "), "{said}");
    let cookie = said
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = cookie.expect("it sets a cookie");
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    let (pair, _) = cookie.split_once(';').expect("it has attributes");
    let with_cookie = format!("Cookie: a=b; {pair}\r\n");
    let said = asked_by_nobody(server.address, "/api/containers", &with_cookie);
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    let foreign = format!("{with_cookie}Origin: http://evil.example\r\n");
    let said = asked_by_nobody(server.address, "/api/containers", &foreign);
    assert!(said.starts_with("HTTP/1.1 403 "), "{said}");
    let again = asked_by_nobody(server.address, path, "");
    assert!(again.starts_with("HTTP/1.1 401 "), "it works once: {again}");
}

/// Forwards connections, as another user.
struct Forwarder(Child);

impl Forwarder {
    fn to(server: &Server, port: u16) -> Self {
        let script = format!(
            "import socket, threading\n\
             l = socket.create_server(('127.0.0.1', {port}))\n\
             def pump(a, b):\n\
             \x20   while d := a.recv(65536): b.sendall(d)\n\
             \x20   b.shutdown(socket.SHUT_WR)\n\
             while True:\n\
             \x20   c, _ = l.accept()\n\
             \x20   s = socket.create_connection(('127.0.0.1', {}))\n\
             \x20   for x, y in ((c, s), (s, c)): threading.Thread(target=pump, args=(x, y)).start()\n",
            server.address.port()
        );
        let mut command = Command::new("python3");
        command.args(["-c", &script]).uid(NOBODY).current_dir("/");
        command.stderr(Stdio::null());
        Self(command.spawn().expect("python3 is there"))
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_through_another_users_forwarder_needs_the_token() {
    if !can_be_another_user() {
        return;
    }
    let place = Place::new().await;
    let server = place.start().await;
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let _forwarder = Forwarder::to(&server, free.port());
    let ask = |more: &str| {
        let mut stream = TcpStream::connect(free).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        let host = server.address;
        let request = format!(
            "GET /api/containers HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut said = String::new();
        stream.read_to_string(&mut said).ok()?;
        Some(said)
    };
    let said = eventually("the forwarder is up", PATIENCE, async || ask("")).await;
    assert!(said.starts_with("HTTP/1.1 401 "), "{said}");
    let said = ask(&format!("Authorization: Bearer {}\r\n", token(&place)));
    assert!(said.is_some_and(|said| said.starts_with("HTTP/1.1 200 ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_on_the_hosts_network_needs_the_token() {
    let place = Place::new().await;
    let server = place.start().await;
    let docker = place.engine.docker();
    let url = format!("http://{}/api/containers", server.address);
    let body = ContainerCreateBody {
        image: Some("containerlease/stand-in-alpine:1".to_owned()),
        user: Some(NOBODY.to_string()),
        cmd: Some(["wget", "-qO-", &url].map(str::to_owned).to_vec()),
        host_config: Some(HostConfig {
            network_mode: Some("host".to_owned()),
            // An engine with user namespaces refuses others on that network.
            userns_mode: Some("host".to_owned()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let made = docker
        .create_container(None::<CreateContainerOptions>, body)
        .await;
    let id = made.expect("it can be made").id;
    docker
        .start_container(&id, None::<StartContainerOptions>)
        .await
        .expect("it starts");
    let mut ended = docker.wait_container(&id, None::<WaitContainerOptions>);
    drop(
        tokio::time::timeout(PATIENCE, ended.next())
            .await
            .expect("it ends"),
    );
    let options = LogsOptionsBuilder::new().stdout(true).stderr(true).build();
    let lines = docker.logs(&id, Some(options)).collect::<Vec<_>>().await;
    let said: String = lines
        .into_iter()
        .flatten()
        .map(|line| line.to_string())
        .collect();
    let force = RemoveContainerOptionsBuilder::new().force(true).build();
    docker
        .remove_container(&id, Some(force))
        .await
        .expect("it goes");
    assert!(said.contains("401"), "{said}");
    assert_eq!(
        server.get("/api/containers").await.json()["containers"],
        json!([])
    );
}
