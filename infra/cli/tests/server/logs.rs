//! Logs: nothing is lost and nothing comes twice, whatever happens to the connection.

use serde_json::{Value, json};

use crate::harness::{Frame, Place, Server, Viewer, str_of};

const LINES: u64 = 3_000;

/// Leases an alpine that counts on standard output, and in sevens on standard error; then it says
/// that it is done, and runs on for a while.
async fn lease_that_counts(server: &Server) -> String {
    let script = format!(
        "i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo line $i; \
         [ $((i%7)) = 0 ] && echo odd $i >&2; [ $((i%20)) = 0 ] && sleep 0.05; done; \
         echo done; sleep 120"
    );
    let lease = server
        .provision(&json!({
            "imageType": "alpine", "durationMinutes": 5, "cpuMilli": 1000,
            "command": ["sh", "-c", script],
        }))
        .await;
    str_of(&lease["id"]).to_owned()
}

/// The lines that a viewer has read.
#[derive(Default)]
struct Read {
    stdout: Vec<String>,
    stderr: Vec<String>,
    cursor: Option<String>,
}

impl Read {
    fn take(&mut self, line: &Value) {
        // A heartbeat is not a line of the container, and has no cursor.
        if line.get("event").is_some() {
            return;
        }
        let message = str_of(&line["message"]).to_owned();
        match str_of(&line["stream"]) {
            "stdout" => self.stdout.push(message),
            _ => self.stderr.push(message),
        }
        self.cursor = Some(str_of(&line["cursor"]).to_owned());
    }

    fn is_done(&self) -> bool {
        // The last line of standard error may come after the last of standard output.
        let all_errors = usize::try_from(LINES / 7).is_ok_and(|all| self.stderr.len() >= all);
        all_errors && self.stdout.last().is_some_and(|line| line == "done")
    }

    fn assert_all_once_in_order(&self) {
        let stdout: Vec<_> = (1..=LINES)
            .map(|number| format!("line {number}"))
            .chain(["done".to_owned()])
            .collect();
        let stderr: Vec<_> = (1..=LINES / 7)
            .map(|number| format!("odd {}", number * 7))
            .collect();
        assert_same(&self.stdout, &stdout);
        assert_same(&self.stderr, &stderr);
    }
}

/// Reports the first difference: thousands of lines in a message help nobody.
fn assert_same(read: &[String], written: &[String]) {
    let same = read.iter().zip(written).take_while(|(a, b)| a == b).count();
    assert_eq!(
        (read.get(same), read.len()),
        (written.get(same), written.len()),
        "the first {same} lines are the same"
    );
}

#[tokio::test]
async fn a_viewer_that_is_cut_off_resumes_after_its_cursor() {
    const CUTS: u64 = 10;
    let place = Place::new().await;
    let server = place.start().await;
    let lease = lease_that_counts(&server).await;

    let mut read = Read::default();
    for connection in 0..=CUTS {
        let mut viewer = Viewer::open(&server, &lease, read.cursor.as_deref()).await;
        let mut left = match connection {
            CUTS => u64::MAX,
            _ => fastrand::u64(1..2 * LINES / CUTS / 3),
        };
        // It is cut off anywhere, even in the middle of a frame: lines of the frame that were not
        // looked at count as not received.
        'connected: while left > 0 && !read.is_done() {
            let Frame::Lines(lines) = viewer.next().await else {
                panic!("the server has closed the connection")
            };
            for line in &lines {
                read.take(line);
                left -= 1;
                if left == 0 {
                    break 'connected;
                }
            }
        }
        // The connection is dropped without a close frame, as when a laptop is closed.
    }
    read.assert_all_once_in_order();
}

#[tokio::test]
async fn relays_follow_each_other_without_the_viewer_noticing() {
    // A relay hands over five seconds before its time is over: here, every second.
    let place = Place::new().await.with("CONTAINERLEASE_RELAY_SECONDS", "6");
    let server = place.start().await;
    let lease = lease_that_counts(&server).await;

    let mut viewer = Viewer::open(&server, &lease, None).await;
    let mut read = Read::default();
    while !read.is_done() {
        let Frame::Lines(lines) = viewer.next().await else {
            panic!("the server has closed the connection")
        };
        for line in &lines {
            read.take(line);
        }
    }
    read.assert_all_once_in_order();
}

/// A viewer's browser may be suspended. Its unread lines wait in the engine's log, and the other
/// viewers notice nothing.
#[tokio::test]
async fn a_viewer_who_does_not_read_holds_up_nobody_else() {
    let place = Place::new().await;
    let server = place.start().await;
    let script = "i=0; while [ $i -lt 40000 ]; do i=$((i+1)); \
                  echo line $i of a long log that fills every buffer on the way; done; \
                  echo done; sleep 120";
    let lease = server
        .provision(&json!({
            "imageType": "alpine", "durationMinutes": 5, "cpuMilli": 1000,
            "command": ["sh", "-c", script],
        }))
        .await;
    let id = str_of(&lease["id"]);
    let mut asleep = Viewer::open(&server, id, None).await;
    let mut awake = Viewer::open(&server, id, None).await;
    awake.line(|line| line["message"] == "done").await;

    let deleted = server.delete(&format!("/api/containers/{id}")).await;
    assert_eq!(deleted.json()["state"], "ended");
    awake.line(|line| line["event"] == "ended").await;
    // Lines sent before the container was removed are still there for the other viewer.
    let first = asleep.line(|_| true).await;
    assert!(str_of(&first["message"]).starts_with("line 1 "));
}

#[tokio::test]
async fn a_ping_gets_a_pong_and_anything_else_a_hint() {
    let place = Place::new().await;
    let server = place.start().await;
    let lease = server
        .provision(&json!({"imageType": "alpine", "durationMinutes": 1}))
        .await;
    let mut viewer = Viewer::open(&server, str_of(&lease["id"]), None).await;
    for ping in ["ping", "{\"action\": \"ping\"}"] {
        viewer.say(ping).await;
        let pong = viewer.line(|line| line["event"] == "pong").await;
        for field in ["timestamp", "level", "message"] {
            assert!(pong[field].is_string(), "{pong}");
        }
    }
    viewer.say("rm -rf /").await;
    let hint = viewer.line(|line| line["event"] == "error").await;
    assert!(str_of(&hint["message"]).contains("ping"));
    // The connection lives on.
    viewer.say("ping").await;
    viewer.line(|line| line["event"] == "pong").await;
}
