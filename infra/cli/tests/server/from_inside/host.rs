//! The host of the attacked leases: its state before, and that it is the same after.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use http::StatusCode;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UdpSocket},
};

use super::Lease;
use crate::harness::{PATIENCE, Place, Server, eventually};

/// Kernel settings that a container shares with its host.
const SETTINGS: [&str; 6] = [
    "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/kernel/sysrq",
    "/proc/sys/vm/panic_on_oom",
    "/proc/sys/net/ipv4/ip_forward",
];

/// How far the system's clock may drift from the time since boot, due to a time server.
const CLOCK: Duration = Duration::from_secs(1);

/// A container's log has two files of 10 MB, which a last line may exceed.
const LOG_BYTES: u64 = 21_000_000;

pub(super) struct Host {
    /// The content of its files.
    pub(super) canary: String,
    files: [PathBuf; 2],
    /// Its address outside the leases' network.
    pub(super) address: String,
    /// They listen on all addresses.
    listener: TcpListener,
    datagrams: UdpSocket,
    settings: Vec<Option<String>>,
    begun: (Instant, SystemTime),
    containers: Vec<String>,
}

impl Host {
    pub(super) async fn look(place: &Place) -> Self {
        let canary = format!("canary-{}", uuid::Uuid::new_v4());
        let files = [
            place.folder.join("canary"),
            place.folder.join("data/canary"),
        ];
        for file in &files {
            fs::write(file, &canary).expect("the place's folder can be written");
        }
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await;
        let listener = listener.expect("there is a free port");
        let port = listener.local_addr().expect("it listens").port();
        let datagrams = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).await;
        let containers = place.containers().await.into_iter();
        Self {
            canary,
            files,
            address: address()
                .await
                .map_or_else(String::new, |it| it.to_string()),
            listener,
            datagrams: datagrams.expect("the port is free for UDP as well"),
            settings: settings(),
            begun: (Instant::now(), wall_clock()),
            containers: containers.filter_map(|container| container.id).collect(),
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.listener.local_addr().expect("it listens").port()
    }

    pub(super) fn canary_files(&self) -> String {
        let files = self.files.each_ref().map(|file| file.display().to_string());
        files.join(" ")
    }

    /// The host is unchanged.
    pub(super) async fn assert_unharmed(
        &self,
        place: &Place,
        server: &Server,
        attackers: &[Lease],
    ) {
        for file in &self.files {
            let says = fs::read_to_string(file).expect("it is still there");
            assert_eq!(says, self.canary, "{}", file.display());
        }
        assert_eq!(settings(), self.settings);
        let (since_boot, wall) = (self.begun.0.elapsed(), self.begun.1.elapsed());
        let apart = wall.expect("it was not set back").abs_diff(since_boot);
        assert!(apart < CLOCK, "the clock was set by {apart:?}");

        // Any connection counts: a container may have another address than its attacker knows.
        let came = tokio::time::timeout(Duration::ZERO, self.listener.accept()).await;
        assert!(came.is_err(), "{came:?}");
        let mut buffer = [0; 64];
        let came = self.datagrams.try_recv(&mut buffer);
        assert!(came.is_err(), "a datagram came: {buffer:?}");

        let ready = server.get("/readyz").await;
        assert_eq!(ready.status, StatusCode::OK, "{}", ready.text);
        let running = Path::new("/proc").join(server.process.pid().to_string());
        assert!(running.exists(), "the server is another process");
        let log = server.process.stderr();
        assert!(!log.contains("panicked"), "{log}");
        place.engine.docker().ping().await.expect("it answers");
        for attacker in attackers {
            let found = place.engine.container_of(&attacker.id).await;
            let log = found.and_then(|found| found.log_path).map(PathBuf::from);
            let folder = log.as_deref().and_then(Path::parent);
            // Only root may look.
            if let Some(files) = folder.and_then(|folder| fs::read_dir(folder).ok()) {
                let logs = files.flatten().filter(|file| {
                    let name = file.file_name();
                    name.to_string_lossy().contains("-json.log")
                });
                let bytes: u64 = logs
                    .flat_map(|file| file.metadata())
                    .map(|it| it.len())
                    .sum();
                assert!(bytes < LOG_BYTES, "{}: {bytes} bytes", attacker.image_type);
            }
        }
    }

    /// No container of the place remains, and no process of one.
    pub(super) async fn assert_nothing_left(&self, place: &Place) {
        assert_eq!(place.containers().await, []);
        eventually("their processes are gone", PATIENCE, async || {
            self.processes().is_empty().then_some(())
        })
        .await;
    }

    /// The processes of the place's containers, and their shims.
    fn processes(&self) -> Vec<PathBuf> {
        let all = fs::read_dir("/proc").expect("every Linux has it").flatten();
        let all = all.map(|entry| entry.path());
        all.filter(|process| {
            let read = |file: &str| fs::read_to_string(process.join(file)).unwrap_or_default();
            let of = read("cgroup") + &read("cmdline");
            self.containers.iter().any(|id| of.contains(id))
        })
        .collect()
    }
}

fn settings() -> Vec<Option<String>> {
    SETTINGS.map(|file| fs::read_to_string(file).ok()).to_vec()
}

#[expect(
    clippy::disallowed_methods,
    reason = "whether somebody sets the system's clock is what is looked at"
)]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// The address by which the host reaches the world, if it does. Addresses of other container
/// networks come and go with other tests, and one that is gone leads out into the world.
async fn address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await.ok()?;
    // Sends nothing: the kernel only chooses the route.
    socket.connect("198.51.100.1:9").await.ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// A peaceful neighbour answers its owner through its published port.
pub(super) async fn answers(neighbour: &Lease) {
    for port in &neighbour.ports {
        let (asked, expected) = question(port);
        eventually(&neighbour.image_type, 2 * PATIENCE, async || {
            let said = said(port, &asked).await.unwrap_or_default();
            said.contains(expected).then_some(())
        })
        .await;
    }
}

/// A request for a service of this kind, and a part of the expected answer.
fn question(port: &Value) -> (Vec<u8>, &'static str) {
    match port["scheme"].as_str() {
        Some("http") => (b"GET / HTTP/1.0\r\n\r\n".to_vec(), "200 OK"),
        Some("redis") => {
            let url = port["url"].as_str().unwrap_or_default();
            let password = url.split(['@', ':']).nth(2).unwrap_or_default();
            let asked = format!("AUTH {password}\r\nPING\r\n");
            (asked.into_bytes(), "+PONG")
        }
        Some("postgresql") => {
            // Version 3 of its protocol, and the user; the service then asks for a password.
            let mut asked = vec![0, 0, 0, 23, 0, 3, 0, 0];
            asked.extend(b"user\0postgres\0\0");
            (asked, "SCRAM-SHA-256")
        }
        other => panic!("say here how a neighbour with {other:?} is seen to answer"),
    }
}

async fn said(port: &Value, asked: &[u8]) -> std::io::Result<String> {
    let number = port["hostPort"]
        .as_u64()
        .and_then(|it| u16::try_from(it).ok());
    let mut stream = TcpStream::connect(("127.0.0.1", number.expect("it is published"))).await?;
    stream.write_all(asked).await?;
    let mut said = Vec::new();
    let reading = async {
        while stream.read_buf(&mut said).await? > 0 {}
        std::io::Result::Ok(())
    };
    // Most services keep the connection open.
    drop(tokio::time::timeout(Duration::from_millis(300), reading).await);
    Ok(String::from_utf8_lossy(&said).into_owned())
}
