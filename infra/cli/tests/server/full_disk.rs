//! The disk of the data folder is full, or the folder is gone: leases still end on time, and
//! callers are told.
//!
//! The full disk is a small one in memory, which only root can mount. Without root that test says
//! that it is skipped; `functions/tests/handlers/no_room.rs` tests the server's behaviour without a
//! disk.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use containerlease_domain::time::Time;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{PATIENCE, PROMPT, Place, Server, eventually, sleep_until, str_of, time_of};

/// More than the server's reserve, and small enough to fill at once.
const SIZE: &str = "size=32m,mode=0700";

/// The size of the server's reserve, in bytes.
const RESERVE_BYTES: u64 = 16 << 20;

#[tokio::test]
async fn leases_end_on_time_on_a_full_disk_and_none_is_made() {
    let place = Place::new().await;
    let disk = match Disk::mount(&place.folder.join("data")) {
        Ok(disk) => disk,
        Err(why) => return skip(&why),
    };
    let server = place.start().await;
    assert_eq!(server.get("/readyz").await.status, StatusCode::OK);
    assert_eq!(disk.reserve(), RESERVE_BYTES);
    let first = lease(&server, 30).await;
    let second = lease(&server, 60).await;
    let stays = lease(&server, 3_000).await;
    let stays = str_of(&stays["id"]);

    disk.fill();
    refuses(&server, "The disk of the data folder is full").await;
    // The reserve is given up slice by slice.
    for _ in 0..60 {
        assert_eq!(renew(&server, stays).await, StatusCode::OK);
        if disk.reserve() < RESERVE_BYTES {
            break;
        }
    }
    assert!(disk.reserve() < RESERVE_BYTES, "nothing was given up");
    let receipt = ends_on_time(&place, &server, &first).await;
    assert_eq!(receipt["reason"], "expired", "{receipt}");

    // Somebody takes the reserve as well: nothing can be written any more.
    disk.take_reserve();
    let mut renewals = 0;
    while renew(&server, stays).await != StatusCode::INSUFFICIENT_STORAGE {
        renewals += 1;
        assert!(renewals < 1_000, "it is written somewhere");
    }
    let expiry = time_of(&second["expiryTime"]);
    sleep_until(expiry).await;
    let gone = eventually("its container is gone", PATIENCE, async || {
        (place.containers().await.len() == 1).then(Time::now)
    });
    let gone = gone.await;
    assert!(gone < expiry.plus(PROMPT), "{gone} after {expiry}");
    let shown = shown(&server, &second).await;
    assert_eq!(shown["state"], "running", "there was room for it: {shown}");

    // The engine lists no container while it still removes it: it answers in this time.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let emptied = Time::now();
    disk.empty();
    let receipt = eventually("its receipt is written", PATIENCE, async || {
        let shown = self::shown(&server, &second).await;
        (shown["state"] == "ended").then(|| shown["receipt"].clone())
    });
    let receipt = receipt.await;
    assert!(time_of(&receipt["removedAt"]) < emptied, "{receipt}");
    eventually("it is ready", PATIENCE, async || {
        (server.get("/readyz").await.status == StatusCode::OK).then_some(())
    })
    .await;
    assert_eq!(disk.reserve(), RESERVE_BYTES);
    lease(&server, 30).await;
}

#[tokio::test]
async fn a_data_folder_that_vanishes_is_noticed_and_one_that_comes_back_too() {
    let place = Place::new().await;
    let server = place.start().await;
    assert_eq!(server.get("/readyz").await.status, StatusCode::OK);
    let (data, away) = (place.folder.join("data"), place.folder.join("away"));
    fs::rename(&data, &away).expect("it can be moved");
    refuses(&server, "The data folder was deleted or replaced").await;
    fs::rename(&away, &data).expect("it can be moved");
    eventually("it is ready", PATIENCE, async || {
        (server.get("/readyz").await.status == StatusCode::OK).then_some(())
    })
    .await;
    lease(&server, 30).await;
}

