//! The reader of the program's output: a pipe that is not read or closed, a file, a terminal.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::process::Command;

use super::say;
use crate::{
    harness::{PROGRAM, Run, signal},
    logs::LEASE,
    peer::{Peer, ended, line},
};

/// A lease whose log is silent now.
async fn silent() -> Peer {
    Peer::playing(vec![vec![say(&[line(1)])]]).await
}

/// As with `containerlease logs -f ID | less`, when the reader does not scroll.
#[tokio::test]
async fn an_interrupt_ends_it_even_while_its_output_is_not_read() {
    // Much more than a pipe holds.
    let lines: Vec<_> = (1..=5_000).map(line).collect();
    let peer = Peer::playing(vec![vec![say(&lines)]]).await;
    let child = Command::new(PROGRAM)
        .args(["logs", "-f", LEASE, "--json", "--server", &peer.url()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = child.expect("the program was built");
    tokio::time::sleep(Duration::from_secs(2)).await;
    signal(&child, "INT");
    let ended = tokio::time::timeout(Duration::from_secs(5), child.wait()).await;
    let status = ended.expect("it ends at once").expect("it is our child");
    assert_eq!(status.code(), Some(130));
}

#[tokio::test]
async fn a_reader_that_is_gone_ends_a_silent_log_at_once() {
    let peer = silent().await;
    for redirected in ["", " 2>&1"] {
        let piped = format!("{PROGRAM} logs -f {LEASE}{redirected} | head -1");
        let begun = Instant::now();
        let ended = Command::new("sh")
            .args(["-c", &piped])
            .env_clear()
            .env("CONTAINERLEASE_URL", peer.url())
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        // A silent connection is given up after 30 s.
        let ended = tokio::time::timeout(Duration::from_secs(15), ended).await;
        let ended = ended
            .expect("it ends with its reader")
            .expect("there is a shell");
        assert_eq!(ended.stdout, b"line 1\n", "{ended:?}");
        assert!(begun.elapsed() < Duration::from_secs(15));
    }
}

#[tokio::test]
async fn a_file_is_a_reader_that_stays() {
    let peer = silent().await;
    let mut run = Run::start(&peer.url(), &["logs", "-f", LEASE]);
    run.until("the line is there", |run| run.stdout() == "line 1\n")
        .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    run.until("it still runs", |_| true).await;
}

#[tokio::test]
async fn a_terminal_gets_colours_and_obeys_nothing_else() {
    let message = "\\u001b[31mred\\u001b[0m\\u001b]52;c;eA==\\u0007\\u001b[2J\\u009b3A end";
    let hostile = line(1).replace("line 1", message);
    for (command, shown) in [
        (
            format!("{PROGRAM} logs -f {LEASE}"),
            "\u{1b}[31mred\u{1b}[0m end",
        ),
        (
            format!("sh -c '{PROGRAM} logs -f {LEASE} | cat'"),
            "\u{1b}[31mred\u{1b}[0m\u{1b}]52;c;eA==\u{7}\u{1b}[2J\u{9b}3A end",
        ),
    ] {
        let peer = Peer::playing(vec![vec![say(&[hostile.clone(), ended()])]]).await;
        // `script` gives the command a terminal.
        let ended = Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .env_clear()
            .env("CONTAINERLEASE_URL", peer.url())
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let ended = tokio::time::timeout(Duration::from_secs(30), ended).await;
        let ended = ended.expect("it ends").expect("there is a script");
        let output = String::from_utf8_lossy(&ended.stdout);
        let has_line = output
            .lines()
            .any(|line| line.trim_end_matches('\r') == shown);
        assert!(has_line, "{output:?}");
    }
}
