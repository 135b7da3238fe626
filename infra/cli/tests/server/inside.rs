//! Work inside a lease's container, over the wire: commands, resource use, its log.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Place, answer, eventually, str_of};

#[tokio::test]
async fn a_lease_is_looked_into_and_worked_in() {
    let place = Place::new().await;
    let server = place.start().await;
    let lease = server
        .provision(&json!({"imageType": "alpine", "durationMinutes": 1}))
        .await;
    let path = format!("/api/containers/{}", str_of(&lease["id"]));
    let exec = |body: &Value| {
        let request = server.request(Method::POST, &format!("{path}/exec"));
        request.json(body)
    };

    let body = json!({"command": ["sh", "-c", "cat; echo to the log >/proc/1/fd/1"], "stdin": "ä"});
    let executed = answer(exec(&body)).await;
    assert_eq!(executed.status, StatusCode::OK, "{}", executed.text);
    let executed = executed.json();
    assert_eq!(
        (&executed["exitCode"], &executed["stdout"]),
        (&json!(0), &json!("ä"))
    );

    let stats = server.get(&format!("{path}/stats")).await;
    assert_eq!(stats.status, StatusCode::OK, "{}", stats.text);
    assert!(stats.json()["memory"]["usedBytes"].as_u64() > Some(0));

    let search = format!("{path}/logs?search=TO+the%20log&limit=5");
    let found = eventually("the line", Duration::from_secs(10), async || {
        let page = server.get(&search).await.json();
        (page["entries"].as_array().map(Vec::len) == Some(1)).then_some(page)
    })
    .await;
    assert_eq!(found["entries"][0]["message"], "to the log");
    server.delete(&path).await;
    let after = server.get(&search).await.json();
    assert_eq!(after["entries"], found["entries"]);
    assert_eq!(
        (&after["state"], &after["gap"]),
        (&json!("ended"), &json!(false))
    );
    assert_eq!(answer(exec(&body)).await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_command_whose_caller_has_hung_up_is_ended_all_the_same() {
    let place = Place::new().await;
    let server = place.start().await;
    let lease = server
        .provision(&json!({"imageType": "alpine", "durationMinutes": 1}))
        .await;
    let id = str_of(&lease["id"]);
    let executed = |body: &Value| {
        let request = server.request(Method::POST, &format!("/api/containers/{id}/exec"));
        request.json(body)
    };
    let long = json!({"command": ["sleep", "1001"], "timeoutSeconds": 2});
    let hung_up = executed(&long).timeout(Duration::from_secs(1)).send().await;
    assert!(hung_up.is_err());
    let script = "for process in /proc/[0-9]*; do \
                  case $(tr '\\0' ' ' <$process/cmdline) in 'sleep 1001 ') echo $process ;; esac; done";
    let look = json!({"command": ["sh", "-c", script]});
    let runs = async || {
        let seen = answer(executed(&look)).await.json();
        !str_of(&seen["stdout"]).is_empty()
    };
    assert!(runs().await, "it was cut off with its caller");
    eventually("its end", Duration::from_secs(15), async || {
        (!runs().await).then_some(())
    })
    .await;
}
