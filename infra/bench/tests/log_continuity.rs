//! Follows a log through cuts, kills, hand-overs and a rotation: the short version of the
//! measurement `log-continuity`.

use std::{path::PathBuf, time::Duration};

use containerlease_bench::{
    Options,
    continuity::{Trial, try_out},
    engine::Engine,
};
use containerlease_testkit::{Folder, Place, server::built};

#[tokio::test(flavor = "multi_thread")]
async fn every_line_comes_once_and_in_order_whatever_is_cut_or_killed() {
    let place = Place::new().await;
    let deployment = place.deployment().as_str();
    let engine = Engine::of(
        place.docker().clone(),
        place.socket().to_owned(),
        deployment,
    );
    let _folder = Folder::new(deployment);
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
