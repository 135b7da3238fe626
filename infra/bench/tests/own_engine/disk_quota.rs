//! If the engine's storage has quotas, a container cannot write more than its lease's limit, and
//! the lease goes on.

use containerlease_testkit::{Table, events::Event};
use serde_json::json;

use crate::daemon::{Daemon, with_image};

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_the_limit_can_be_written_where_the_storage_has_quotas() {
    let Some(daemon) = with_image(Daemon::start_on_btrfs()).await else {
        return;
    };
    let table = Table::in_memory().await;
    let app = daemon.app(&table);

    let body = json!({"imageType": "alpine", "durationMinutes": 5, "diskMB": 64});
    let answer = Event::saved("provision-ubuntu")
        .body(&body)
        .provision(&app)
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let id = answer.id();
    let write = async |mebibytes: u32| {
        let script = format!("dd if=/dev/zero of=/file{mebibytes} bs=1M count={mebibytes}; sync");
        let body = json!({"command": ["sh", "-c", script]});
        let answer = Event::about("exec", &id).body(&body).exec(&app).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["stderr"].to_string()
    };
    let said = write(48).await;
    assert!(said.contains("48+0 records out"), "{said}");
    let said = write(60).await;
    assert!(said.to_lowercase().contains("quota exceeded"), "{said}");
    let used = Event::about("stats", &id).list(&app).await.body["disk"].clone();
    // The image's size is a generous estimate.
    let limit = used["limitBytes"].as_u64().unwrap() + 20 * 1024 * 1024;
    assert!(used["usedBytes"].as_u64().unwrap() <= limit, "{used}");
    let lease = Event::about("get", &id).list(&app).await.body;
    assert_eq!(lease["state"], "running", "{lease}");
    let ended = Event::about("delete", &id).delete(&app).await;
    assert_eq!(ended.body["state"], "ended", "{ended:?}");
    let left = daemon.engine().containers().await;
    assert!(left.expect("the engine lists its containers").is_empty());
}