/// The server says that it is not ready, and why, and leases nothing.
async fn refuses(server: &Server, why: &str) {
    let ready = eventually("it is unready", PATIENCE, async || {
        let ready = server.get("/readyz").await;
        (ready.status == StatusCode::SERVICE_UNAVAILABLE).then_some(ready)
    });
    let ready = ready.await;
    assert!(ready.text.contains(why), "{ready:?}");
    let body = json!({"imageType": "alpine", "durationSeconds": 30});
    let asked = server.request(Method::POST, "/api/provision").json(&body);
    let answer = asked.send().await.expect("it answers");
    assert_eq!(answer.status(), StatusCode::INSUFFICIENT_STORAGE);
    let problem: Value = answer.json().await.expect("it is a problem");
    assert_eq!(problem["type"], "urn:containerlease:problem:storage-full");
}

async fn lease(server: &Server, seconds: u64) -> Value {
    let body = json!({"imageType": "alpine", "durationSeconds": seconds});
    server.provision(&body).await
}

async fn renew(server: &Server, id: &str) -> StatusCode {
    let path = format!("/api/containers/{id}/renew");
    let asked = server.request(Method::POST, &path);
    let asked = asked.json(&json!({"durationMinutes": 60}));
    asked.send().await.expect("it answers").status()
}

async fn shown(server: &Server, lease: &Value) -> Value {
    let path = format!("/api/containers/{}", str_of(&lease["id"]));
    serde_json::from_str(&server.get(&path).await.text).expect("it is JSON")
}

/// The receipt of a lease whose container is removed on time.
async fn ends_on_time(place: &Place, server: &Server, lease: &Value) -> Value {
    let expiry = time_of(&lease["expiryTime"]);
    let before = place.containers().await.len();
    sleep_until(expiry).await;
    let gone = eventually("its container is gone", PATIENCE, async || {
        (place.containers().await.len() < before).then(Time::now)
    });
    let gone = gone.await;
    assert!(gone < expiry.plus(PROMPT), "{gone} after {expiry}");
    eventually("its receipt is written", PATIENCE, async || {
        let shown = shown(server, lease).await;
        (shown["state"] == "ended").then(|| shown["receipt"].clone())
    })
    .await
}

/// A small disk in memory, mounted until this is dropped.
struct Disk(PathBuf);

impl Disk {
    fn mount(folder: &Path) -> Result<Self, String> {
        fs::create_dir(folder).expect("the folder of a test can be written");
        let folder_name = folder.display().to_string();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", SIZE, "containerlease", &folder_name])
            .output();
        let output = mount.map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(Self(folder.to_owned()));
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Fills all free space.
    fn fill(&self) {
        let file = File::options()
            .create(true)
            .append(true)
            .open(self.0.join("filler"));
        let mut file = file.expect("it can be made");
        for size in [1 << 20, 4096] {
            while file.write_all(&vec![1; size]).is_ok() {}
        }
    }

    /// Takes the server's reserve.
    fn take_reserve(&self) {
        let reserve = File::options().write(true).open(self.0.join("reserve"));
        let cut = reserve.expect("it is there").set_len(0);
        cut.expect("it can be cut");
        self.fill();
    }

    fn reserve(&self) -> u64 {
        let reserve = fs::metadata(self.0.join("reserve"));
        reserve.expect("it is there").len()
    }

    fn empty(&self) {
        fs::remove_file(self.0.join("filler")).expect("it is there");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // It is removed once the server that holds its files has ended.
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
    }
}

#[expect(
    clippy::print_stderr,
    reason = "whoever runs the tests wants to know which was skipped"
)]
fn skip(why: &str) {
    containerlease_testkit::assert_may_skip(why);
    eprintln!("skipped, since it takes root to mount a small disk: {why}");
}
