//! `GET /api/containers/{id}/stats`: what a container uses, beside its limits.

use std::time::Duration;

use containerlease_testkit::{TestApp, events::Event};
use serde_json::{Value, json};

use crate::{alpine_with, millis};

#[tokio::test]
async fn stats_are_numbers_that_move() {
    let test = TestApp::new().await;
    let script = "while :; do echo x >/dev/udp/192.0.2.1/9; sleep 0.1; done & while :; do :; done";
    let asked = json!({
        "imageType": "ubuntu", "command": ["bash", "-c", script], "cpuMilli": 100, "memoryMB": 64,
    });
    let id = alpine_with(asked).provision(&test.app).await.id();
    let count = async || {
        let answer = Event::about("stats", &id).list(&test.app).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    };
    let first = count().await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let second = count().await;
    let number = |stats: &Value, group: &str, name: &str| {
        let number = stats[group][name].as_f64();
        number.unwrap_or_else(|| panic!("{group}.{name} is no number: {stats}"))
    };
    for (group, name) in [("cpu", "usedNanoseconds"), ("network", "sentBytes")] {
        let (before, after) = (number(&first, group, name), number(&second, group, name));
        assert!(
            before > 0.0 && after > before,
            "{group}.{name}: {before} {after}"
        );
    }
    assert!(number(&second, "network", "receivedBytes") >= 0.0);
    // The program uses all it gets, which is a tenth of a CPU.
    let percent = number(&second, "cpu", "percent");
    assert!((2.0..30.0).contains(&percent), "{second}");
    let of_limit = number(&second, "cpu", "percentOfLimit");
    assert!((of_limit - 10.0 * percent).abs() < 1.0, "{second}");
    assert_eq!(second["cpu"]["limitMilli"], 100);
    let measured = number(&second, "cpu", "measuredMilliseconds");
    assert!((400.0..5_000.0).contains(&measured), "{second}");
    let memory = number(&second, "memory", "usedBytes");
    assert_eq!(second["memory"]["limitBytes"], 64 * 1024 * 1024);
    assert!(
        (10_000.0..64.0 * 1024.0 * 1024.0).contains(&memory),
        "{second}"
    );
    assert!(number(&second, "processes", "count") >= 3.0, "{second}");
    let limit = test.app.catalogue.get("ubuntu").unwrap().processes;
    assert_eq!(second["processes"]["limit"], limit);
    assert!(millis(&second, "readAt") > millis(&first, "readAt"));
}
