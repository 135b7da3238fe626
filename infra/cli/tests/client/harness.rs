//! The program's process, and a one-machine server with a real engine.

use std::{fs, net::SocketAddr, time::Duration};

use containerlease_testkit::{Folder, Launcher, Place, ServerProcess, wait::within};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::wire::Port;

/// Time limit for anything that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_containerlease");

/// A run of the program. Its output goes to files, so that it never waits for a reader.
pub(crate) struct Run {
    child: Child,
    folder: Folder,
}

/// The outcome of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Starts the program with the server's address in its environment.
    pub(crate) fn start(server: &str, arguments: &[&str]) -> Self {
        Self::start_with(&[("CONTAINERLEASE_URL", server)], arguments)
    }

    /// Starts the program with only these variables.
    pub(crate) fn start_with(variables: &[(&str, &str)], arguments: &[&str]) -> Self {
        Self::start_fed(variables, arguments, b"")
    }

    /// Starts the program with only these variables, and with this standard input.
    pub(crate) fn start_fed(variables: &[(&str, &str)], arguments: &[&str], stdin: &[u8]) -> Self {
        let folder = Folder::random();
        let fed = folder.join("stdin");
        fs::write(&fed, stdin).expect("a file can be written");
        let fed = fs::File::open(fed).expect("the file is there");
        let file = |name| fs::File::create(folder.join(name)).expect("a file can be made");
        let child = Command::new(PROGRAM)
            .args(arguments)
            .env_clear()
            .envs(variables.iter().copied())
            .stdin(fed)
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .kill_on_drop(true)
            .spawn();
        Self {
            child: child.expect("the program was built"),
            folder,
        }
    }

    /// Its standard output so far.
    pub(crate) fn stdout(&self) -> String {
        self.written("stdout")
    }

    /// Its standard error so far.
    pub(crate) fn stderr(&self) -> String {
        self.written("stderr")
    }

    fn said(&self) -> String {
        self.stdout() + &self.stderr()
    }

    fn written(&self, name: &str) -> String {
        let bytes = fs::read(self.folder.join(name)).expect("the file is there");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits until its output satisfies `seen`.
    pub(crate) async fn until(&mut self, what: &str, seen: impl Fn(&Self) -> bool) {
        let came = within(PATIENCE, async || {
            if seen(self) {
                return Some(());
            }
            let ended = self.child.try_wait().expect("it is our child");
            assert!(ended.is_none(), "{what}: it ended before: {}", self.said());
            None
        });
        assert!(came.await.is_some(), "{what}: {}", self.said());
    }

    /// Waits until it exits by itself.
    pub(crate) async fn end(mut self) -> Outcome {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let (stdout, stderr) = (self.stdout(), self.stderr());
        let Ok(status) = ended else {
            panic!("it does not end: {stdout}{stderr}")
        };
        Outcome {
            code: status.expect("it is our child").code(),
            stdout,
            stderr,
        }
    }
}

impl Outcome {
    /// Checks that it succeeded without any message.
    pub(crate) fn quiet_success(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self:?}");
        assert_eq!(self.stderr, "", "{self:?}");
        &self.stdout
    }

    /// Its standard output, as JSON.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("{self:?} is no JSON"))
    }

    /// The program's own messages, without the container's lines.
    pub(crate) fn sentences(&self) -> Vec<&str> {
        let said = self.stderr.lines();
        said.filter_map(|line| line.strip_prefix("containerlease: "))
            .collect()
    }
}

/// Sends a process a signal.
pub(crate) fn signal(child: &Child, name: &str) {
    containerlease_testkit::server::signal(child.id().expect("it runs"), name);
}

/// A one-machine server with its own deployment on the engine. Both end with it.
pub(crate) struct Server {
    _process: ServerProcess,
    address: SocketAddr,
    client: reqwest::Client,
    _folder: Folder,
    // Dropped last: removes the containers after the server is gone.
    place: Place,
}

impl Server {
    /// Starts a server and waits until it is up. The port must be free on both loopback
    /// addresses: the server answers to its own address and to `127.0.0.1` with its port, where a
    /// [`Wire`](crate::wire::Wire) may listen.
    pub(crate) async fn start(port: u16) -> Self {
        Self::start_with(port, &[]).await
    }

    /// The same on any port.
    pub(crate) async fn anywhere() -> Self {
        Self::start(Port::free().await.number()).await
    }

    /// The same with additional variables.
    pub(crate) async fn start_with(port: u16, more: &[(&str, &str)]) -> Self {
        let place = Place::new().await;
        let deployment = place.deployment().as_str();
        let folder = Folder::random();
        let address = SocketAddr::from(([127, 0, 0, 2], port));
        let launcher = Launcher::new(PROGRAM, &folder, deployment, place.socket())
            .with("CONTAINERLEASE_LISTEN", address.to_string())
            .with_all(more);
        let started = launcher.start(PATIENCE).await;
        Self {
            _process: started.unwrap_or_else(|error| panic!("{error}")),
            address,
            client: reqwest::Client::new(),
            _folder: folder,
            place,
        }
    }

    /// Its address, for the program.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs the program against it.
    pub(crate) async fn call(&self, arguments: &[&str]) -> Outcome {
        Run::start(&self.url(), arguments).end().await
    }

    /// The leases that have not ended.
    pub(crate) async fn leases(&self) -> Vec<Value> {
        let listed = self.client.get(format!("{}/api/containers", self.url()));
        let listed = listed.timeout(PATIENCE).send().await;
        let listed = listed.expect("the server answers").json::<Value>().await;
        match listed.expect("the answer is JSON")["containers"].take() {
            Value::Array(leases) => leases,
            other => panic!("{other} is no list"),
        }
    }

    /// Checks that there is no lease, and no container of one on the engine.
    pub(crate) async fn holds_nothing(&self) {
        assert_eq!(self.leases().await, [] as [Value; 0]);
        let left = self.place.containers().await;
        assert!(left.is_empty(), "{left:?}");
    }

    /// Leases an alpine that runs a script, and returns the lease's id.
    pub(crate) async fn lease(&self, script: &str) -> String {
        let url = format!("{}/api/provision", self.url());
        let body = json!({
            "imageType": "alpine", "durationMinutes": 5, "cpuMilli": 1000,
            "command": ["sh", "-c", script],
        });
        let made = self.client.post(url).json(&body).timeout(PATIENCE);
        let made = made.send().await.expect("the server answers");
        let made: Value = made.json().await.expect("the answer is JSON");
        let id = made["id"].as_str();
        id.unwrap_or_else(|| panic!("{made} is no lease"))
            .to_owned()
    }

    /// Ends a lease.
    pub(crate) async fn delete(&self, lease: &str) {
        let url = format!("{}/api/containers/{lease}", self.url());
        let deleted = self.client.delete(url).timeout(PATIENCE).send().await;
        let deleted = deleted.expect("the server answers");
        assert!(deleted.status().is_success(), "{deleted:?}");
    }
}
