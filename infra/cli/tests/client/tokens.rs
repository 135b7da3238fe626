//! `token` and `whoami`: a token is made, used by another program, and revoked.

use crate::harness::{Outcome, Run, Server};

async fn call_with(server: &Server, token: &str, arguments: &[&str]) -> Outcome {
    let url = server.url();
    let variables = [
        ("CONTAINERLEASE_URL", url.as_str()),
        ("CONTAINERLEASE_TOKEN", token),
    ];
    Run::start_with(&variables, arguments).end().await
}

#[tokio::test]
async fn a_token_lets_a_program_do_what_it_says_until_it_is_revoked() {
    let server = Server::anywhere().await;
    let whoami = server.call(&["whoami"]).await;
    let whoami = whoami.quiet_success();
    assert!(
        whoami.contains("owner    local\nrole     admin"),
        "{whoami}"
    );

    let create = ["token", "create", "nightly tests", "--owner", "search"];
    let narrowed = ["--scope", "read", "--scope", "lease", "--days", "30"];
    let made = server.call(&[&create[..], &narrowed].concat()).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    // A script reads nothing but the token.
    let secret = made.stdout.trim_end();
    assert!(secret.starts_with("cl_") && !secret.contains(char::is_whitespace));
    let [said] = made.sentences()[..] else {
        panic!("{made:?}")
    };
    let id = secret.split('_').nth(1).unwrap();
    assert_eq!(
        said,
        format!("nightly tests: token {id} of search, as user: read lease; nothing shows it again")
    );

    let whoami = call_with(&server, secret, &["whoami"]).await;
    let whoami = whoami.quiet_success();
    assert!(whoami.contains("scopes   read lease"), "{whoami}");
    assert!(whoami.contains("ends in  29d 23h"), "{whoami}");
    let leased = ["run", "alpine", "--for", "5m", "--name", "theirs"];
    let leased = call_with(&server, secret, &leased).await;
    let lease = leased.quiet_success().trim_end().to_owned();
    let refused = call_with(&server, secret, &["exec", "theirs", "true"]).await;
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert!(refused.stderr.contains("the scope exec"), "{refused:?}");
    let ours = server.call(&["ls"]).await;
    assert!(!ours.quiet_success().contains("theirs"), "{ours:?}");
    let unseen = server.call(&["inspect", &lease]).await;
    assert_eq!(unseen.code, Some(3), "{unseen:?}");
    let ended = call_with(&server, secret, &["rm", "theirs"]).await;
    assert_eq!(ended.quiet_success().trim_end(), lease);

    let listed = server.call(&["token", "ls"]).await;
    let listed = listed.quiet_success();
    assert!(listed.contains(id) && !listed.contains(secret), "{listed}");
    let revoked = server.call(&["token", "revoke", id]).await;
    assert_eq!(revoked.quiet_success().trim_end(), id);
    let refused = call_with(&server, secret, &["ls"]).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("token"), "{refused:?}");
    let listed = server.call(&["token", "ls"]).await;
    assert!(!listed.quiet_success().contains(id), "{listed:?}");
    let all = server.call(&["token", "ls", "--all"]).await;
    assert!(all.quiet_success().contains("revoked"), "{all:?}");
}

#[tokio::test]
async fn a_token_that_may_not_be_made_is_refused_with_the_reason() {
    let server = Server::anywhere().await;
    let wrong = [
        "token", "create", "x", "--role", "viewer", "--scope", "exec",
    ];
    let refused = server.call(&wrong).await;
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert_eq!(refused.stdout, "");
    assert!(
        refused.stderr.contains("can have these: read"),
        "{refused:?}"
    );
    let refused = server.call(&["token", "create", "x", "--days", "0"]).await;
    assert!(refused.stderr.contains("1..=366"), "{refused:?}");
    let made = server
        .call(&["token", "create", "x", "--json"])
        .await
        .json();
    let id = made["token"]["id"].as_str().unwrap();
    let both = ["token", "revoke", "5f0c2a9d41be", id];
    let refused = server.call(&both).await;
    assert_eq!(
        refused.stdout.trim_end(),
        id,
        "the other one is revoked: {refused:?}"
    );
    let refused = server.call(&["token", "revoke", "5f0c2a9d41be"]).await;
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert!(refused.stderr.contains("no such token"), "{refused:?}");
}
