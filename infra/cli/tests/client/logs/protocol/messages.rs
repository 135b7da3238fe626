//! What the program shows of a server's messages: each line once, and our own events as sentences.

use super::{follow, path, say};
use crate::peer::{Peer, ended, event, line};

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
async fn being_behind_is_told_to_whoever_follows() {
    let behind = || event("behind", ",\"lines\":1234");
    let peer = Peer::playing(vec![vec![say(&[behind(), line(1), behind(), ended()])]]).await;
    let outcome = follow(&peer, &[]).await;
    assert_eq!(outcome.sentences()[0], "1,234 lines behind");
    assert_eq!(outcome.sentences().len(), 2);
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
