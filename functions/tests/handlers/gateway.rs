//! Viewers' connections at API Gateway, as its management API answers them.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use aws_config::SdkConfig;
use containerlease_domain::logs::Start;
use containerlease_functions::websocket::gateway::Gateway;
use containerlease_service::log_relay::{self, Connections, PostError, ViewerControls};
use containerlease_testkit::{Fault, TestApp, proxy::Proxy, receiver::Receiver};
use http::StatusCode;
use serde_json::Value;
use tokio::sync::watch;

use crate::logs::{leased, task};

const LIMIT_EXCEEDED: &str = r#"{"__type": "LimitExceededException", "message": "slow down"}"#;

/// The posted frames, as the connection's lines.
fn lines(receiver: &Receiver) -> Vec<Value> {
    let frames = receiver.messages().into_iter();
    let lines = frames.flat_map(|frame| {
        let lines = frame.body.lines().map(serde_json::from_str);
        lines
            .collect::<Result<Vec<_>, _>>()
            .expect("lines are objects")
    });
    lines.collect()
}

fn numbers(receiver: &Receiver) -> Vec<u32> {
    let lines = lines(receiver).into_iter();
    lines
        .filter_map(|line| line["message"].as_str()?.parse().ok())
        .collect()
}

/// Settings with which the SDK really uses HTTP, as to a gateway. Calls to the table stay
/// inside this process.
async fn over_http(test: &TestApp) -> SdkConfig {
    let (address, key) = (test.table.address(), test.table.key());
    containerlease_testkit::table::aws_at(address, key).await
}

async fn in_front_of(receiver: &Receiver) -> Proxy {
    Proxy::before_tcp(([127, 0, 0, 1], receiver.port()).into()).await
}

#[tokio::test]
async fn a_gateway_that_wants_less_gets_the_same_frame_later_and_holds_up_nobody_else() {
    const REFUSED: usize = 7;
    let test = TestApp::new().await;
    let id = leased(&test, "seq 1 300; sleep 600").await;
    let (slow, quick) = (Receiver::start().await, Receiver::start().await);
    let (to_slow, to_quick) = (in_front_of(&slow).await, in_front_of(&quick).await);
    let refusals = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&refusals);
    let quick_was_done = Arc::new(AtomicUsize::new(usize::MAX));
    to_slow.on_each(move |_| {
        if counted.fetch_add(1, Ordering::SeqCst) >= REFUSED {
            return Fault::None;
        }
        Fault::Answered(StatusCode::TOO_MANY_REQUESTS, LIMIT_EXCEEDED.to_owned())
    });
    let whole = task(&id, Start::with_all());
    let relay_over = async |proxy: &Proxy| {
        let gateway = Gateway::new(&over_http(&test).await, &format!("http://{}", proxy.tcp()));
        let (_wishes, heard) = watch::channel(ViewerControls::default());
        log_relay::relay(&test.app.follows, &gateway, &whole, heard, None).await
    };
    let all = async {
        let done = Arc::clone(&quick_was_done);
        for _ in 0..600 {
            if numbers(&quick).len() == 300 {
                done.fetch_min(refusals.load(Ordering::SeqCst), Ordering::SeqCst);
            }
            if numbers(&slow).len() == 300 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("waited in vain for the viewer that was refused");
    };
    tokio::select! {
        ended = relay_over(&to_slow) => panic!("{ended:?}"),
        ended = relay_over(&to_quick) => panic!("{ended:?}"),
        () = all => {}
    }
    assert!(numbers(&slow).into_iter().eq(1..=300));
    assert!(numbers(&quick).into_iter().eq(1..=300));
    assert!(
        quick_was_done.load(Ordering::SeqCst) <= REFUSED,
        "the other viewer waited for this one"
    );
}

#[tokio::test]
async fn what_the_gateway_refuses_has_its_name() {
    let test = TestApp::new().await;
    let receiver = Receiver::start().await;
    let proxy = in_front_of(&receiver).await;
    let gateway = Gateway::new(&over_http(&test).await, &format!("http://{}", proxy.tcp()));
    for (status, body, refusal) in [
        (429, LIMIT_EXCEEDED, Some(PostError::Busy)),
        (429, "{}", Some(PostError::Busy)),
        (410, r#"{"__type": "GoneException"}"#, Some(PostError::Gone)),
        (403, r#"{"__type": "ForbiddenException"}"#, None),
    ] {
        proxy.on_each(move |_| {
            let status = StatusCode::from_u16(status).expect("it is a status");
            Fault::Answered(status, body.to_owned())
        });
        let posted = gateway.post("c", "{}".to_owned()).await;
        match refusal {
            Some(refusal) => assert_eq!(posted, Err(refusal)),
            None => assert!(matches!(posted, Err(PostError::Failed(_))), "{posted:?}"),
        }
    }
}

#[tokio::test]
async fn no_frame_is_longer_than_the_gateway_takes() {
    const LIMIT: usize = 32_000;
    let test = TestApp::new().await;
    // Progress bars of up to 40,000 escape sequences and bytes; their JSON is six times as long.
    let script = "for n in 10 100 500 1000 2000 4000 8000; do \
                  i=0; while [ $i -lt $n ]; do printf '\\033[32m#\\033[0m'; i=$((i+1)); done; echo; \
                  done; echo end; sleep 600";
    let id = leased(&test, script).await;
    let receiver = Receiver::start().await;
    let url = format!("http://127.0.0.1:{}", receiver.port());
    let gateway = Gateway::new(&over_http(&test).await, &url);
    let whole = task(&id, Start::with_all());
    let (_wishes, heard) = watch::channel(ViewerControls::default());
    let all = async {
        for _ in 0..600 {
            if lines(&receiver).iter().any(|line| line["message"] == "end") {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!(
            "waited in vain for the last line: {:?}",
            lines(&receiver).len()
        );
    };
    tokio::select! {
        ended = log_relay::relay(&test.app.follows, &gateway, &whole, heard, None) => panic!("{ended:?}"),
        () = all => {}
    }
    let longest = receiver
        .messages()
        .iter()
        .map(|frame| frame.body.len())
        .max();
    assert!(longest < Some(LIMIT), "{longest:?}");
    let lines = lines(&receiver);
    let cut: Vec<_> = lines.iter().map(|line| line["truncated"] == true).collect();
    assert_eq!(cut, [false, false, false, false, true, true, true, false]);
}
