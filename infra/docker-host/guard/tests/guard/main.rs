//! Runs the guard's binary on a real engine, with faults on the socket between the two.
//!
//! - [`ends`]: what is past its deadline goes, in time, and nothing else.
//! - [`faults`]: an engine that is away or fails, and a guard that is killed.
//! - [`service`]: what systemd hears, and what the guard refuses to be.
//!
//! Other tests share the engine, so each guard here is limited to its own deployment. The
//! tests of its plan, and the soak, show that it guards all deployments by default.

mod ends;
mod faults;
mod service;

use std::{
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use bollard::query_parameters::InspectContainerOptions;
use containerlease_domain::container::{DEPLOYMENT_LABEL, HARD_DEADLINE_LABEL};
use containerlease_testkit::{
    Place,
    wait::{PATIENCE, within},
};

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The test's own guard, killed on drop.
struct Guard {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Guard {
    /// A guard that looks each second and leaves the reaper no time.
    fn start(place: &Place, socket: &Path) -> Self {
        Self::with(place, socket, &[])
    }

    fn with(place: &Place, socket: &Path, more: &[(&str, &str)]) -> Self {
        let ours = [
            (
                "CONTAINERLEASE_GUARD_DEPLOYMENTS",
                place.deployment().as_str(),
            ),
            ("CONTAINERLEASE_GUARD_GRACE_SECONDS", "0"),
            ("CONTAINERLEASE_GUARD_LOOK_SECONDS", "1"),
        ];
        Self::run(socket, &[&ours, more].concat())
    }

    /// A guard with only these settings.
    fn run(socket: &Path, settings: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_containerlease-guard"))
            .env_clear()
            .env("DOCKER_HOST", format!("unix://{}", socket.display()))
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the guard's binary was built");
        let log = Arc::<Mutex<String>>::default();
        let into = Arc::clone(&log);
        let mut pipe = child.stderr.take().expect("it is piped");
        std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            while let Ok(length @ 1..) = pipe.read(&mut buffer) {
                let said = String::from_utf8_lossy(&buffer[..length]);
                into.lock().expect("nobody panics with it").push_str(&said);
            }
        });
        Self { child, log }
    }

    fn log(&self) -> String {
        self.log.lock().expect("nobody panics with it").clone()
    }

    async fn says(&self, sentence: &str) {
        let said = async || self.log().contains(sentence).then_some(());
        let said = within(PATIENCE, said).await;
        assert!(said.is_some(), "{sentence}: {}", self.log());
    }

    fn kill(&mut self) {
        // A guard that has ended cannot be killed, and need not be.
        drop(self.child.kill());
        self.child.wait().expect("it is our child");
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The labels of a container of this place.
fn ours<'a>(place: &'a Place, deadline: &'a str) -> [(&'a str, &'a str); 2] {
    [
        (DEPLOYMENT_LABEL, place.deployment().as_str()),
        (HARD_DEADLINE_LABEL, deadline),
    ]
}

async fn started(place: &Place, labels: &[(&str, &str)]) -> String {
    let id = place.stray(labels).await;
    let starting = place.docker().start_container(&id, None).await;
    starting.expect("a container can be started");
    id
}

async fn runs(place: &Place, id: &str) -> bool {
    let options = None::<InspectContainerOptions>;
    let details = place.docker().inspect_container(id, options).await;
    let state = details.expect("it is there").state;
    state.and_then(|state| state.running).unwrap_or_default()
}

/// Waits until the engine no longer knows it.
async fn gone(place: &Place, id: &str, guard: &Guard) {
    let gone = async || (!place.is_there(id).await).then_some(());
    let gone = within(PATIENCE, gone).await;
    assert!(gone.is_some(), "{}", guard.log());
}
