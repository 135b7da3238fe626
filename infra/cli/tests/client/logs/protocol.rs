//! How the program reacts to servers' messages.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::process::Command;

use crate::{
    harness::{Outcome, PROGRAM, Run, signal},
    peer::{Act, Peer, ended, event, line},
    wire::Port,
};

const LEASE: &str = "0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c";

async fn follow(peer: &Peer, more: &[&str]) -> Outcome {
    let arguments: Vec<_> = ["logs", "--follow", LEASE].iter().chain(more).collect();
    let arguments: Vec<&str> = arguments.into_iter().copied().collect();
    Run::start(&peer.url(), &arguments).end().await
}

fn say(lines: &[String]) -> Act {
    Act::Say(lines.to_vec())
}

fn path(query: &str) -> String {
    format!("/ws/logs/{LEASE}{query}")
}

#[tokio::test]
async fn the_end_of_a_lease_is_told_and_is_success() {
    let peer = Peer::playing(vec![vec![say(&[line(1)]), say(&[line(2), ended()])]]).await;
    let outcome = follow(&peer, &[]).await;
    assert_eq!(outcome.code, Some(0));
    assert_eq!(outcome.stdout, "line 1\nline 2\n");
    assert_eq!(
        outcome.stderr,
        "containerlease: the lease has ended: its time was over.\n"
    );
    assert_eq!(peer.asked(), [path("")]);
}

#[tokio::test]
async fn lines_that_come_twice_are_shown_once() {
    let peer = Peer::playing(vec![
        vec![
            say(&[line(1), line(2)]),
            say(&[line(2), line(3)]),
            say(&[event("closing", ",\"code\":1012")]),
        ],
        vec![
            say(&[line(2), line(3), line(4)]),
            say(&[line(4), line(5)]),
            say(&[ended()]),
        ],
    ])
    .await;
    let outcome = follow(&peer, &[]).await;
    let shown: Vec<_> = outcome.stdout.lines().collect();
    assert_eq!(shown, ["line 1", "line 2", "line 3", "line 4", "line 5"]);
    assert_eq!(peer.asked(), [path(""), path("?cursor=3.0_0")]);
}

#[tokio::test]
async fn json_is_what_the_server_has_sent_and_without_events() {
    let peer = Peer::playing(vec![vec![say(&[
        event("heartbeat", ",\"cursor\":\"0_0\""),
        line(1),
        event("behind", ",\"lines\":5"),
        line(2),
        ended(),
    ])]])
    .await;
    let outcome = follow(&peer, &["--json"]).await;
    assert_eq!(outcome.stdout, format!("{}\n{}\n", line(1), line(2)));
}

