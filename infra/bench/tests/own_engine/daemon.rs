//! The test's own engine, in its own network namespace, because a second engine would break the
//! network rules of the machine's. That needs root; without it a test says that it is skipped.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use bollard::Docker;
use containerlease_bench::engine::Engine;
use containerlease_functions::app::App;
use containerlease_settings::Settings;
use containerlease_testkit::Table;
use serde_json::{Value, json};

/// Time limit for any call to an engine that has just started.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

const DEPLOYMENT: &str = "own-engine";

/// The name of gVisor's runtime, if an engine has it.
pub(crate) const GVISOR: &str = "runsc";

/// Number of engines that this process has made, for unique names.
static MADE: AtomicU32 = AtomicU32::new(0);

/// An engine in its own folder and network namespace. All of it is removed on drop.
pub(crate) struct Daemon {
    folder: PathBuf,
    namespace: String,
    /// Its storage driver, if set.
    storage: Option<&'static str>,
    process: Option<Child>,
}

impl Daemon {
    /// Starts an engine, or returns why that is impossible here.
    pub(crate) fn start() -> Result<Self, String> {
        let mut daemon = Self::without_process()?;
        daemon.start_again();
        Ok(daemon)
    }

    /// Starts an engine with gVisor as the additional runtime [`GVISOR`].
    pub(crate) fn start_with_gvisor() -> Result<Self, String> {
        let program = path_of("runsc")?;
        // Use the kernel's network stack. gVisor's own refuses to start if it mistakes each network
        // namespace for the machine's, as Debian's build of 2022 does on current kernels.
        Self::start_with(&json!({
            "runtimes": {GVISOR: {"path": program, "runtimeArgs": ["--network=host"]}},
        }))
    }

    /// Starts an engine with these settings in its `daemon.json`.
    pub(crate) fn start_with(settings: &Value) -> Result<Self, String> {
        let mut daemon = Self::without_process()?;
        fs::write(daemon.settings(), settings.to_string()).map_err(|error| error.to_string())?;
        daemon.start_again();
        Ok(daemon)
    }

    /// Starts an engine whose containers are on btrfs, in a loop-mounted file.
    pub(crate) fn start_on_btrfs() -> Result<Self, String> {
        let mut daemon = Self::without_process()?;
        let path = |name: &str| daemon.folder.join(name).display().to_string();
        let (disk, data) = (path("disk"), path("data"));
        run("truncate", &["--size", "1G", &disk])?;
        run("mkfs.btrfs", &["--quiet", &disk])?;
        fs::create_dir(&data).map_err(|error| error.to_string())?;
        // It is unmounted with everything below the folder, which also frees its loop device.
        run("mount", &["-o", "loop", &disk, &data])?;
        daemon.storage = Some("btrfs");
        daemon.start_again();
        Ok(daemon)
    }

    fn without_process() -> Result<Self, String> {
        for program in ["dockerd", "docker", "ip", "nsenter"] {
            path_of(program)?;
        }
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("containerlease-{}-{number}", std::process::id());
        run("ip", &["netns", "add", &namespace])?;
        let folder = std::env::temp_dir().join(&namespace);
        let daemon = Self {
            folder,
            namespace,
            storage: None,
            process: None,
        };
        // The namespace exists, so from here on the drop cleans up.
        run("ip", &["-n", &daemon.namespace, "link", "set", "lo", "up"])?;
        fs::create_dir(&daemon.folder).map_err(|error| error.to_string())?;
        fs::write(daemon.settings(), "{}\n").map_err(|error| error.to_string())?;
        Ok(daemon)
    }

    pub(crate) fn start_again(&mut self) {
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
            .args(
                self.storage
                    .map(|driver| format!("--storage-driver={driver}")),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.process = Some(process.expect("dockerd can be started"));
    }

    pub(crate) async fn wait_until_it_answers(&mut self) {
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
    pub(crate) fn end(&mut self, signal: &str) {
        let mut process = self.process.take().expect("it was started");
        // The child was nsenter and is now dockerd.
        // An engine that has ended by itself cannot be signalled, and need not be.
        drop(run("kill", &["-s", signal, &process.id().to_string()]));
        process.wait().expect("it is our child");
        // A killed engine leaves its pid files and those of its containerd, which dies with it. The
        // next one would wait for processes that no longer exist.
        for left in ["pid", "exec/containerd/containerd.pid"] {
            drop(fs::remove_file(self.folder.join(left)));
        }
    }

    /// Copies the image of the leases from the machine's engine.
    pub(crate) fn load_image(&self) -> Result<(), String> {
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

    /// The file with the engine's own settings.
    fn settings(&self) -> PathBuf {
        self.folder.join("daemon.json")
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("sock")
    }

    /// A client, once the engine has made its socket.
    fn docker(&self) -> Option<Docker> {
        let socket = self.socket();
        Docker::connect_with_unix(&socket.to_string_lossy(), 10, bollard::API_DEFAULT_VERSION).ok()
    }

    /// The product on this engine, and on `table`.
    pub(crate) fn app(&self, table: &Table) -> App {
        self.app_with("", "", table)
    }

    /// The same, with one more setting.
    pub(crate) fn app_with(&self, set: &str, value: &str, table: &Table) -> App {
        let settings = Settings::parse(|variable| match variable {
            "CONTAINERLEASE_DEPLOYMENT" => Some(DEPLOYMENT.to_owned()),
            "DOCKER_HOST" => Some(format!("unix://{}", self.socket().display())),
            _ => (variable == set).then(|| value.to_owned()),
        });
        let settings = settings.expect("the test's settings are right");
        App::new(&settings, table.aws()).expect("the app's clients can be made")
    }

    pub(crate) fn engine(&self) -> Engine {
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
        // A failed test may have left containers and their shims; every process in the namespace
        // is ours.
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

/// The mounts below a folder, innermost first.
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

/// The path of a program on this machine.
fn path_of(program: &str) -> Result<String, String> {
    let found = Command::new("sh")
        .args(["-c", "command -v \"$0\"", program])
        .output();
    match found {
        Ok(found) if found.status.success() => {
            Ok(String::from_utf8_lossy(&found.stdout).trim().to_owned())
        }
        _ => Err(format!("there is no {program}")),
    }
}

/// Runs a program to its end; its error output becomes the error.
fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("{program} {}: {complaint}", arguments.join(" ")))
}

/// An engine that answers and has the image of the leases; `None`, with a message, if that is
/// impossible here.
pub(crate) async fn with_image(started: Result<Daemon, String>) -> Option<Daemon> {
    let mut daemon = started.inspect_err(|why| skip(why)).ok()?;
    daemon.wait_until_it_answers().await;
    daemon.load_image().inspect_err(|why| skip(why)).ok()?;
    Some(daemon)
}

#[expect(
    clippy::print_stderr,
    reason = "whoever runs the tests wants to know which was skipped"
)]
pub(crate) fn skip(why: &str) {
    containerlease_testkit::assert_may_skip(why);
    eprintln!("skipped, since it needs an engine of its own in a network namespace: {why}");
}
