//! `GET /api/containers` with a query: filters, and the pages of the history.

use std::collections::BTreeMap;

use containerlease_domain::{
    capacity::Limits,
    lease::{Gone, Lease, Reason},
    time::Time,
};
use containerlease_service::store::Store;
use containerlease_testkit::{
    TestApp, TestAppOptions,
    events::{Answer, Event},
};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use crate::{MINUTE, alpine_with, assert_refused};

async fn list(test: &TestApp, query: &str) -> Answer {
    let answer = Event::saved("list").query(query).list(&test.app).await;
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    answer
}

fn ids(answer: &Answer) -> Vec<String> {
    let containers = answer.body["containers"].as_array();
    let containers = containers.expect("it is a list").iter();
    let ids = containers.map(|container| container["id"].as_str().expect("it has an id"));
    ids.map(str::to_owned).collect()
}

/// The ids from all pages of a query, in order, and the number of pages.
async fn all_pages(test: &TestApp, query: &str) -> (Vec<String>, usize) {
    let (mut all, mut pages) = (Vec::new(), 0);
    let mut cursor = String::new();
    loop {
        let page = list(test, &format!("{query}{cursor}")).await;
        all.extend(ids(&page));
        pages += 1;
        match &page.body["cursor"] {
            Value::Null => return (all, pages),
            next => cursor = format!("&cursor={}", next.as_str().expect("it is text")),
        }
        assert!(pages < 100, "{query} has no end");
    }
}

/// Writes a lease without a container, ended or not.
async fn write(store: &Store, image_type: &str, label: Option<&str>, ended: bool) -> String {
    let now = Time::now();
    let labels = label.map(|value| ("team".to_owned(), value.to_owned()));
    let lease = Lease {
        labels: labels.into_iter().collect::<BTreeMap<_, _>>(),
        expires_at: now.plus(MINUTE),
        hard_deadline: now.plus(MINUTE),
        cpu_milli: 10,
        memory_mb: 16,
        ..Lease::sample(image_type, now)
    };
    let created = store.create(&lease, &Limits::default(), None).await;
    created.expect("it can be written");
    if ended {
        let claimed = store.claim(&lease, Reason::Deleted, now).await;
        let claimed = claimed.expect("it can be claimed");
        let gone = Gone::at(now);
        let ended = store.end(&claimed, &gone, MINUTE).await;
        ended.expect("it can be ended");
    }
    lease.id.to_string()
}

#[tokio::test]
async fn the_history_comes_newest_first_and_page_by_page() {
    let test = TestAppOptions::default().without_engine().build().await;
    let store = test.table.store();
    let mut ended = Vec::new();
    let mut all = Vec::new();
    for index in 0..10 {
        let id = write(&store, "alpine", None, index % 2 == 0).await;
        if index % 2 == 0 {
            ended.push(id.clone());
        }
        all.push(id);
    }
    ended.reverse();
    all.reverse();
    assert_eq!(all_pages(&test, "state=ended").await, (ended.clone(), 1));
    for (limit, pages) in [(1, 5), (2, 3), (4, 2), (5, 1), (100, 1)] {
        let query = format!("state=ended&limit={limit}");
        let (found, took) = all_pages(&test, &query).await;
        assert_eq!(found, ended, "{query}");
        // The last page may be empty, since a page does not know whether more leases follow.
        assert!((pages..=pages + 1).contains(&took), "{query}: {took}");
    }
    let (found, _) = all_pages(&test, "state=all&limit=3").await;
    assert_eq!(found, all);
    let receipt = &list(&test, "state=ended&limit=1").await.body["containers"][0]["receipt"];
    assert_eq!(receipt["reason"], "deleted");

    // A lease made between two pages is not on the second one, and no lease comes twice.
    let first = list(&test, "state=all&limit=4").await;
    write(&store, "alpine", None, true).await;
    let cursor = first.body["cursor"].as_str().unwrap();
    let second = list(&test, &format!("state=all&limit=100&cursor={cursor}")).await;
    assert_eq!([ids(&first), ids(&second)].concat(), all);
    assert_eq!(second.body["cursor"], Value::Null);
}