#[tokio::test]
async fn a_lease_that_is_gone_stops_it() {
    for close in [say(&[event("closing", ",\"code\":4404")]), Act::Close(4404)] {
        let peer = Peer::playing(vec![vec![say(&[line(1)]), close]]).await;
        let outcome = follow(&peer, &[]).await;
        assert_eq!(outcome.code, Some(3));
        assert_eq!(outcome.stdout, "line 1\n");
        assert!(outcome.sentences()[0].starts_with("there is no such lease any more"));
        assert_eq!(peer.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_close_without_a_word_is_an_interruption() {
    for close in [Act::Close(1000), Act::Close(1001), Act::Drop] {
        let peer = Peer::playing(vec![vec![say(&[line(1)]), close], vec![say(&[ended()])]]).await;
        let outcome = follow(&peer, &[]).await;
        assert_eq!(outcome.code, Some(0));
        let sentences = outcome.sentences();
        assert!(sentences[0].starts_with("connection lost, connecting again in 0."));
        assert_eq!(sentences[1], "connected again");
        assert_eq!(peer.asked(), [path(""), path("?cursor=1.0_0")]);
    }
}

#[tokio::test]
async fn what_has_lived_for_a_while_is_connected_to_at_once() {
    let good = vec![
        say(&[line(1)]),
        Act::Wait(Duration::from_millis(1_100)),
        Act::Drop,
    ];
    let peer = Peer::playing(vec![good, vec![say(&[ended()])]]).await;
    let outcome = follow(&peer, &[]).await;
    assert_eq!(outcome.sentences()[0], "connection lost, connecting again");
}

#[tokio::test]
async fn a_server_in_trouble_is_asked_more_and_more_slowly_and_it_is_told_once() {
    let trouble = || {
        vec![
            Act::Wait(Duration::from_millis(100)),
            say(&[event("closing", ",\"code\":4503")]),
        ]
    };
    let refusal = || {
        vec![Act::Answer {
            status: "503 Service Unavailable",
            body: "",
            apart: false,
        }]
    };
    let peer = Peer::playing(vec![
        trouble(),
        trouble(),
        refusal(),
        trouble(),
        vec![say(&[line(1), ended()])],
    ])
    .await;
    let begun = Instant::now();
    let outcome = follow(&peer, &[]).await;
    assert_eq!(outcome.code, Some(0));
    // At least half of 0.5, 1, 2 and 4 s.
    assert!(begun.elapsed() > Duration::from_millis(3_750));
    let sentences = outcome.sentences();
    assert_eq!(sentences.len(), 3, "{sentences:?}");
    assert!(sentences[0].starts_with("connection lost, connecting again in 0."));
    assert_eq!(sentences[1], "connected again");
}

/// The promise is 30 s, and the test takes that long.
#[tokio::test]
async fn silence_is_an_interruption() {
    let peer = Peer::playing(vec![vec![say(&[line(1)])], vec![say(&[ended()])]]).await;
    let begun = Instant::now();
    let outcome = follow(&peer, &[]).await;
    assert_eq!(outcome.code, Some(0));
    assert_eq!(peer.asked(), [path(""), path("?cursor=1.0_0")]);
    let took = begun.elapsed().as_secs();
    assert!((29..40).contains(&took), "{took} s");
}

#[tokio::test]
async fn what_is_not_known_is_passed_over_and_what_cannot_be_read_is_told_once() {
    let peer = Peer::playing(vec![vec![say(&[
        event("moved", ",\"to\":{\"a\":[1]}"),
        "nonsense".to_owned(),
        line(1),
        "{\"message\":".to_owned(),
        "[]".to_owned(),
        line(2),
        ended(),
    ])]])
    .await;
    let outcome = follow(&peer, &[]).await;
    assert_eq!(outcome.code, Some(0));
    assert_eq!(outcome.stdout, "line 1\nline 2\n");
    let sentences = outcome.sentences();
    assert_eq!(sentences.len(), 2, "{sentences:?}");
    assert!(sentences[0].contains("cannot read"));
}

#[tokio::test]
async fn a_frame_beyond_all_bounds_is_not_taken() {
    let huge = format!("{{\"event\":\"x\",\"a\":\"{}\"}}", "a".repeat(1024 * 1024));
    let peer = Peer::playing(vec![vec![say(&[huge])], vec![say(&[line(1), ended()])]]).await;
    let outcome = follow(&peer, &[]).await;
    assert_eq!(outcome.code, Some(0));
    assert_eq!(outcome.stdout, "line 1\n");
    assert_eq!(peer.asked().len(), 2);
}

#[tokio::test]
async fn a_view_that_has_shown_nothing_yet_loses_nothing_either() {
    let quiet = vec![
        say(&[event("heartbeat", ",\"cursor\":\"7.0_0\"")]),
        Act::Drop,
    ];
    let peer = Peer::playing(vec![quiet, vec![say(&[line(8), ended()])]]).await;
    let outcome = follow(&peer, &["--tail", "0"]).await;
    assert_eq!(outcome.stdout, "line 8\n");
    assert_eq!(peer.asked(), [path("?tail=0"), path("?cursor=7.0_0")]);
}

#[tokio::test]
async fn being_behind_is_told_to_whoever_follows() {
    let behind = || event("behind", ",\"lines\":1234");
    let peer = Peer::playing(vec![vec![say(&[behind(), line(1), behind(), ended()])]]).await;
    let outcome = follow(&peer, &[]).await;
    assert_eq!(outcome.sentences()[0], "1,234 lines behind");
    assert_eq!(outcome.sentences().len(), 2);
}

#[tokio::test]
async fn without_follow_all_pages_are_read_and_no_line_is_shown_twice() {
    let page = |lines: &[String], rest: &str| Act::Answer {
        status: "200 OK",
        body: format!(
            "{{\"entries\":[{}],\"state\":\"ended\",{rest}}}",
            lines.join(",")
        )
        .leak(),
        apart: false,
    };
    let peer = Peer::playing(vec![
        vec![page(
            &[line(1), line(2)],
            "\"cursor\":\"2.0_0\",\"more\":true,\"gap\":true",
        )],
        // The line that was already shown, and a cursor past filtered lines.
        vec![page(
            &[line(2)],
            "\"cursor\":\"7.0_0\",\"more\":true,\"gap\":false",
        )],
        vec![page(
            &[line(8)],
            "\"cursor\":\"8.0_0\",\"more\":false,\"gap\":false",
        )],
    ])
    .await;
    let outcome = Run::start(&peer.url(), &["logs", "--tail", "5", LEASE]).end();
    let outcome = outcome.await;
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(outcome.stdout, "line 1\nline 2\nline 8\n");
    assert_eq!(outcome.sentences(), ["earlier lines are not kept any more"]);
    let path = |query: &str| format!("/api/containers/{LEASE}/logs{query}&limit=1000");
    assert_eq!(
        peer.asked(),
        [
            path("?tail=5"),
            path("?cursor=2.0_0"),
            path("?cursor=7.0_0")
        ]
    );
}

#[tokio::test]
async fn a_page_that_is_lost_is_asked_for_again() {
    let peer = Peer::playing(vec![
        vec![Act::Answer {
            status: "502 Bad Gateway",
            body: "<html>",
            apart: false,
        }],
        vec![Act::Answer {
            status: "200 OK",
            body: r#"{"entries":[],"cursor":"0_0","more":false,"gap":false,"state":"running"}"#,
            apart: false,
        }],
    ])
    .await;
    let outcome = Run::start(&peer.url(), &["logs", LEASE]).end().await;
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(peer.asked().len(), 2);
}

#[tokio::test]
async fn a_refusal_is_told_in_the_servers_words_where_they_come() {
    const PROBLEM: &str =
        r#"{"type":"x","title":"The leases cannot be read just now","detail":"Try again soon."}"#;
    for (apart, told) in [
        (false, "the leases cannot be read just now. Try again soon."),
        (true, "has refused with 503 Service Unavailable"),
    ] {
        let peer = Peer::playing(vec![vec![Act::Answer {
            status: "503 Service Unavailable",
            body: PROBLEM,
            apart,
        }]])
        .await;
        let outcome = follow(&peer, &[]).await;
        assert_eq!(outcome.code, Some(1));
        assert!(outcome.sentences()[0].ends_with(told), "{outcome:?}");
        assert_eq!(
            peer.asked().len(),
            1,
            "only what was there once is waited for"
        );
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let port = Port::free().await.number();
    let server = format!("http://127.0.0.1:{port}");
    for run in [
        Run::start(&server, &["logs", "-f", LEASE]),
        Run::start("http://127.0.0.1:9", &["logs", "--server", &server, LEASE]),
    ] {
        let outcome = run.end().await;
        assert_eq!(outcome.code, Some(1));
        let said = &outcome.sentences()[0];
        assert!(said.starts_with(&format!("{server} cannot be reached (")));
        assert!(said.contains("containerlease serve") && said.contains("CONTAINERLEASE_URL"));
    }
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
    signal(&child, "INT").await;
    let ended = tokio::time::timeout(Duration::from_secs(5), child.wait()).await;
    let status = ended.expect("it ends at once").expect("it is our child");
    assert_eq!(status.code(), Some(130));
}

#[tokio::test]
async fn a_wrong_call_is_refused_before_anything_is_sent() {
    let peer = Peer::playing(vec![]).await;
    for (arguments, said) in [
        (&["logs"][..], "<LEASE>"),
        (&["logs", LEASE, "--tail", "ten"], "give tail as a number"),
        (&["logs", LEASE, "--since", "noon"], "give since as a time"),
        (&["logs", LEASE, "--cursor", "x"], "unchanged"),
        (
            &["logs", LEASE, "--cursor", "5.0_0", "--tail", "1"],
            "give either cursor, or tail and since",
        ),
        (&["logs", LEASE, "--server", "8080"], "http:// or https://"),
    ] {
        let outcome = Run::start(&peer.url(), arguments).end().await;
        assert_eq!(outcome.code, Some(2), "{arguments:?}: {outcome:?}");
        assert!(outcome.stderr.contains(said), "{outcome:?}");
    }
    let outcome = Run::start("localhost", &["logs", LEASE]).end().await;
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.sentences()[0].starts_with("CONTAINERLEASE_URL is \"localhost\": "));
    assert_eq!(peer.asked(), [""; 0]);
}

/// A lease whose log is silent now.
async fn silent() -> Peer {
    Peer::playing(vec![vec![say(&[line(1)])]]).await
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

#[tokio::test]
async fn lines_that_are_missing_are_told() {
    let peer = Peer::playing(vec![vec![say(&[
        line(1),
        event("skipped", ",\"lines\":7,\"cursor\":\"8.0_0\""),
        line(9),
        event("skipped", ",\"cursor\":\"9.0_0\""),
        ended(),
    ])]])
    .await;
    let outcome = follow(&peer, &[]).await;
    assert_eq!(outcome.stdout, "line 1\nline 9\n");
    assert_eq!(
        outcome.sentences()[..2],
        [
            "7 lines are missing here",
            "lines may be missing here: the log is not kept that far back"
        ]
    );
}
