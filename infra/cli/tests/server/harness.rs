//! A place for a server, the running server, and its clients.

use std::{
    ffi::OsString,
    fs,
    net::SocketAddr,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use bollard::{
    Docker,
    exec::{CreateExecOptions, StartExecResults},
    models::ContainerSummary,
};
use containerlease_domain::time::Time;
use containerlease_testkit::{Folder, Launcher, ServerProcess};
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{self, Message, protocol::frame::coding::CloseCode},
};

pub(crate) use containerlease_testkit::wait::{PATIENCE, eventually};

/// How long a server may take to start. It is generous because many servers start at once on few
/// cores.
const START_LIMIT: Duration = Duration::from_secs(30);

/// From a cause to its effect, on a machine that does other things as well. It is far below the
/// tick of a minute, which proves that nothing waited for a tick. The tests do not measure the
/// speed of an idle machine.
pub(crate) const PROMPT: Duration = Duration::from_secs(10);

/// A deployment on the engine and a folder, both for one test alone. Dropping it removes everything
/// of the deployment; so it must outlive its servers, and a test makes it first.
pub(crate) struct Place {
    pub(crate) folder: Folder,
    pub(crate) engine: containerlease_testkit::Place,
    launcher: Launcher,
}

impl Place {
    /// A place whose servers are the binary that cargo has just built, or the one that
    /// `CONTAINERLEASE_TEST_SERVER` names, such as a release's.
    #[expect(
        clippy::disallowed_methods,
        reason = "which binary is tried is no setting of it"
    )]
    pub(crate) async fn new() -> Self {
        let engine = containerlease_testkit::Place::new().await;
        let deployment = engine.deployment().as_str();
        let folder = Folder::new(deployment);
        let built = env!("CARGO_BIN_EXE_containerlease");
        let binary = std::env::var_os("CONTAINERLEASE_TEST_SERVER");
        let binary = binary.unwrap_or_else(|| built.into());
        let launcher = Launcher::new(binary, &folder, deployment, engine.socket());
        Self {
            folder,
            engine,
            launcher,
        }
    }

    /// The place with one more variable for its servers.
    pub(crate) fn with(mut self, variable: &str, value: impl Into<OsString>) -> Self {
        self.launcher = self.launcher.with(variable, value);
        self
    }

    /// The command that starts a server here, without the tests' environment.
    pub(crate) fn command(&self, more: &[(&str, &str)]) -> Command {
        self.launcher.clone().with_all(more).command()
    }

    /// Starts a server and waits until it prints its address.
    pub(crate) async fn start(&self) -> Server {
        self.start_with(&[]).await
    }

    /// Starts a server with `more` variables and waits until it prints its address.
    pub(crate) async fn start_with(&self, more: &[(&str, &str)]) -> Server {
        let launcher = self.launcher.clone().with_all(more);
        let started = launcher.start(START_LIMIT).await;
        let process = started.unwrap_or_else(|error| panic!("{error}"));
        Server {
            address: process.address().expect("it is up"),
            process,
            // If the place has its data elsewhere, no test needs the token.
            token: self.launcher.token().unwrap_or_default(),
            client: client(),
        }
    }

    /// Starts a server that need not come up.
    pub(crate) fn launch(&self, more: &[(&str, &str)]) -> ServerProcess {
        let launched = self.launcher.clone().with_all(more).launch();
        launched.expect("the server's binary was built")
    }

    /// The engine's own socket.
    pub(crate) fn socket(&self) -> &Path {
        self.engine.socket()
    }

    /// The deployment's containers on the engine, running or not.
    pub(crate) async fn containers(&self) -> Vec<ContainerSummary> {
        self.engine.containers().await
    }
}

/// Runs a script in the lease's container and waits until it has ended.
pub(crate) async fn run_inside(docker: &Docker, lease: &str, script: &str) {
    let options = CreateExecOptions {
        cmd: Some(vec!["sh", "-c", script]),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..CreateExecOptions::default()
    };
    let container = format!("containerlease-{lease}");
    let exec = docker.create_exec(&container, options).await;
    let exec = exec.expect("the container runs").id;
    let started = docker.start_exec(&exec, None).await;
    let Ok(StartExecResults::Attached { mut output, .. }) = started else {
        panic!("the script did not start: {started:?}")
    };
    let mut said = String::new();
    while let Some(Ok(piece)) = output.next().await {
        said.push_str(&piece.to_string());
    }
    assert_eq!(said, "", "the script has nothing to complain about");
}

/// A running server.
pub(crate) struct Server {
    pub(crate) process: ServerProcess,
    pub(crate) address: SocketAddr,
    /// For clients whose user the kernel cannot tell, such as one that hung up at once.
    pub(crate) token: String,
    client: reqwest::Client,
}

/// A client that uses no connection which the server may be closing at this moment, as it does
/// with one that was idle for ten seconds.
fn client() -> reqwest::Client {
    let client = reqwest::Client::builder().pool_idle_timeout(Duration::from_secs(5));
    client.build().expect("it needs nothing from outside")
}