#[tokio::test]
async fn filters_pick_from_what_lives_and_from_what_has_ended() {
    let test = TestAppOptions::default().without_engine().build().await;
    let store = test.table.store();
    let mut ids_of = BTreeMap::new();
    for (name, image, label, ended) in [
        ("live alpine", "alpine", Some("search"), false),
        ("live redis", "redis", Some("a:b c"), false),
        ("bare redis", "redis", None, false),
        ("old alpine", "alpine", Some("search"), true),
        ("old redis", "redis", Some(""), true),
        ("old bare", "redis", None, true),
    ] {
        ids_of.insert(write(&store, image, label, ended).await, name);
    }
    for (query, expected) in [
        ("", vec!["live alpine", "live redis", "bare redis"]),
        (
            "state=active",
            vec!["live alpine", "live redis", "bare redis"],
        ),
        (
            "state=running",
            vec!["live alpine", "live redis", "bare redis"],
        ),
        ("state=ending", vec![]),
        ("state=quarantined", vec![]),
        ("state=provisioning", vec![]),
        ("imageType=redis", vec!["live redis", "bare redis"]),
        ("label=team", vec!["live alpine", "live redis"]),
        ("label=team:search", vec!["live alpine"]),
        ("label=team%3Aa%3Ab+c", vec!["live redis"]),
        ("label=team&label=other", vec![]),
        ("state=ended", vec!["old bare", "old redis", "old alpine"]),
        ("state=ended&imageType=redis", vec!["old bare", "old redis"]),
        ("state=ended&label=team", vec!["old redis", "old alpine"]),
        ("state=ended&label=team:", vec!["old redis"]),
        (
            "state=all&label=team:search",
            vec!["old alpine", "live alpine"],
        ),
        ("state=all&imageType=nginx", vec![]),
    ] {
        let answer = list(&test, query).await;
        let names: Vec<_> = ids(&answer).iter().map(|id| ids_of[id]).collect();
        assert_eq!(names, expected, "{query}");
        assert_eq!(answer.body["cursor"], Value::Null, "{query}");
        assert!(answer.body["serverTime"].is_string());
    }
}

#[tokio::test]
async fn the_history_of_another_owner_is_not_seen_whatever_the_cursor() {
    let test = TestApp::new().await;
    let hers = alpine_with(json!({"labels": {"whose": "hers"}})).from_owner("ada");
    let hers = hers.provision(&test.app).await.id();
    let his = write(&test.table.store(), "alpine", None, true).await;
    let cursors = [String::new(), format!("&cursor={}", hers.replace('-', ""))];
    for cursor in &cursors {
        let seen = list(&test, &format!("state=all{cursor}")).await;
        assert!(!ids(&seen).contains(&hers), "{seen:?}");
    }
    assert_eq!(ids(&list(&test, "state=all").await), [his]);
}

/// The cost of a page is bounded, however many leases the filter leaves out.
#[tokio::test]
async fn a_filter_that_matches_little_does_not_read_a_whole_history_at_once() {
    let test = TestAppOptions::default()
        .without_engine()
        .proxied()
        .build()
        .await;
    let store = &test.table.store();
    let oldest = write(store, "redis", None, true).await;
    stream::iter(0..1_050)
        .for_each_concurrent(8, async |_| {
            write(store, "alpine", None, false).await;
        })
        .await;
    let before = test.table_proxy().seen().len();
    let first = list(&test, "state=ended&imageType=redis").await;
    let reads = test.table_proxy().seen().len() - before;
    assert_eq!(reads, 10, "a thousand are looked at, a hundred at once");
    assert_eq!(ids(&first), Vec::<String>::new());
    let (found, pages) = all_pages(&test, "state=ended&imageType=redis").await;
    assert_eq!((found, pages), (vec![oldest], 2));
}

#[tokio::test]
async fn a_query_that_is_wrong_names_each_parameter() {
    let test = TestAppOptions::default().without_engine().build().await;
    for (query, fields) in [
        ("state=gone", vec!["state"]),
        ("stat=ended", vec!["stat"]),
        ("limit=5", vec!["limit"]),
        ("state=running&cursor=x", vec!["cursor"]),
        ("state=ended&limit=0", vec!["limit"]),
        ("state=ended&limit=101", vec!["limit"]),
        ("state=ended&limit=ten&cursor=..", vec!["cursor", "limit"]),
        ("state=ended&state=all", vec!["state"]),
        ("imageType=windows&label=A", vec!["imageType", "label"]),
        ("label=", vec!["label"]),
        ("all=true", vec!["all"]),
        ("%00=%ff", vec!["\\0"]),
    ] {
        let answer = Event::saved("list").query(query).list(&test.app).await;
        assert_refused(&answer, "invalid-query");
        let errors = answer.body["errors"].as_array().unwrap().iter();
        let named: Vec<_> = errors.map(|it| it["field"].as_str().unwrap()).collect();
        assert_eq!(named, fields, "{query}");
    }
}
