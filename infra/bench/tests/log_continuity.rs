//! Follows a log through cuts, kills, hand-overs and a rotation: the short version of the
//! measurement `log-continuity`.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use containerlease_bench::{
    Options,
    continuity::{Trial, try_out},
    engine::Engine,
};
use containerlease_settings::EngineAddress;
use containerlease_testkit::Place;

#[tokio::test(flavor = "multi_thread")]
async fn every_line_comes_once_and_in_order_whatever_is_cut_or_killed() {
    let place = Place::new().await;
    let EngineAddress::Unix(socket) = place.engine() else {
        unreachable!("the testkit refuses it")
    };
    let deployment = place.deployment().as_str();
    let engine = Engine::of(place.docker().clone(), socket.clone(), deployment);
    let _folder = Folder(std::env::temp_dir().join(deployment));
    let options = Options {
        leases: 1,
        rounds: 1,
        tick: Duration::from_secs(5),
        window: Duration::ZERO,
        server: built("containerlease"),
        out: PathBuf::new(),
    };
    let trial = Trial::short();
    let proof = try_out(&trial, &options, &engine).await;
    let proof = proof.unwrap_or_else(|problem| panic!("seed {}: {problem}", trial.seed));
    for goal in proof.goals() {
        let (promise, measured) = (&goal.promise, &goal.measured);
        assert!(
            goal.holds,
            "seed {}: {promise}: {measured}\n{:?}\n{}",
            trial.seed,
            proof.rows(),
            proof.anomalies().join("\n")
        );
    }
}

/// A program of the workspace, built for the workspace's tests.
fn built(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("this program has a path");
    let folder = this.parent().and_then(Path::parent);
    folder
        .expect("tests lie in a folder of their own")
        .join(name)
}

/// The server's folder, removed with the test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}
