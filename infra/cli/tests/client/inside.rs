//! `containerlease exec`: a command in a lease's container, as if it ran here.

use containerlease_testkit::{Fault, Proxy};

use crate::{
    harness::{Outcome, Run, Server},
    wire::Port,
};

async fn lease(server: &Server) -> String {
    server.lease("sleep 300").await
}

async fn sh(server: &Server, lease: &str, script: &str) -> Outcome {
    server.call(&["exec", lease, "sh", "-c", script]).await
}

#[tokio::test]
async fn a_commands_output_and_exit_code_are_its_own() {
    let server = Server::anywhere().await;
    let lease = lease(&server).await;
    let outcome = sh(&server, &lease, "echo out; echo err >&2; exit 7").await;
    assert_eq!(outcome.code, Some(7));
    assert_eq!((&*outcome.stdout, &*outcome.stderr), ("out\n", "err\n"));
    // Also if the command has options of its own.
    let listed = server
        .call(&["exec", &lease[..30], "--", "ls", "-d", "/"])
        .await;
    assert_eq!(listed.quiet_success(), "/\n");
}

#[tokio::test]
async fn a_command_reads_what_it_is_given() {
    let server = Server::anywhere().await;
    let lease = lease(&server).await;
    let url = server.url();
    let variables = [("CONTAINERLEASE_URL", url.as_str())];
    let fed = async |arguments: &[&str], stdin: &[u8]| {
        let arguments = [&["exec"], arguments].concat();
        Run::start_fed(&variables, &arguments, stdin).end().await
    };
    let read = fed(&["-i", &lease, "cat"], "größer\n".as_bytes()).await;
    assert_eq!(read.quiet_success(), "größer\n");
    let not_asked = fed(&[&lease, "cat"], b"secret").await;
    assert_eq!(not_asked.quiet_success(), "");
    for (stdin, said) in [
        (&*vec![b'x'; 32 * 1024 + 1], "holds more than 32 KiB"),
        (b"\xff", "is not UTF-8"),
    ] {
        let refused = fed(&["-i", &lease, "cat"], stdin).await;
        assert_eq!(refused.code, Some(125));
        assert!(refused.sentences()[0].contains(said), "{refused:?}");
    }
}

#[tokio::test]
async fn what_is_left_out_is_said() {
    let server = Server::anywhere().await;
    let lease = lease(&server).await;
    let outcome = sh(&server, &lease, "yes | head -c 100000; echo err >&2").await;
    assert_eq!(outcome.code, Some(0));
    assert_eq!(outcome.stdout.len(), 64 * 1024);
    let sentences = outcome.sentences();
    assert_eq!(sentences.len(), 1, "{sentences:?}");
    assert!(sentences[0].starts_with("the rest of standard output was left out"));
}

#[tokio::test]
async fn a_command_that_ends_otherwise_has_an_exit_code_that_says_how() {
    let server = Server::anywhere().await;
    let lease = lease(&server).await;
    let late = server
        .call(&["exec", "--timeout", "1s", &lease, "sleep", "60"])
        .await;
    assert_eq!(late.code, Some(124), "{late:?}");
    assert!(late.sentences()[0].starts_with("the command reached its time limit"));
    let missing = server.call(&["exec", &lease, "/no/such/program"]).await;
    assert_eq!(missing.code, Some(126), "{missing:?}");
    server.delete(&lease).await;
    let over = server.call(&["exec", &lease, "true"]).await;
    assert_eq!(over.code, Some(125), "{over:?}");
    assert!(over.sentences()[0].starts_with("the lease is over."));
    let nobody = server.call(&["exec", "nobody", "true"]).await;
    assert_eq!(nobody.code, Some(125), "{nobody:?}");
}

#[tokio::test]
async fn a_command_is_not_run_twice() {
    let port = Port::free().await;
    let server = Server::start(port.number()).await;
    let lease = lease(&server).await;
    let proxy = Proxy::on(port.0, server.address());
    proxy.on_each(|_| Fault::AnswerLost);
    let url = format!("http://{}", proxy.tcp());
    let count = ["exec", &lease, "sh", "-c", "echo once >> /tmp/count"];
    let lost = Run::start(&url, &count).end().await;
    assert_eq!(lost.code, Some(125), "{lost:?}");
    assert!(
        lost.sentences()[0].contains("was lost before it answered"),
        "{lost:?}"
    );
    let counted = sh(&server, &lease, "cat /tmp/count").await;
    assert_eq!(counted.quiet_success(), "once\n");
}
