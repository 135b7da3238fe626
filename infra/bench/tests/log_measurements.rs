//! The log measurements on a small scale: whether every line arrives once, and whether anything
//! is left behind. Speed is not checked on a machine that runs tests.

use std::{fs, path::PathBuf, time::Duration};

use containerlease_bench::{Options, engine::Engine, log_speed, log_viewers, result::Outcome};
use containerlease_testkit::{Place, server::built};

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_as_whole_as_dockers() {
    let small = Small::new(2_000).await;
    let measured = log_speed::measure(&small.options, &small.engine).await;
    measured.expect("it can be measured");
    let outcome = small.outcome("log-speed");
    let whole = outcome.goals.last().expect("there are promises");
    assert!(whole.promise.starts_with("every line comes once"));
    assert!(whole.holds, "{}", whole.measured);
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_share_a_log_and_leave_nothing_behind() {
    let small = Small::new(5).await;
    let measured = log_viewers::measure(&small.options, &small.engine).await;
    measured.expect("it can be measured");
    for goal in small.outcome("log-viewers").goals {
        assert!(goal.holds, "{}: {}", goal.promise, goal.measured);
    }
}

/// A small measurement with its own deployment.
struct Small {
    engine: Engine,
    options: Options,
    folder: PathBuf,
    _place: Place,
}

impl Small {
    async fn new(leases: usize) -> Self {
        let place = Place::new().await;
        let deployment = place.deployment().as_str();
        let engine = Engine::of(
            place.docker().clone(),
            place.socket().to_owned(),
            deployment,
        );
        let folder = std::env::temp_dir().join(deployment);
        let options = Options {
            leases,
            rounds: 1,
            tick: Duration::from_secs(5),
            window: Duration::ZERO,
            server: built("containerlease"),
            out: folder.join("out"),
        };
        Self {
            engine,
            options,
            folder,
            _place: place,
        }
    }

    fn outcome(&self, name: &str) -> Outcome {
        let file = self.options.out.join(format!("{name}.json"));
        let text = fs::read_to_string(file).expect("it was written");
        serde_json::from_str(&text).expect("it is an outcome")
    }
}

impl Drop for Small {
    /// Removes the folders of the deployment and of its siblings with the test.
    fn drop(&mut self) {
        let ours = self.folder.file_name().unwrap_or_default();
        let ours = ours.to_string_lossy();
        for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten() {
            let Ok(entry) = entry else { continue };
            if entry.file_name().to_string_lossy().starts_with(&*ours) {
                drop(fs::remove_dir_all(entry.path()));
            }
        }
    }
}
