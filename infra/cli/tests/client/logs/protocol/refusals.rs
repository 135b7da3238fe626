//! A wrong call, a refusal, a lease that is gone and a server that is not there end the program at
//! once, each with its sentence and its exit code.

use super::{follow, say};
use crate::{
    harness::Run,
    logs::LEASE,
    peer::{Act, Peer, event, line},
    wire::Port,
};

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
