//! The messages and exit codes of calls that fail.

use crate::{
    harness::{Run, Server},
    peer::{Act, Peer},
    wire::Port,
};

const NOBODY: &str = "0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c";

#[tokio::test]
async fn a_call_that_cannot_be_right_is_refused_before_anything_is_asked() {
    let peer = Peer::playing(vec![]).await;
    for (call, said) in [
        (
            &["run", "redis", "--for", "29s"][..],
            "a lease lasts 30 seconds or longer",
        ),
        (
            &["run", "redis", "--for", "soon"],
            "a duration looks like 90s, 30m",
        ),
        (
            &["run", "redis", "--for", "1m", "--memory", "64"],
            "64m is mebibytes, 64g is gibibytes",
        ),
        (
            &["run", "redis", "--for", "1m", "--cpu", "500m"],
            "a number without a unit",
        ),
        (&["run", "redis"], "--for <DURATION>"),
        (
            &["run", "redis", "--for", "1m", "--size", "huge"],
            "small, medium, large",
        ),
        (
            &["run", "redis", "--for", "1m", "--env-file", "/no/such/file"],
            "/no/such/file cannot be read",
        ),
        (&["renew", "it", "+"], "a duration looks like 90s"),
        (&["rm"], "<LEASE>"),
        (&["fly"], "unrecognized subcommand"),
        (&[], "Usage: containerlease"),
    ] {
        let outcome = Run::start(&peer.url(), call).end().await;
        let code = if said.contains("cannot be read") {
            1
        } else {
            2
        };
        assert_eq!(outcome.code, Some(code), "{call:?}: {outcome:?}");
        assert!(outcome.stderr.contains(said), "{call:?}: {outcome:?}");
        assert_eq!(outcome.stdout, "");
    }
    assert_eq!(peer.asked(), [""; 0]);
}

#[tokio::test]
async fn a_lease_that_nobody_knows_has_an_exit_code_of_its_own() {
    let server = Server::anywhere().await;
    for lease in [NOBODY, "nobody", "0193b6e0"] {
        for call in [
            &["rm", lease][..],
            &["renew", lease, "5m"],
            &["inspect", lease],
            &["stats", lease],
            &["logs", lease],
            &["logs", "-f", lease],
        ] {
            let outcome = server.call(call).await;
            assert_eq!(outcome.code, Some(3), "{call:?}: {outcome:?}");
            assert_eq!(outcome.sentences().len(), 1, "{call:?}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn what_fits_more_than_one_lease_is_said_with_all_that_it_fits() {
    let server = Server::anywhere().await;
    let (one, two) = (
        server.lease("sleep 300").await,
        server.lease("sleep 300").await,
    );
    let outcome = server.call(&["rm", &one[..6]]).await;
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    let said = outcome.sentences()[0];
    assert!(said.contains("fits 2 leases"), "{said}");
    assert!(said.contains(&one) && said.contains(&two), "{said}");
    assert_eq!(server.leases().await.len(), 2, "neither was ended");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_by_every_command() {
    let port = Port::free().await.number();
    let url = format!("http://127.0.0.1:{port}");
    for (call, code) in [
        (&["run", "redis", "--for", "1m"][..], 1),
        (&["run", "redis", "--for", "1m", "--attach"], 125),
        (&["ls"], 1),
        (&["images"], 1),
        (&["rm", NOBODY], 1),
        (&["logs", NOBODY], 1),
        (&["exec", NOBODY, "true"], 125),
    ] {
        let outcome = Run::start(&url, call).end().await;
        assert_eq!(outcome.code, Some(code), "{call:?}: {outcome:?}");
        let said = outcome.sentences().last().copied().unwrap_or_default();
        assert!(
            said.starts_with(&format!("{url} cannot be reached (")),
            "{call:?}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn what_is_no_containerlease_server_is_said() {
    for (status, body) in [("200 OK", "<!doctype html>"), ("404 Not Found", "nothing")] {
        let answer = Act::Answer {
            status,
            body,
            apart: false,
        };
        let peer = Peer::playing(vec![vec![answer]]).await;
        let outcome = Run::start(&peer.url(), &["ls"]).end().await;
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        assert!(
            outcome.sentences()[0].contains("is not a ContainerLease server"),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn no_room_has_an_exit_code_of_its_own_and_says_when_there_will_be() {
    let port = Port::free().await.number();
    let server = Server::start_with(port, &[("CONTAINERLEASE_MAX_LEASES", "1")]).await;
    server.lease("sleep 300").await;
    let outcome = server.call(&["run", "alpine", "--for", "1m"]).await;
    assert_eq!(outcome.code, Some(4), "{outcome:?}");
    let said = outcome.sentences()[0];
    assert!(
        said.starts_with("your quota leaves no room for this lease. At most 1 lease at once"),
        "{said}"
    );
    assert!(said.contains(" Try again in "), "{said}");
}

#[tokio::test]
async fn what_needs_no_server_asks_none() {
    let nowhere = "not an address";
    let version = Run::start(nowhere, &["version"]).end().await;
    let flag = Run::start(nowhere, &["--version"]).end().await;
    assert_eq!(version.quiet_success(), flag.quiet_success());
    assert_eq!(
        version.stdout,
        concat!("containerlease ", env!("CARGO_PKG_VERSION"), "\n")
    );
    for (shell, said) in [
        ("bash", "complete -F _containerlease"),
        ("zsh", "#compdef containerlease"),
        ("fish", "complete -c containerlease"),
    ] {
        let script = Run::start(nowhere, &["completion", shell]).end().await;
        assert!(script.quiet_success().contains(said), "{script:?}");
    }
}
