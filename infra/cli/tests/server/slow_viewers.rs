//! Many viewers that read nothing and send much delay only themselves, and leave nothing behind.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use futures_util::{SinkExt as _, StreamExt as _, future::join_all};
use serde_json::json;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

use crate::harness::{PATIENCE, Place, Server, Viewer, eventually, run_inside, str_of};

const VIEWERS: usize = 200;

/// What each of them sends, again and again.
const SAID: [&str; 4] = ["ping", "pause", "resume", "ping"];

/// How often some of them send it: more than the frames that may be queued for a viewer. Each word
/// costs a read of all viewers from the table, so the others send nothing.
const TIMES: usize = 6;
const TALKATIVE: usize = 10;

/// A viewer with a small receive buffer.
async fn slow_viewer(server: &Server, lease: &str) -> WebSocketStream<TcpStream> {
    let socket = TcpSocket::new_v4().expect("there are sockets");
    socket.set_recv_buffer_size(4096).expect("it takes that");
    let stream = socket.connect(server.address).await;
    let stream = stream.expect("the server listens");
    let url = format!("ws://{}/ws/logs/{lease}", server.address);
    let opened = tokio_tungstenite::client_async(url, stream).await;
    opened.expect("the viewer is let in").0
}

/// All of them, a few opening at once: a table on a busy machine may refuse more.
async fn slow_viewers(server: &Server, lease: &str) -> Vec<WebSocketStream<TcpStream>> {
    let opening = (0..VIEWERS).map(|_| slow_viewer(server, lease));
    let opening = futures_util::stream::iter(opening).buffered(8);
    opening.collect().await
}

/// Reads until a viewer's last word was answered; returns the number of answers.
async fn answers(viewer: &mut WebSocketStream<TcpStream>) -> usize {
    let mut pongs = 0;
    let wanted = TIMES * SAID.iter().filter(|said| **said == "ping").count();
    let reading = async {
        while pongs < wanted {
            match viewer.next().await {
                Some(Ok(Message::Text(text))) => {
                    pongs += text.matches("\"event\":\"pong\"").count();
                }
                Some(Ok(_)) => {}
                ended => panic!("{ended:?} after {pongs} answers"),
            }
        }
    };
    let read = tokio::time::timeout(3 * PATIENCE, reading).await;
    read.unwrap_or_else(|_| panic!("it stalls after {pongs} of {wanted} answers"));
    pongs
}

/// The connections to the server, in any state, from the server's side.
fn connections(server: &Server) -> usize {
    let port = format!(":{:04X}", server.address.port());
    let table = fs::read_to_string("/proc/net/tcp").expect("Linux has it");
    let states = table.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_whitespace();
        let (local, state) = (fields.nth(1)?, fields.nth(1)?);
        local.ends_with(&port).then(|| state.to_owned())
    });
    // 01 is established, 08 is closed by the other side only.
    let open = BTreeSet::from(["01", "08"]);
    states.filter(|state| open.contains(state.as_str())).count()
}

/// How many descriptors the server has open.
fn descriptors(server: &Server) -> usize {
    let open = fs::read_dir(format!("/proc/{}/fd", server.process.pid()));
    open.expect("Linux has it").count()
}

async fn metric(server: &Server, name: &str) -> u64 {
    let metrics = server.get("/metrics").await.text;
    let line = metrics.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_whitespace().last()?.parse().ok());
    value.unwrap_or_else(|| panic!("no {name} in {metrics}"))
}

#[tokio::test]
async fn slow_viewers_that_say_much_stall_nothing_and_leave_nothing() {
    let place = Place::new().await;
    let server = place.start().await;
    let pad = "x".repeat(200);
    // It is silent until all are connected, so that none of them reads a log of its own.
    let script = format!(
        "while [ ! -e /tmp/go ]; do sleep 0.1; done; \
         i=0; while :; do i=$((i+1)); echo line $i {pad}; [ $((i%10)) = 0 ] && sleep 0.1; done"
    );
    let lease = server
        .provision(&json!({
            "imageType": "alpine", "durationMinutes": 10, "command": ["sh", "-c", script],
        }))
        .await;
    let lease = str_of(&lease["id"]).to_owned();
    drop(Viewer::open(&server, &lease, None).await);
    assert_eq!(metric(&server, "containerlease_panics_total").await, 0);
    let descriptors_before = descriptors(&server);

    let mut quick = Viewer::open(&server, &lease, None).await;
    let mut slow = slow_viewers(&server, &lease).await;
    run_inside(place.engine.docker(), &lease, "touch /tmp/go").await;
    // Without a reader for some time, so that each queue fills up.
    let saying = slow.iter_mut().take(TALKATIVE).map(async |viewer| {
        for _ in 0..TIMES {
            for said in SAID {
                let message = Message::Text(said.into());
                let sent = tokio::time::timeout(PATIENCE, viewer.send(message)).await;
                sent.expect("it is taken").expect("it is open");
            }
        }
    });
    let watching = async {
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            quick.line(|line| line["stream"] == "stdout").await;
        }
    };
    // A few at once: this does not test the table of a busy machine.
    let saying = futures_util::stream::iter(saying).buffer_unordered(4);
    tokio::join!(saying.count(), watching);
    // Nobody else is delayed.
    assert_eq!(server.get("/healthz").await.status, 200);

    let answered = join_all(slow.iter_mut().take(TALKATIVE).map(answers)).await;
    assert_eq!(answered.len(), TALKATIVE);

    drop((slow, quick));
    eventually("all connections are gone", 2 * PATIENCE, async || {
        // One belongs to the test's own client.
        (connections(&server) <= 1).then_some(())
    })
    .await;
    eventually("no viewer is served", 2 * PATIENCE, async || {
        let viewers = metric(&server, "containerlease_log_viewers").await;
        let follows = metric(&server, "containerlease_log_follows").await;
        ((viewers, follows) == (0, 0)).then_some(())
    })
    .await;
    eventually("no descriptor is left", 2 * PATIENCE, async || {
        // Connections to the engine are kept for reuse for a while.
        (descriptors(&server) <= descriptors_before + 4).then_some(())
    })
    .await;
    assert_eq!(metric(&server, "containerlease_panics_total").await, 0);
}
