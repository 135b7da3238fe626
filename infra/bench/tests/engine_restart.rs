//! The engine restarts while leases end: nothing leaks, all of them end, and the receipts say
//! how it was.
//!
//! The engine is one of the test's own, in a network namespace of its own, since a second one
//! beside the machine's would break its network rules. That takes root; without it the test
//! says that it is skipped.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bollard::Docker;
use containerlease_bench::{engine::Engine, leases, soak::reap_every};
use containerlease_functions::{app::App, cleanup};
use containerlease_shared::{
    capacity::Amounts,
    lease::{Lease, Reason, State},
    names::{LeaseId, Owner},
    provision, request,
    settings::Settings,
    time::Time,
};
use containerlease_testkit::Table;
use tokio_util::sync::CancellationToken;

/// How often the reaper runs here, and how far ahead: a minute's tick would only make the
/// test longer.
const TICK: Duration = Duration::from_secs(2);
const LOOK_AHEAD: Duration = Duration::from_secs(5);

/// Leases that end while the engine is away, one after another.
const ENDING: u32 = 6;
const APART: Duration = Duration::from_millis(500);

/// Leases that live on, but not their containers: an engine that stops takes them along.
const LIVING: u32 = 2;

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaks_when_the_engine_restarts_while_leases_end() {
    let mut daemon = match Daemon::start() {
        Ok(daemon) => daemon,
        Err(why) => return skip(&why),
    };
    daemon.wait_until_it_answers().await;
    if let Err(why) = daemon.load_image() {
        return skip(&why);
    }
    let table = Table::in_memory().await;
    let settings = Settings::parse(|variable| match variable {
        "CONTAINERLEASE_DEPLOYMENT" => Some(DEPLOYMENT.to_owned()),
        "DOCKER_HOST" => Some(format!("unix://{}", daemon.socket().display())),
        _ => None,
    });
    let settings = settings.expect("the test's settings are right");
    let app = App::new(&settings, table.aws()).expect("the app's clients can be made");
    let reaper = cleanup::reaper(&app, LOOK_AHEAD, CancellationToken::new());
    let reaping = tokio::spawn(reap_every(TICK, reaper));

    for signal in ["TERM", "KILL"] {
        let (ending, living) = lease(&app, &table).await;
        let first = Time::now().plus(2 * TICK);
        let ends = (0..ENDING).map(|index| first.plus(APART * index));
        let ends: Vec<_> = ending.iter().copied().zip(ends).collect();
        leases::move_ends(&table.store(), &ends)
            .await
            .expect("ends can be moved");
        leases::sleep_until(first.minus(APART)).await;
        daemon.end(signal);
        daemon.start_again();
        daemon.wait_until_it_answers().await;

        let ids: Vec<_> = ending.iter().chain(&living).copied().collect();
        let ended = leases::ended(&table.store(), &ids, LIMIT).await;
        let ended = ended.unwrap_or_else(|error| panic!("SIG{signal}: {error}"));
        for lease in &ended {
            check_receipt(lease, living.contains(&lease.id), signal);
        }
        let left = daemon.engine().containers().await;
        let left = left.expect("the engine lists its containers");
        assert!(left.is_empty(), "SIG{signal}: {left:?}");
        let counted = table.store().counted(&Owner::local()).await;
        let counted = counted.expect("the count can be read");
        assert_eq!(counted, Amounts::default(), "SIG{signal}");
    }
    let networks = daemon.engine().networks().await;
    assert_eq!(networks.expect("the engine lists its networks").len(), 1);
    reaping.abort();
}

const DEPLOYMENT: &str = "bench-restart";

/// The receipt of a lease that ended while the engine restarted.
fn check_receipt(lease: &Lease, lives_on: bool, signal: &str) {
    let State::Ended(receipt) = &lease.state else {
        panic!("SIG{signal}: {lease:?} has not ended")
    };
    assert!(receipt.attempts >= 1, "SIG{signal}: {receipt:?}");
    assert!(
        receipt.removed_at >= receipt.requested_at,
        "SIG{signal}: {receipt:?}"
    );
    match receipt.reason {
        Reason::Expired => {
            assert!(!lives_on, "SIG{signal}: {lease:?} ended early");
            let late = receipt.removed_at.millis_since(lease.expires_at);
            assert!(late >= 0, "SIG{signal}: {receipt:?}");
            assert_eq!(receipt.overshoot_ms, Some(late), "SIG{signal}");
        }
        // The engine has taken its container along before its time was over.
        Reason::Failed => assert_eq!(receipt.overshoot_ms, None, "SIG{signal}: {receipt:?}"),
        _ => panic!("SIG{signal}: {receipt:?} has another reason"),
    }
}

/// Leases that are to end soon, and leases that are not.
async fn lease(app: &App, table: &Table) -> (Vec<LeaseId>, Vec<LeaseId>) {
    let body = br#"{"imageType":"alpine","durationMinutes":10}"#;
    let asked = request::Provision::parse(body, &app.catalogue, &app.policy);
    let asked = asked.expect("it may be asked for");
    let mut made = Vec::new();
    for _ in 0..ENDING + LIVING {
        let (policy, owner) = (&app.policy, Owner::local());
        let now = Time::now();
        let lease = provision::provision(app.tools(), policy, &owner, &asked, None, now).await;
        made.push(lease.expect("a container can be leased").id);
    }
    let active = table.store().active().await;
    let active = active.expect("the table can be read");
    assert_eq!(active.items.len(), made.len());
    let living = made.split_off(ENDING as usize);
    (made, living)
}

/// An engine in a folder and a network namespace of its own. All goes when it is dropped.
struct Daemon {
    folder: PathBuf,
    namespace: String,
    process: Option<Child>,
}

