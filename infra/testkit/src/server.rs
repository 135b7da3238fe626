//! The one-machine server, `containerlease serve`, in a process of its own.
//!
//! Its data and its output are in a folder that its owner makes and removes. The containers of its
//! leases belong to a deployment; a [`Place`](crate::Place) removes those of its own.

#[cfg(test)]
mod tests;

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use thiserror::Error;

use crate::wait::{LOOK_EVERY, within};

/// What a server prints before its address once it is up.
const BANNER: &str = "ContainerLease is on http://";

/// How to start a server, repeatedly on the same data.
#[derive(Clone, Debug)]
pub struct Launcher {
    program: PathBuf,
    folder: PathBuf,
    variables: Vec<(String, OsString)>,
}

/// Why a server did not come up. The log is that server's alone.
#[derive(Debug, Error)]
pub enum StartError {
    #[error("the server cannot be started: {0}")]
    NotStarted(#[from] io::Error),
    #[error("the server ended with {status}: {log}")]
    Ended { status: ExitStatus, log: String },
    #[error("the server is not up after {limit:?}: {log}")]
    TooLate { limit: Duration, log: String },
}

/// A server's process. It is killed on drop.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Launcher {
    /// A server of `deployment` on the engine at `socket`. It listens on a free loopback port, has
    /// its data and its output in `folder`, and no dashboard. Its environment is what this and
    /// [`with`](Self::with) set, and nothing of the caller's.
    pub fn new(
        program: impl Into<PathBuf>,
        folder: &Path,
        deployment: &str,
        socket: &Path,
    ) -> Self {
        let launcher = Self {
            program: program.into(),
            folder: folder.to_owned(),
            variables: Vec::new(),
        };
        launcher
            .with("CONTAINERLEASE_LISTEN", "127.0.0.1:0")
            .with("CONTAINERLEASE_DATA", folder.join("data"))
            .with("CONTAINERLEASE_DASHBOARD", folder.join("no dashboard"))
            .with("CONTAINERLEASE_DEPLOYMENT", deployment)
            .through(socket)
    }

    /// The folder of its data and its output.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Sets a variable; the last value counts.
    pub fn with(mut self, variable: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((variable.to_owned(), value.into()));
        self
    }

    /// Sets these variables.
    pub fn with_all(mut self, variables: &[(&str, &str)]) -> Self {
        for (variable, value) in variables {
            self = self.with(variable, value);
        }
        self
    }

    /// Sets the socket of the server's engine.
    pub fn through(self, socket: &Path) -> Self {
        self.with("DOCKER_HOST", format!("unix://{}", socket.display()))
    }

    /// The command that starts a server. Its output goes where the caller's does.
    pub fn command(&self) -> Command {
        let variables = self.variables.iter();
        let mut command = Command::new(&self.program);
        command
            .arg("serve")
            .env_clear()
            .envs(variables.map(|(variable, value)| (variable, value)))
            .stdin(Stdio::null());
        command
    }

    /// Starts a server that need not come up.
    pub fn launch(&self) -> io::Result<ServerProcess> {
        let (number, log) = self.new_log()?;
        let stdout = self.folder.join(format!("server-{number}.out"));
        let child = self
            .command()
            .stdout(File::create(&stdout)?)
            .stderr(log)
            .spawn()?;
        Ok(ServerProcess {
            child,
            stdout,
            stderr: self.log_file(number),
        })
    }

    /// Starts a server and waits until it prints its address.
    pub async fn start(&self, limit: Duration) -> Result<ServerProcess, StartError> {
        let mut server = self.launch()?;
        let begun = Instant::now();
        loop {
            if server.address().is_some() {
                return Ok(server);
            }
            if let Some(status) = server.ended() {
                let log = server.stderr();
                return Err(StartError::Ended { status, log });
            }
            if begun.elapsed() >= limit {
                let log = server.stderr();
                return Err(StartError::TooLate { limit, log });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The token in the data folder, for clients whose user the kernel cannot tell, such as one that
    /// hung up at once; `None` if no server has written it there.
    pub fn token(&self) -> Option<String> {
        let token = fs::read_to_string(self.folder.join("data/token")).ok()?;
        Some(token.trim().to_owned())
    }

    /// What all servers have logged that were started in this folder, one after the other.
    pub fn log(&self) -> io::Result<String> {
        let mut log = String::new();
        for file in (1..).map(|number| self.log_file(number)) {
            match fs::read_to_string(file) {
                Ok(more) => log.push_str(&more),
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(error),
            }
        }
        Ok(log)
    }

    /// A server's own log. Several may run at once, such as one that refuses to.
    fn new_log(&self) -> io::Result<(u32, File)> {
        let mut number = 1;
        loop {
            match File::create_new(self.log_file(number)) {
                Ok(log) => return Ok((number, log)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    fn log_file(&self, number: u32) -> PathBuf {
        self.folder.join(format!("server-{number}.log"))
    }
}

impl ServerProcess {
    /// Its standard output so far.
    pub fn stdout(&self) -> String {
        text(&self.stdout).expect("its folder outlives it")
    }

    /// Its standard error so far, which is its log.
    pub fn stderr(&self) -> String {
        text(&self.stderr).expect("its folder outlives it")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The address that it has printed; `None` before.
    ///
    /// # Panics
    ///
    /// If its first line is another one.
    pub fn address(&self) -> Option<SocketAddr> {
        let said = self.stdout();
        let (first, _) = said.split_once('\n')?;
        let address = first.strip_prefix(BANNER);
        let address = address.unwrap_or_else(|| panic!("the first line is: {first}"));
        Some(address.parse().expect("it prints its address"))
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it is our child")
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    ///
    /// If it has not ended after `limit`.
    pub async fn end(&mut self, limit: Duration) -> ExitStatus {
        let ended = within(limit, async || self.ended()).await;
        ended.unwrap_or_else(|| {
            let log = self.stderr();
            panic!("the server has not ended after {limit:?}: {log}")
        })
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Kills it as the kernel does when memory is short, and waits until it is gone.
    pub fn kill(&mut self) {
        // One that has already ended cannot be killed, and need not be.
        drop(self.child.kill());
        self.child.wait().expect("it is our child");
    }
}

impl Drop for ServerProcess {
    #[expect(
        clippy::print_stderr,
        reason = "who reads why a test failed wants to know what its server said"
    )]
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = text(&self.stderr).unwrap_or_default();
            eprintln!("--- the server's log:\n{log}");
        }
    }
}

/// Sends a process a signal, by its short name.
///
/// # Panics
///
/// If there is no such process.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status();
    assert!(sent.expect("there is a kill").success());
}

/// A program of the workspace, built for the workspace's tests.
pub fn built(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("this program has a path");
    let folder = this.parent().and_then(Path::parent);
    folder
        .expect("tests lie in a folder of their own")
        .join(name)
}

fn text(file: &Path) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&fs::read(file)?).into_owned())
}