/// The server's answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Server {
    /// A request to `path`, without headers and body so far.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("http://{}{path}", self.address);
        self.client.request(method, url).timeout(2 * PATIENCE)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        answer(self.request(Method::DELETE, path)).await
    }

    /// Leases a container, which must succeed, and returns the lease.
    pub(crate) async fn provision(&self, body: &Value) -> Value {
        let made = answer(self.request(Method::POST, "/api/provision").json(body)).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        made.json()
    }

    /// The lease, whether or not it has ended.
    pub(crate) async fn lease(&self, id: &str) -> Value {
        let found = self.get(&format!("/api/containers/{id}")).await;
        assert_eq!(found.status, StatusCode::OK, "{}", found.text);
        found.json()
    }

    /// The leases that have not ended.
    pub(crate) async fn leases(&self) -> Vec<Value> {
        let listed = self.get("/api/containers").await;
        assert_eq!(listed.status, StatusCode::OK, "{}", listed.text);
        match &listed.json()["containers"] {
            Value::Array(containers) => containers.clone(),
            other => panic!("{other} is no list"),
        }
    }

    /// Sends the process a signal.
    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }
}

/// Sends bytes on a separate connection, which stays open until the result is dropped.
pub(crate) async fn send(server: &Server, bytes: &[u8]) -> TcpStream {
    let stream = TcpStream::connect(server.address).await;
    let mut stream = stream.expect("the server listens");
    stream.write_all(bytes).await.expect("it can be sent");
    stream
}

/// Sends a request and reads the answer.
pub(crate) async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.expect("the server answers");
    Answer {
        status: response.status(),
        headers: response.headers().clone(),
        text: response.text().await.expect("the answer is text"),
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("this is not JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap_or_default())
    }
}

/// The value as a text.
pub(crate) fn str_of(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
}

/// The value as a time.
pub(crate) fn time_of(value: &Value) -> Time {
    serde_json::from_value(value.clone()).unwrap_or_else(|_| panic!("{value} is no time"))
}

/// Waits until `time`.
pub(crate) async fn sleep_until(time: Time) {
    tokio::time::sleep(Time::now().until(time)).await;
}

/// A viewer of a lease's log.
pub(crate) struct Viewer {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// What a viewer receives.
#[derive(Debug)]
pub(crate) enum Frame {
    /// The objects of a text frame.
    Lines(Vec<Value>),
    /// The server has closed the connection.
    Closed(Option<CloseCode>),
}

impl Viewer {
    /// Opens a connection, after `cursor` if there is one.
    pub(crate) async fn open(server: &Server, lease: &str, cursor: Option<&str>) -> Self {
        Self::try_open(server, lease, cursor)
            .await
            .expect("the viewer is let in")
    }

    pub(crate) async fn try_open(
        server: &Server,
        lease: &str,
        cursor: Option<&str>,
    ) -> Result<Self, tungstenite::Error> {
        let mut url = format!("ws://{}/ws/logs/{lease}", server.address);
        if let Some(cursor) = cursor {
            url = format!("{url}?cursor={cursor}");
        }
        let (socket, _) = tokio_tungstenite::connect_async(url).await?;
        Ok(Self { socket })
    }

    /// The next text or close frame.
    pub(crate) async fn next(&mut self) -> Frame {
        let frame = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Text(text))) => {
                        let lines = text.lines().map(|line| {
                            serde_json::from_str(line)
                                .unwrap_or_else(|_| panic!("{line} is no object"))
                        });
                        return Frame::Lines(lines.collect());
                    }
                    Some(Ok(Message::Close(frame))) => {
                        return Frame::Closed(frame.map(|frame| frame.code));
                    }
                    None | Some(Err(_)) => return Frame::Closed(None),
                    Some(Ok(_)) => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, frame)
            .await
            .expect("a frame comes")
    }

    /// Reads until a line satisfies `wanted`, and returns it; skips the lines before it.
    pub(crate) async fn line(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            match self.next().await {
                Frame::Lines(lines) => {
                    if let Some(line) = lines.into_iter().find(&wanted) {
                        return line;
                    }
                }
                Frame::Closed(code) => panic!("closed with {code:?} before the line came"),
            }
            assert!(begun.elapsed() < 6 * PATIENCE, "the line does not come");
        }
    }

    pub(crate) async fn say(&mut self, text: &str) {
        let message = Message::Text(text.into());
        self.socket.send(message).await.expect("it is open");
    }
}

/// Writes a file and returns its path as text.
pub(crate) fn written(path: &Path, content: impl AsRef<[u8]>) -> String {
    let folder = path.parent().expect("a file lies in a folder");
    fs::create_dir_all(folder).expect("the folder can be made");
    fs::write(path, content).expect("the file can be written");
    path.display().to_string()
}