impl Daemon {
    /// Starts an engine, or says why that cannot be done here.
    fn start() -> Result<Self, String> {
        for program in ["dockerd", "docker", "ip", "nsenter"] {
            let found = Command::new("sh")
                .args(["-c", "command -v \"$0\" >/dev/null", program])
                .status();
            if !found.is_ok_and(|status| status.success()) {
                return Err(format!("there is no {program}"));
            }
        }
        let namespace = format!("containerlease-{}", std::process::id());
        run("ip", &["netns", "add", &namespace])?;
        let folder = std::env::temp_dir().join(&namespace);
        let mut daemon = Self {
            folder,
            namespace,
            process: None,
        };
        // The namespace is there, so from here on the drop cleans up.
        run("ip", &["-n", &daemon.namespace, "link", "set", "lo", "up"])?;
        fs::create_dir(&daemon.folder).map_err(|error| error.to_string())?;
        fs::write(daemon.folder.join("daemon.json"), "{}\n").map_err(|error| error.to_string())?;
        daemon.start_again();
        Ok(daemon)
    }

    fn start_again(&mut self) {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("log"))
            .expect("the log can be written");
        let flag =
            |name: &str, file: &str| format!("--{name}={}", self.folder.join(file).display());
        let process = Command::new("nsenter")
            .arg(format!("--net=/var/run/netns/{}", self.namespace))
            .arg("dockerd")
            .arg(flag("config-file", "daemon.json"))
            .arg(flag("data-root", "data"))
            .arg(flag("exec-root", "exec"))
            .arg(flag("pidfile", "pid"))
            .arg(format!("--host=unix://{}", self.socket().display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.process = Some(process.expect("dockerd can be started"));
    }

    async fn wait_until_it_answers(&mut self) {
        let begun = Instant::now();
        while !self.answers().await {
            let process = self.process.as_mut().expect("it was started");
            let ended = process.try_wait().expect("it is our child");
            let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(ended.is_none(), "dockerd ended with {ended:?}: {}", log());
            assert!(
                begun.elapsed() < LIMIT,
                "dockerd does not answer: {}",
                log()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Sends the engine a signal, and waits until it has ended.
    fn end(&mut self, signal: &str) {
        let mut process = self.process.take().expect("it was started");
        // nsenter has become dockerd.
        // One that has ended by itself cannot be signalled, and need not be.
        drop(run("kill", &["-s", signal, &process.id().to_string()]));
        process.wait().expect("it is our child");
        // Killed, it leaves its files, and its containerd's, which dies with it. The next one
        // would wait for processes that are not there.
        for left in ["pid", "exec/containerd/containerd.pid"] {
            drop(fs::remove_file(self.folder.join(left)));
        }
    }

    /// Gives it the image of the leases, which the machine's own engine has.
    fn load_image(&self) -> Result<(), String> {
        let names = ["alpine:3", "containerlease/stand-in-alpine:1"];
        let image = names
            .iter()
            .find(|image| run("docker", &["image", "inspect", image]).is_ok());
        let image = image.ok_or("the machine's engine does not have the image")?;
        let mut saving = Command::new("docker")
            .args(["save", image])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let saved = saving.stdout.take().ok_or("nothing was saved")?;
        let loaded = Command::new("docker")
            .env("DOCKER_HOST", format!("unix://{}", self.socket().display()))
            .arg("load")
            .stdin(saved)
            .stdout(Stdio::null())
            .status();
        let saved = saving.wait().map_err(|error| error.to_string())?;
        match loaded {
            Ok(loaded) if loaded.success() && saved.success() => Ok(()),
            _ => Err("the image could not be copied".to_owned()),
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("sock")
    }

    /// A client, where the engine has made its socket.
    fn docker(&self) -> Option<Docker> {
        let socket = self.socket();
        Docker::connect_with_unix(&socket.to_string_lossy(), 10, bollard::API_DEFAULT_VERSION).ok()
    }

    fn engine(&self) -> Engine {
        let docker = self.docker().expect("the engine answers");
        Engine::of(docker, self.socket(), DEPLOYMENT)
    }

    async fn answers(&self) -> bool {
        let Some(docker) = self.docker() else {
            return false;
        };
        docker.ping().await.is_ok()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.end("TERM");
        }
        // A test that failed may have left its containers' guardians with their containers;
        // all that lives in the namespace is ours.
        let guardians = Command::new("ip")
            .args(["netns", "pids", &self.namespace])
            .output();
        let guardians = guardians.map(|output| output.stdout).unwrap_or_default();
        for guardian in String::from_utf8_lossy(&guardians).lines() {
            let children = format!("/proc/{guardian}/task/{guardian}/children");
            let children = fs::read_to_string(children).unwrap_or_default();
            for pid in children.split_whitespace().chain([guardian]) {
                drop(run("kill", &["-s", "KILL", pid]));
            }
        }
        drop(run("ip", &["netns", "delete", &self.namespace]));
        for mounted in mounts_in(&self.folder) {
            drop(run("umount", &["--lazy", &mounted]));
        }
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// What is mounted below a folder, the innermost first.
fn mounts_in(folder: &Path) -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut mounted: Vec<_> = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .filter(|mounted| Path::new(mounted).starts_with(folder))
        .map(str::to_owned)
        .collect();
    mounted.reverse();
    mounted
}

/// Runs a program to its end; what it complained about is the error.
fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("{program} {}: {complaint}", arguments.join(" ")))
}

#[expect(
    clippy::print_stderr,
    reason = "whoever runs the tests wants to know which was skipped"
)]
fn skip(why: &str) {
    eprintln!("skipped, since it needs an engine of its own in a network namespace: {why}");
}
