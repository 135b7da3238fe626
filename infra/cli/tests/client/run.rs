//! `containerlease run`: exactly one lease, even if the answer is lost; none if interrupted.

use std::{process::Stdio, time::Duration};

use containerlease_testkit::{Fault, Proxy, Seen, wait::eventually};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::Command,
};

use crate::{
    harness::{Outcome, PATIENCE, PROGRAM, Run, Server},
    wire::Port,
};

/// A server behind a proxy.
async fn server_behind_a_proxy() -> (Server, Proxy, String) {
    let port = Port::free().await;
    let server = Server::start(port.number()).await;
    let proxy = Proxy::on(port.0, server.address());
    let url = format!("http://{}", proxy.tcp());
    (server, proxy, url)
}

fn is_provision(seen: &Seen) -> bool {
    seen.is("POST", "/api/provision")
}

fn provisions(proxy: &Proxy) -> usize {
    proxy
        .seen()
        .iter()
        .filter(|seen| is_provision(seen))
        .count()
}

const ALPINE: [&str; 4] = ["run", "alpine", "--for", "5m"];

fn alpine<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&ALPINE, more].concat()
}

#[tokio::test]
async fn a_lease_is_made_as_it_is_asked_for_and_its_id_is_all_that_is_shown() {
    let server = Server::anywhere().await;
    let made = server
        .call(&[
            "run",
            "redis",
            "--for",
            "5m",
            "--name",
            "cache",
            "-l",
            "team=search",
            "-p",
            "8080/http",
            "--size",
            "small",
            "--cpu",
            "0.3",
            "-e",
            "WORD=a b",
        ])
        .await;
    let id = made.quiet_success().strip_suffix('\n').unwrap();
    let leases = server.leases().await;
    assert_eq!(leases.len(), 1);
    let lease = &leases[0];
    assert_eq!(lease["id"], id);
    assert_eq!(lease["name"], "cache");
    assert_eq!(lease["labels"]["team"], "search");
    assert_eq!(
        (&lease["cpuMilli"], &lease["memoryMB"]),
        (&300.into(), &128.into())
    );
    assert_eq!(lease["ports"][1]["containerPort"], 8080);
    let print = ["exec", "cache", "sh", "-c", "echo \"$WORD\""];
    let env = server.call(&print).await;
    assert_eq!(env.quiet_success(), "a b\n");
}

#[tokio::test]
async fn who_waits_finds_the_ports_answering() {
    let server = Server::anywhere().await;
    let made = server
        .call(&["run", "redis", "--for", "5m", "--wait", "--json"])
        .await;
    let made = made.json();
    assert_eq!(made["state"], "running");
    let port = made["ports"][0]["hostPort"].as_u64().unwrap();
    let mut redis = TcpStream::connect(format!("127.0.0.1:{port}"))
        .await
        .unwrap();
    redis.write_all(b"PING\r\n").await.unwrap();
    let mut said = [0; 7];
    redis.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"-NOAUTH");
    let url = made["ports"][0]["url"].as_str().unwrap();
    assert!(url.starts_with("redis://default:"), "{url}");
    let open = ["run", "redis", "--for", "5m", "--no-password", "--json"];
    let open = server.call(&open).await.json();
    let url = open["ports"][0]["url"].as_str().unwrap();
    assert!(url.starts_with("redis://127.0.0.1:"), "{url}");
}

#[tokio::test]
async fn who_waits_for_a_program_that_has_ended_is_told_so() {
    let server = Server::anywhere().await;
    let made = server
        .call(&alpine(&["-p", "9", "--wait", "--", "sleep", "1"]))
        .await;
    assert_eq!(made.code, Some(1), "{made:?}");
    assert_eq!(
        made.stdout.lines().count(),
        1,
        "whoever asked for it has the id: {made:?}"
    );
    assert!(made.sentences()[0].starts_with("its program ended before port 9 answered"));
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_lease() {
    let (server, proxy, url) = server_behind_a_proxy().await;
    proxy.on_each(|seen| match seen.index {
        0 => Fault::AnswerLost,
        1 => Fault::Answered(http::StatusCode::BAD_GATEWAY, "<html>".to_owned()),
        _ => Fault::None,
    });
    let made = Run::start(&url, &ALPINE).end().await;
    let id = made.quiet_success().trim_end();
    assert_eq!(provisions(&proxy), 3);
    let leases = server.leases().await;
    assert_eq!((leases.len(), &leases[0]["id"]), (1, &id.into()));
}

#[tokio::test]
async fn a_refusal_is_not_asked_for_again() {
    let (_server, proxy, url) = server_behind_a_proxy().await;
    let refused = Run::start(&url, &["run", "windows", "--for", "5m"])
        .end()
        .await;
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused
            .stderr
            .contains("choose one of ubuntu, alpine, redis")
    );
    assert_eq!(provisions(&proxy), 1);
}

