//! Somebody sets the system's clock while leases run: no lease is affected. Debian's `faketime`
//! sets it for the server alone.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::harness::{PATIENCE, PROMPT, Place, eventually, str_of, time_of};

const LASTS: Duration = Duration::from_secs(30);

/// The library that fakes the system's clock for a process.
fn faketime() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").expect("every Linux has it");
    let found = folders
        .filter_map(Result::ok)
        .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"))
        .find(|library| library.exists());
    found.expect("install Debian's faketime, or run the tests by `make test`")
}

#[tokio::test]
async fn a_clock_that_is_set_ends_no_lease_early_and_keeps_none() {
    let place = Place::new().await;
    let clock = place.folder.join("clock");
    let set = |offset: &str| fs::write(&clock, offset).expect("the folder can be written");
    set("+0");
    let library = faketime();
    let faked = [
        ("LD_PRELOAD", library.to_str().expect("it is text")),
        (
            "FAKETIME_TIMESTAMP_FILE",
            clock.to_str().expect("it is text"),
        ),
        ("FAKETIME_NO_CACHE", "1"),
        // Nobody can set the time since boot.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let server = place.start_with(&faked).await;
    let lease = json!({"imageType": "alpine", "durationSeconds": LASTS.as_secs()});
    let begun = Instant::now();
    let lease = server.provision(&lease).await;

    set("+2h");
    eventually("it is noticed", PATIENCE, async || {
        let text = server.get("/metrics").await.text;
        let ahead = text.lines().find_map(|line| {
            line.strip_prefix("containerlease_wall_clock_ahead_seconds ")?
                .parse::<f64>()
                .ok()
        });
        ahead
            .is_some_and(|seconds| (7_199.0..7_201.0).contains(&seconds))
            .then_some(())
    })
    .await;
    // Two looks for due work.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(server.lease(str_of(&lease["id"])).await["state"], "running");
    assert!(begun.elapsed() < LASTS, "this machine is too slow to tell");

    set("-2h");
    let ended = eventually("it ends", LASTS + PATIENCE, async || {
        let lease = server.lease(str_of(&lease["id"])).await;
        (lease["state"] == "ended").then_some(lease)
    })
    .await;
    assert!(
        begun.elapsed() >= LASTS,
        "it ended after {:?}",
        begun.elapsed()
    );
    let receipt = &ended["receipt"];
    let (expiry, removed) = (
        time_of(&lease["expiryTime"]),
        time_of(&receipt["removedAt"]),
    );
    assert!(expiry <= removed, "{receipt}");
    assert!(expiry.until(removed) < PROMPT, "{receipt}");
    assert_eq!(receipt["reason"], "expired");
    let log = server.process.stderr();
    assert!(log.contains("the system's clock was changed"), "{log}");
}
