//! `ls`, `images`, `inspect` and `stats`, for people and for programs.

use serde_json::{Value, json};

use crate::{
    harness::{Run, Server},
    peer::{Act, Peer},
};

async fn named(server: &Server, name: &str, more: &[&str]) -> String {
    let call = ["run", "alpine", "--for", "5m", "--name", name];
    let made = server.call(&[&call, more].concat()).await;
    made.quiet_success().trim_end().to_owned()
}

/// The words of each line. No name here has a space, and the stand-in's mark counts as a word only
/// if it is there.
fn words(table: &str) -> Vec<Vec<&str>> {
    let lines = table.lines();
    lines
        .map(|line| {
            line.split("   ")
                .map(str::trim)
                .filter(|it| !it.is_empty())
                .collect()
        })
        .collect()
}

#[tokio::test]
async fn leases_are_listed_for_people_and_for_programs() {
    let server = Server::anywhere().await;
    let empty = server.call(&["ls"]).await;
    let head = ["ID", "NAME", "IMAGE", "STATE", "ENDS IN", "PORTS"];
    assert_eq!(words(empty.quiet_success()), [head]);

    let web = named(&server, "web", &["-l", "team=search", "-p", "8080/http"]).await;
    let gone = named(&server, "gone", &["-l", "team=ads"]).await;
    server.delete(&gone).await;

    let listed = server.call(&["ls"]).await;
    let listed = listed.quiet_success();
    assert!(
        !listed.contains('\x1b'),
        "no colours where nobody watches: {listed:?}"
    );
    let rows = words(listed);
    assert_eq!(rows.len(), 2, "{listed}");
    assert!(
        web.starts_with(rows[1][0]) && rows[1][0].len() >= 13,
        "{listed}"
    );
    assert_eq!(rows[1][1], "web");
    assert!(rows[1][2].starts_with("alpine"));
    assert_eq!(rows[1][3], "running");
    assert!(rows[1][4].starts_with("4m "), "{listed}");
    assert!(rows[1][5].starts_with("http://127.0.0.1:"), "{listed}");

    let all = server.call(&["ls", "--all"]).await;
    let all = words(all.quiet_success());
    assert_eq!(all.len(), 3);
    assert_eq!(all[1][3], "ended (deleted)", "the newest comes first");
    assert!(all[1][4].ends_with(" ago"));

    for (call, ids) in [
        (&["ls", "-q"][..], &[&web][..]),
        (&["ps", "-aq"], &[&gone, &web]),
        (&["ls", "-q", "-a", "--label", "team=ads"], &[&gone]),
        (&["ls", "-q", "-l", "team"], &[&web]),
        (&["ls", "-q", "--state", "ended"], &[&gone]),
        (&["ls", "-q", "--image", "redis"], &[]),
    ] {
        let listed = server.call(call).await;
        let listed: Vec<_> = listed.quiet_success().lines().collect();
        assert_eq!(listed, ids, "{call:?}");
    }

    let json = server.call(&["ls", "-a", "--json"]).await.json();
    let names: Vec<_> = json
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(names, ["gone", "web"]);
    assert_eq!(
        json[0]["receipt"]["reason"], "deleted",
        "with all that is known"
    );
}

#[tokio::test]
async fn the_history_is_read_to_its_last_page() {
    let lease = |id: &str| {
        json!({
            "id": id, "imageType": "redis", "name": null, "state": "ended",
            "expiryTime": "2026-11-24T09:30:00.000Z", "laterField": 7,
        })
    };
    let page = |leases: &[Value], cursor: Value| Act::Answer {
        status: "200 OK",
        body: json!({
            "containers": leases, "cursor": cursor, "serverTime": "2026-11-24T09:30:00.000Z",
        })
        .to_string()
        .leak(),
        apart: false,
    };
    let first = "0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c";
    let second = "0193b6e0-8d5b-7cc3-9b1e-3f6f3d2a4b5c";
    let peer = Peer::playing(vec![
        vec![page(&[lease(first)], json!("a/b"))],
        // A page may be empty although it has a cursor.
        vec![page(&[], json!("c"))],
        vec![page(&[lease(second)], Value::Null)],
    ])
    .await;
    let listed = Run::start(&peer.url(), &["ls", "-a", "--json"]).end().await;
    assert_eq!(listed.json(), json!([lease(first), lease(second)]));
    let path = |cursor: &str| format!("/api/containers?state=all&limit=100{cursor}");
    assert_eq!(
        peer.asked(),
        [path(""), path("&cursor=a%2Fb"), path("&cursor=c")]
    );
}

#[tokio::test]
async fn images_are_listed_for_people_and_for_programs() {
    let server = Server::anywhere().await;
    let images = server.call(&["images"]).await;
    let rows = words(images.quiet_success());
    let redis = rows
        .iter()
        .find(|row| row[0] == "redis")
        .expect("there is a redis");
    assert_eq!(redis[1..4], ["6379/redis", "0.5 of 2", "256 of 2048 MiB"]);
    let json = server.call(&["images", "--json"]).await.json();
    assert_eq!(json["durationMinutes"]["minimum"], 1);
}

#[tokio::test]
async fn all_that_is_known_of_leases_is_json() {
    let server = Server::anywhere().await;
    let (one, two) = (
        named(&server, "one", &[]).await,
        named(&server, "two", &[]).await,
    );
    server.delete(&two).await;
    let known = server.call(&["inspect", "one", &two]).await;
    let text = known.quiet_success();
    assert!(
        text.starts_with("[\n  {\n    \"id\": "),
        "in its order: {text}"
    );
    let known = known.json();
    assert_eq!(
        (&known[0]["id"], &known[1]["id"]),
        (&one.into(), &two.into())
    );
    assert_eq!(known[1]["receipt"]["reason"], "deleted");

    let some = server.call(&["inspect", "one", "three"]).await;
    assert_eq!(some.code, Some(3), "{some:?}");
    let shown: Value = serde_json::from_str(&some.stdout).unwrap();
    assert_eq!(shown[0]["name"], "one");
    assert!(some.sentences()[0].contains("\"three\""), "{some:?}");
}

#[tokio::test]
async fn what_a_lease_uses_is_shown_for_people_and_for_programs() {
    let server = Server::anywhere().await;
    named(&server, "busy", &["--cpu", "0.25", "--memory", "64m"]).await;
    let stats = server.call(&["stats", "busy"]).await;
    let rows = words(stats.quiet_success());
    assert_eq!(rows[0], ["CPU", "MEMORY", "DISK", "NETWORK", "PROCESSES"]);
    assert!(rows[1][0].ends_with(" of 25 %"), "{rows:?}");
    assert!(rows[1][1].ends_with(" of 64.0 MiB"), "{rows:?}");
    assert!(rows[1][2].ends_with(" of 1.0 GiB"), "{rows:?}");
    let json = server.call(&["stats", "busy", "--json"]).await.json();
    assert_eq!(json["memory"]["limitBytes"], 64 * 1024 * 1024);
}
