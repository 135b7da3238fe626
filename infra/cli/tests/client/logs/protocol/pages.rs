//! Without `--follow` the log is read in pages.

use crate::{
    harness::Run,
    logs::LEASE,
    peer::{Act, Peer, line},
};

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
