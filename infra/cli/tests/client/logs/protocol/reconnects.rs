//! An interruption is told once, and the program goes on after the last line that it has shown.

use std::time::{Duration, Instant};

use super::{follow, path, say};
use crate::peer::{Act, Peer, ended, event, line};

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
