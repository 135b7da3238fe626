//! What reads beside the viewers, and what watches the log's file.

use std::{
    fs,
    io::Read as _,
    net::SocketAddr,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use bollard::query_parameters::InspectContainerOptions;
use containerlease_domain::names::{ContainerName, LeaseId};
use tokio::{
    process::{Child, Command},
    task::JoinHandle,
};

use super::{LOOK_EVERY, Object, SharedLedger, lock};
use crate::{Fallible, engine::Engine};

/// `containerlease logs -f ID --json`, into a file.
pub(super) struct CommandLine {
    process: Child,
    file: PathBuf,
    complaints: PathBuf,
}

impl CommandLine {
    pub(super) fn start(
        program: &Path,
        server: SocketAddr,
        lease: &LeaseId,
        folder: &Path,
    ) -> Fallible<Self> {
        let file = folder.join("command-line.jsonl");
        let complaints = folder.join("command-line.log");
        let process = Command::new(program)
            .args(["logs", "-f", &lease.to_string(), "--json"])
            .env_clear()
            .env("CONTAINERLEASE_URL", format!("http://{server}"))
            .stdin(Stdio::null())
            .stdout(fs::File::create(&file)?)
            .stderr(fs::File::create(&complaints)?)
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self {
            process,
            file,
            complaints,
        })
    }

    /// Reads the growing file until the program has ended.
    pub(super) async fn follow(mut self, ledger: SharedLedger) -> Fallible<()> {
        let mut file = fs::File::open(&self.file)?;
        let mut read = Vec::new();
        loop {
            let ended = self.process.try_wait()?;
            file.read_to_end(&mut read)?;
            let now = Instant::now();
            let whole = read.iter().rposition(|byte| *byte == b'\n');
            for line in read
                .drain(..whole.map_or(0, |end| end + 1))
                .as_slice()
                .split(|byte| *byte == b'\n')
            {
                if !line.is_empty() {
                    let object: Object<'_> = serde_json::from_slice(line)?;
                    object.note(&mut lock(&ledger), now);
                }
            }
            match ended {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    let complaints = fs::read_to_string(&self.complaints)?;
                    return Err(format!("it ended with {status}: {complaints}").into());
                }
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }
}

/// Counts new files of a container's log at the engine.
pub(super) struct Rotations {
    count: Arc<AtomicUsize>,
    /// `None` if the engine's files are not visible.
    watching: Option<JoinHandle<()>>,
}

impl Rotations {
    pub(super) async fn watch(engine: &Engine, name: &ContainerName) -> Fallible<Self> {
        let options = None::<InspectContainerOptions>;
        let inspected = engine
            .docker()
            .inspect_container(name.as_str(), options)
            .await?;
        let file = inspected.log_path.unwrap_or_default();
        let inode = move || fs::metadata(&file).ok().map(|metadata| metadata.ino());
        let count = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&count);
        let watching = inode().map(|mut last| {
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(LOOK_EVERY).await;
                    // There is no file for a moment during a rotation.
                    if let Some(now) = inode().filter(|now| *now != last) {
                        last = now;
                        counted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        });
        Ok(Self { count, watching })
    }

    pub(super) fn count(&self) -> Option<usize> {
        let seen = self.watching.is_some();
        seen.then(|| self.count.load(Ordering::Relaxed))
    }
}

impl Drop for Rotations {
    fn drop(&mut self) {
        if let Some(watching) = &self.watching {
            watching.abort();
        }
    }
}