/// The first answer is lost, so the program knows of no lease when it is told to end, and the
/// second answer takes a while.
#[tokio::test]
async fn an_interrupted_provision_leaves_nothing() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let (server, proxy, url) = server_behind_a_proxy().await;
        proxy.on_each(|seen| match seen.index {
            0 => Fault::AnswerLost,
            _ if is_provision(seen) => {
                Fault::AnsweredAfter(Box::pin(tokio::time::sleep(Duration::from_secs(2))))
            }
            _ => Fault::None,
        });
        let mut run = Run::start(&url, &ALPINE);
        run.until("it is asked for again", |_| provisions(&proxy) == 2)
            .await;
        run.signal(signal);
        let outcome = run.end().await;
        assert_eq!(outcome.code, Some(code), "{outcome:?}");
        assert_eq!(outcome.stdout, "");
        assert!(
            outcome.sentences()[0].starts_with("interrupted: "),
            "{outcome:?}"
        );
        server.holds_nothing().await;
    }
}

#[tokio::test]
async fn who_does_not_want_to_wait_for_the_end_either_says_so_again() {
    let (_server, proxy, url) = server_behind_a_proxy().await;
    proxy.on_each(|_| Fault::NeverAnswered(Box::new(|| {})));
    let mut run = Run::start(&url, &ALPINE);
    run.until("it is asked for", |_| provisions(&proxy) == 1)
        .await;
    run.signal("INT");
    run.until("it says so", |run| !run.stderr().is_empty())
        .await;
    run.signal("INT");
    let ended = tokio::time::timeout(Duration::from_secs(5), run.end()).await;
    assert_eq!(ended.expect("it ends at once").code, Some(130));
}

#[tokio::test]
async fn an_interrupted_wait_leaves_nothing() {
    let server = Server::anywhere().await;
    // Nothing listens there.
    let run = Run::start(&server.url(), &alpine(&["-p", "9", "--wait"]));
    eventually("it runs", PATIENCE, async || {
        let leases = server.leases().await;
        let running = leases.iter().any(|it| it["state"] == "running");
        running.then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    run.signal("INT");
    let outcome = run.end().await;
    assert_eq!(outcome.code, Some(130), "{outcome:?}");
    assert_eq!(outcome.stdout, "");
    server.holds_nothing().await;
}

async fn attach(server: &Server, script: &str) -> Outcome {
    server
        .call(&alpine(&["--attach", "--", "sh", "-c", script]))
        .await
}

#[tokio::test]
async fn attached_it_shows_what_the_program_says_and_ends_as_it_does() {
    let server = Server::anywhere().await;
    let outcome = attach(&server, "echo out; echo err >&2; sleep 1; exit 3").await;
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    assert_eq!(outcome.stdout, "out\n");
    assert!(outcome.stderr.starts_with("err\n"), "{outcome:?}");
    server.holds_nothing().await;

    let missing = server
        .call(&alpine(&["--attach", "--", "/no/such/program"]))
        .await;
    assert_eq!(missing.code, Some(126), "{missing:?}");
    server.holds_nothing().await;
}

#[tokio::test]
async fn attached_it_ends_the_lease_when_it_is_told_to_end() {
    let server = Server::anywhere().await;
    let script = "trap 'echo bye; exit 9' TERM; echo up; while :; do sleep 0.1; done";
    for signal in ["INT", "TERM", "HUP"] {
        let call = alpine(&["--attach", "--", "sh", "-c", script]);
        let mut run = Run::start(&server.url(), &call);
        run.until("it runs", |run| run.stdout() == "up\n").await;
        run.signal(signal);
        let outcome = run.end().await;
        assert_eq!(outcome.code, Some(9), "the program's own: {outcome:?}");
        server.holds_nothing().await;
    }
}

#[tokio::test]
async fn attached_it_ends_the_lease_when_nobody_reads_it_any_more() {
    let server = Server::anywhere().await;
    let script = "\"$0\" run alpine --for 5m --attach -- sh -c 'while echo up; do sleep 0.1; done' \
                  | head -n 2; exit \"${PIPESTATUS[0]}\"";
    let run = Command::new("bash")
        .args(["-c", script, PROGRAM])
        .env("CONTAINERLEASE_URL", server.url())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, run).await;
    let output = output.expect("it ends").expect("there is a bash");
    assert_eq!(output.stdout, b"up\nup\n");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    server.holds_nothing().await;
}
