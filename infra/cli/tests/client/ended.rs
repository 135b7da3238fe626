//! When leases end: `renew` and `rm`.

use crate::harness::Server;

async fn named(server: &Server, name: &str) -> String {
    let call = ["run", "alpine", "--for", "5m", "--name", name];
    let made = server.call(&call).await;
    made.quiet_success().trim_end().to_owned()
}

#[tokio::test]
async fn a_renewal_says_what_was_granted() {
    let server = Server::anywhere().await;
    let id = named(&server, "it").await;

    let longer = server.call(&["renew", "it", "+15m"]).await;
    let said = longer.quiet_success();
    // The rest of the first five minutes, in seconds, and 15 minutes.
    let lasts = said.starts_with("ends in 20m, at ") || said.starts_with("ends in 19m 5");
    assert!(lasts, "{said}");
    let added = said.contains(" 15m later than before") || said.contains(" 15m ");
    assert!(added, "{said}");

    let shorter = server.call(&["renew", &id, "5m"]).await;
    let said = shorter.quiet_success();
    assert!(
        said.contains("no later than before"),
        "a lease never ends sooner: {said}"
    );

    let capped = server.call(&["renew", "it", "24h"]).await;
    let said = capped.quiet_success();
    assert!(said.contains("; more is not allowed"), "{said}");

    let json = server.call(&["renew", "it", "24h", "--json"]).await.json();
    assert_eq!(json["granted"]["capped"], true);
    assert_eq!(json["id"], id.as_str());
}

#[tokio::test]
async fn what_has_ended_cannot_be_renewed() {
    let server = Server::anywhere().await;
    let id = named(&server, "it").await;
    server.delete(&id).await;
    let refused = server.call(&["renew", "it", "+15m"]).await;
    assert_eq!(refused.code, Some(1));
    assert_eq!(
        refused.sentences(),
        ["the lease is over. It cannot be renewed any more; lease again."]
    );
}

#[tokio::test]
async fn several_are_ended_and_one_that_is_wrong_does_not_stop_the_others() {
    let server = Server::anywhere().await;
    let (one, two) = (named(&server, "one").await, named(&server, "two").await);
    let three = named(&server, "three").await;
    let outcome = server.call(&["rm", "one", "nobody", &two]).await;
    assert_eq!(outcome.stdout, format!("{one}\n{two}\n"));
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    let sentences = outcome.sentences();
    assert!(sentences[0].contains("\"nobody\""), "{sentences:?}");
    assert_eq!(sentences[1], "1 of 3 failed");

    // The shortest beginning that distinguishes it from the others.
    let prefix = (14..36).map(|length| &three[..length]);
    let mut prefix = prefix.skip_while(|it| one.starts_with(it) || two.starts_with(it));
    let ended = server.call(&["rm", prefix.next().unwrap()]).await;
    assert_eq!(ended.quiet_success(), format!("{three}\n"));
    server.holds_nothing().await;

    let again = server.call(&["rm", &three]).await;
    assert_eq!(
        again.quiet_success(),
        format!("{three}\n"),
        "what is gone is gone"
    );
}

#[tokio::test]
async fn a_name_may_be_used_again_and_means_the_lease_that_lives() {
    let server = Server::anywhere().await;
    let old = named(&server, "it").await;
    server.delete(&old).await;
    let new = named(&server, "it").await;
    let ended = server.call(&["rm", "it"]).await;
    assert_eq!(ended.quiet_success(), format!("{new}\n"));
    let last = server.call(&["inspect", "it"]).await.json();
    assert_eq!(
        last[0]["id"],
        new.as_str(),
        "of those that have ended the last"
    );

    let (one, two) = (named(&server, "it").await, named(&server, "it").await);
    let both = server.call(&["rm", "it"]).await;
    assert_eq!(both.code, Some(2), "{both:?}");
    let said = both.sentences()[0];
    assert!(said.contains(&one) && said.contains(&two), "{said}");
}
