//! The disk limit of a lease if the engine's storage has no quotas: the reaper ends a lease
//! that uses more, and its receipt says so.

use containerlease_testkit::{TestApp, TestAppOptions};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{alpine_with, assert_refused, exec::shell, get, inspect, lease};

/// A lease that may use 64 MB of disk.
async fn small(test: &TestApp, image: &str) -> String {
    let asked = json!({"imageType": image, "diskMB": 64});
    let answer = alpine_with(asked).provision(&test.app).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.body["diskMB"], 64);
    answer.id()
}

/// Writes that many mebibytes to `path` in the lease's container.
async fn write(test: &TestApp, id: &str, path: &str, mebibytes: u32) {
    let script = format!("dd if=/dev/zero of={path} bs=1M count={mebibytes} 2>&1");
    let answer = shell(test, id, &script, json!({})).await;
    assert_eq!(answer.body["exitCode"], 0, "{answer:?}");
}

async fn assert_evicted(test: &TestApp, id: &str) {
    let lease = get(test, id).await;
    assert_eq!(lease["state"], "ended", "{lease}");
    let receipt = &lease["receipt"];
    assert_eq!(receipt["reason"], "evicted");
    assert_eq!(receipt["detail"], "out of disk, limit 64 MB");
    assert_eq!(receipt["overshootMs"], Value::Null);
    assert_eq!(inspect(test, id).await, Value::Null);
}

#[tokio::test]
async fn who_writes_more_than_allowed_is_evicted_and_nobody_else() {
    let test = TestApp::new().await;
    let (greedy, modest) = (small(&test, "alpine").await, small(&test, "alpine").await);
    let roomy = lease(&test).await;
    for id in [&greedy, &modest, &roomy] {
        write(&test, id, "/file", 48).await;
    }
    assert_eq!(test.reap().await.due, 0);
    write(&test, &greedy, "/more", 24).await;
    write(&test, &roomy, "/more", 24).await;
    let report = test.reap().await;
    assert_eq!((report.due, report.evicted), (1, 1), "{report:?}");
    assert_evicted(&test, &greedy).await;
    for id in [&modest, &roomy] {
        assert_eq!(get(&test, id).await["state"], "running");
    }
    assert_eq!(test.reap().await.due, 0);
}

#[tokio::test]
async fn what_lies_in_a_volume_counts_too() {
    let test = TestApp::new().await;
    let id = small(&test, "redis").await;
    let mounts = inspect(&test, &id).await["Mounts"].clone();
    assert_eq!(mounts[0]["Destination"], "/data", "{mounts}");
    write(&test, &id, "/data/file", 48).await;
    assert_eq!(test.reap().await.due, 0);
    write(&test, &id, "/data/more", 24).await;
    assert_eq!(test.reap().await.evicted, 1);
    assert_evicted(&test, &id).await;
}

#[tokio::test]
async fn what_is_used_is_among_the_stats() {
    let test = TestApp::new().await;
    let id = small(&test, "redis").await;
    write(&test, &id, "/data/file", 3).await;
    let answer = containerlease_testkit::events::Event::about("stats", &id);
    let answer = answer.list(&test.app).await;
    let disk = &answer.body["disk"];
    let mebibytes = disk["usedBytes"].as_u64().unwrap() / (1024 * 1024);
    assert_eq!(
        (mebibytes, &disk["limitBytes"]),
        (3, &json!(64 * 1024 * 1024))
    );
}

#[tokio::test]
async fn an_owner_and_a_host_have_so_much_disk() {
    for (setting, problem) in [
        ("CONTAINERLEASE_OWNER_DISK_MB", "quota-reached"),
        ("CONTAINERLEASE_HOST_DISK_MB", "host-full"),
    ] {
        let test = TestAppOptions::default().with(setting, 1_080).build().await;
        small(&test, "alpine").await;
        // The image's default is 1,024.
        let answer = alpine_with(json!({})).provision(&test.app).await;
        assert_refused(&answer, problem);
        assert_eq!(answer.body["full"], json!(["diskMB"]), "{answer:?}");
        let answer = alpine_with(json!({"diskMB": 1_000}));
        assert_eq!(answer.provision(&test.app).await.status, 201);
    }
}

#[tokio::test]
async fn who_makes_files_that_cannot_be_counted_is_evicted_and_keeps_nobody_else() {
    let test = TestApp::new().await;
    let leases = join_all((0..4).map(|_| small(&test, "alpine"))).await;
    let [modest, greedy, uncounted @ ..] = &leases[..] else {
        panic!("there are four")
    };
    // The deepest path is longer than the kernel takes, so that the engine's walk through the
    // folders fails.
    let script = "name=$(printf '%0200d' 0); cd /; i=0; \
                  while [ $i -lt 25 ]; do mkdir $name && cd -P $name || exit 1; i=$((i + 1)); done; \
                  echo here > file";
    for id in uncounted {
        let answer = shell(&test, id, script, json!({})).await;
        assert_eq!(answer.body["exitCode"], 0, "{answer:?}");
    }
    write(&test, greedy, "/file", 48).await;
    write(&test, greedy, "/more", 24).await;
    assert_eq!(test.reap().await.evicted, 3);
    for id in uncounted.iter().chain([greedy]) {
        assert_evicted(&test, id).await;
    }
    assert_eq!(get(&test, modest).await["state"], "running");
}

#[tokio::test]
async fn no_file_is_larger_than_all_together_may_be_with_a_name_or_without() {
    let test = TestApp::new().await;
    let id = small(&test, "alpine").await;
    let script =
        "exec 3>/file; rm /file; dd if=/dev/zero bs=1M count=80 >&3; wc -c </proc/self/fd/3";
    let answer = shell(&test, &id, script, json!({})).await;
    let said = answer.body["stdout"].as_str().unwrap();
    assert_eq!(said.trim(), (64 * 1024 * 1024).to_string(), "{answer:?}");
}
