//! `GET /api/containers/{id}/logs`: pages with the same lines and cursors as the stream, during
//! the container's life and after its end.

use std::time::{Duration, Instant};

use containerlease_domain::logs::Start;
use containerlease_testkit::{
    Fault, TestApp,
    events::{Answer, Event},
    table,
};
use serde_json::{Value, json};

use crate::{
    SECOND, alpine_with, assert_refused, get, lease,
    logs::{Viewer, relay_to, task},
    wait_for, wait_until_exited,
};

/// A page of the lease's log.
async fn page(test: &TestApp, id: &str, query: &str) -> Answer {
    let event = Event::about("log-page", id).query(query);
    let answer = event.list(&test.app).await;
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    answer
}

/// The text of a page's lines.
fn messages(page: &Answer) -> Vec<String> {
    let entries = page.body["entries"].as_array().expect("there are entries");
    let message = |entry: &Value| entry["message"].as_str().unwrap_or_default().to_owned();
    entries.iter().map(message).collect()
}

fn cursor(page: &Answer) -> &str {
    page.body["cursor"].as_str().expect("there is a cursor")
}

async fn running(test: &TestApp, script: &str) -> String {
    let asked = json!({"command": ["sh", "-c", script]});
    let answer = alpine_with(asked).provision(&test.app).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.id()
}

/// A lease whose program has written its lines and still runs.
async fn written(test: &TestApp, script: &str) -> String {
    let id = running(test, &format!("{script}; echo the last line; sleep 600")).await;
    wait_for("all is written", async || {
        messages(&page(test, &id, "tail=1").await) == ["the last line"]
    })
    .await;
    id
}

async fn delete(test: &TestApp, id: &str) {
    let deleted = Event::about("delete", id).delete(&test.app).await;
    assert_eq!(deleted.status, 200, "{deleted:?}");
}

/// All pages from `query` on, each of `limit` lines, up to the last.
async fn all_pages(test: &TestApp, id: &str, query: &str, limit: usize) -> Vec<Value> {
    let mut entries = Vec::new();
    let mut query = query.to_owned();
    loop {
        let page = page(test, id, &format!("{query}&limit={limit}")).await;
        let on_page = page.body["entries"].as_array().expect("there are entries");
        assert!(on_page.len() <= limit);
        entries.extend_from_slice(on_page);
        query = format!("cursor={}", cursor(&page));
        if page.body["more"] == false {
            return entries;
        }
    }
}

#[tokio::test]
async fn pages_follow_each_other_while_the_container_writes() {
    let test = TestApp::new().await;
    let script = "i=0; while [ $i -lt 600 ]; do echo out $i; echo err $i >&2; \
                  i=$((i+1)); [ $((i % 10)) = 0 ] && sleep 0.05; done; sleep 60";
    let id = running(&test, script).await;
    let mut read = [Vec::new(), Vec::new()];
    let mut query = String::new();
    let began = Instant::now();
    while read.iter().any(|lines| lines.len() < 600) {
        assert!(began.elapsed() < 30 * SECOND, "{read:?}");
        let page = page(&test, &id, &format!("{query}&limit=37")).await;
        for entry in page.body["entries"].as_array().unwrap() {
            let stream = usize::from(entry["stream"] == "stderr");
            read[stream].push(entry["message"].as_str().unwrap().to_owned());
        }
        query = format!("cursor={}", cursor(&page));
        if page.body["more"] == false {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    for (stream, word) in [(0, "out"), (1, "err")] {
        let expected: Vec<_> = (0..600).map(|i| format!("{word} {i}")).collect();
        assert!(read[stream] == expected, "{:?}", read[stream]);
    }
}

#[tokio::test]
async fn a_page_has_what_a_viewer_has() {
    let test = TestApp::new().await;
    let script = "echo one; echo two >&2; echo '[error] three'; printf 'x\\377\\n'; \
                  head -c 100000 /dev/zero | tr '\\0' b; echo";
    let id = written(&test, script).await;
    let viewer = Viewer::default();
    let whole = task(&id, Start::with_all());
    tokio::select! {
        ended = relay_to(&test, &viewer, &whole, None) => panic!("{ended:?}"),
        () = wait_for("the lines are there", async || viewer.lines().len() >= 6) => {}
    }
    let page = page(&test, &id, "").await;
    assert_eq!(page.body["entries"], Value::from(viewer.lines()));
    assert_eq!(cursor(&page), viewer.cursor().to_string());
    assert_eq!(
        (&page.body["more"], &page.body["gap"], &page.body["state"]),
        (&json!(false), &json!(false), &json!("running"))
    );
    assert!(page.body["serverTime"].is_string());
}

#[tokio::test]
async fn a_page_begins_and_ends_where_it_is_asked_to() {
    let test = TestApp::new().await;
    let id = written(&test, "seq 1 50").await;
    let numbers = |from: u32, to: u32| (from..=to).map(|i| i.to_string()).collect::<Vec<_>>();
    let first = page(&test, &id, "limit=10").await;
    assert_eq!(messages(&first), numbers(1, 10));
    assert_eq!(first.body["more"], true);
    let second = page(&test, &id, &format!("limit=10&cursor={}", cursor(&first))).await;
    assert_eq!(messages(&second), numbers(11, 20));
    assert_eq!(messages(&page(&test, &id, "limit=51").await).len(), 51);
    let tail = page(&test, &id, "tail=5&limit=2").await;
    assert_eq!(messages(&tail), ["47", "48"]);
    let none = page(&test, &id, "tail=0").await;
    assert_eq!(
        (messages(&none).len(), &none.body["more"]),
        (0, &json!(false))
    );
    // The cursor leads only to later lines.
    let next = page(&test, &id, &format!("cursor={}", cursor(&none))).await;
    assert_eq!((messages(&next).len(), cursor(&next)), (0, cursor(&none)));
    assert_eq!(messages(&page(&test, &id, "since=1h").await).len(), 51);
    let later = page(&test, &id, "since=2126-01-01T00:00:00Z").await;
    assert_eq!(messages(&later).len(), 0);
}

#[tokio::test]
async fn filters_leave_lines_out_and_the_cursor_goes_on() {
    let test = TestApp::new().await;
    let script = "i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo \"INFO: step $i\"; \
                  [ $((i % 20)) = 0 ] && echo \"WARN: Größe $i\"; \
                  [ $i = 30 ] && echo 'ERROR: broken'; done";
    let id = written(&test, script).await;
    let found = async |query: &str| {
        let mut found = Vec::new();
        for entry in all_pages(&test, &id, query, 1_000).await {
            found.push(entry["message"].as_str().unwrap().to_owned());
        }
        found
    };
    let warnings = ["WARN: Größe 20", "ERROR: broken", "WARN: Größe 40"];
    assert_eq!(found("level=warn").await, warnings);
    assert_eq!(found("level=error").await, ["ERROR: broken"]);
    assert_eq!(found("search=STEP%2040").await, ["INFO: step 40"]);
    assert_eq!(
        found("search=gr%C3%B6%C3%9Fe&level=warn").await,
        ["WARN: Größe 20", "WARN: Größe 40"]
    );
    let nothing = page(&test, &id, "search=nothing+like+this").await;
    assert_eq!(messages(&nothing).len(), 0);
    assert_eq!(nothing.body["more"], false);
    let whole = page(&test, &id, "").await;
    assert_eq!(
        cursor(&nothing),
        cursor(&whole),
        "it goes past what it left out"
    );
    let one = page(&test, &id, "level=warn&limit=1").await;
    assert_eq!(messages(&one), ["WARN: Größe 20"]);
    assert_eq!(one.body["more"], true);
}

#[tokio::test]
async fn a_page_that_cannot_be_asked_for_is_a_problem() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    let asked = async |query: &str| {
        let event = Event::about("log-page", &id).query(query);
        event.list(&test.app).await
    };
    for query in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "level=fatal",
        "tail=-1",
        "since=soon",
        "cursor=0_0&tail=1",
        &format!("search={}", "x".repeat(201)),
    ] {
        assert_refused(&asked(query).await, "invalid-log-view");
    }
    for (query, fault) in [
        ("limt=5", "limt"),
        ("limit=5&limit=6", "limit"),
        ("cursor=0_0&cursor=", "cursor"),
    ] {
        let answer = asked(query).await;
        assert_refused(&answer, "invalid-query");
        assert_eq!(answer.body["errors"][0]["field"], fault, "{query}");
    }
    assert_refused(&asked("cursor=x").await, "invalid-cursor");
}

#[tokio::test]
async fn after_the_end_a_log_is_there_as_it_was() {
    let test = TestApp::new().await;
    let script = "seq 1 30; echo on stderr >&2; printf 'without an end'; sleep 600";
    let id = running(&test, script).await;
    wait_for("the lines are there", async || {
        messages(&page(&test, &id, "").await).len() >= 31
    })
    .await;
    let before = page(&test, &id, "limit=20").await;
    delete(&test, &id).await;
    let after = page(&test, &id, "").await;
    assert_eq!(after.body["state"], "ended");
    assert_eq!(
        (&after.body["gap"], &after.body["more"]),
        (&json!(false), &json!(false))
    );
    let all = messages(&after);
    assert_eq!(all.len(), 32, "{all:?}");
    // The engine may have taken the line on stderr before the last ones on stdout.
    let numbers = all.iter().filter_map(|line| line.parse::<u32>().ok());
    assert!(numbers.eq(1..=30), "{all:?}");
    assert!(all.contains(&"on stderr".to_owned()));
    assert!(all.contains(&"without an end".to_owned()));
    // The stored lines are the same, and a cursor of the live log continues in them.
    let entries = after.body["entries"].as_array().unwrap();
    assert_eq!(
        entries[..20],
        before.body["entries"].as_array().unwrap()[..]
    );
    let rest = page(&test, &id, &format!("cursor={}", cursor(&before))).await;
    assert_eq!(rest.body["entries"].as_array().unwrap()[..], entries[20..]);
    assert_eq!(all_pages(&test, &id, "", 7).await, *entries);
    assert_eq!(messages(&page(&test, &id, "tail=3").await), all[29..]);
    assert_eq!(
        messages(&page(&test, &id, "search=STDERR").await),
        ["on stderr"]
    );
}

#[tokio::test]
async fn of_a_long_log_the_last_thousand_lines_are_kept() {
    let test = TestApp::new().await;
    let id = written(&test, "seq 1 3000").await;
    let early = page(&test, &id, "limit=10").await;
    let late = page(&test, &id, "tail=500&limit=10").await;
    delete(&test, &id).await;
    let kept = page(&test, &id, "limit=1000").await;
    let lines = messages(&kept);
    assert_eq!((lines.len(), &kept.body["more"]), (1_000, &json!(false)));
    assert_eq!(
        (lines[0].as_str(), lines[999].as_str()),
        ("2002", "the last line")
    );
    assert_eq!(kept.body["gap"], true);
    // A reader with a later cursor misses nothing; one with an earlier cursor is told of the gap.
    let after = async |page_before: &Answer| {
        let query = format!("limit=1000&cursor={}", cursor(page_before));
        page(&test, &id, &query).await
    };
    let after_early = after(&early).await;
    assert_eq!(messages(&after_early), lines);
    assert_eq!(after_early.body["gap"], true);
    let after_late = after(&late).await;
    assert_eq!(messages(&after_late), lines[510..]);
    assert_eq!(after_late.body["gap"], false);
    assert_eq!(page(&test, &id, "tail=1000").await.body["gap"], false);
}

#[tokio::test]
async fn whatever_ends_a_lease_its_log_is_kept_as_long_as_its_record() {
    let test = TestApp::new().await;
    let failed = running(&test, "echo its last words; exit 3").await;
    wait_until_exited(&test, &failed).await;
    test.reap().await;
    let expired = written(&test, "echo its first words").await;
    test.table.age(Duration::from_secs(300)).await;
    test.reap().await;
    for (id, reason, words) in [
        (&failed, "failed", "its last words"),
        (&expired, "expired", "its first words"),
    ] {
        assert_eq!(get(&test, id).await["receipt"]["reason"], reason);
        assert_eq!(messages(&page(&test, id, "").await)[0], words);
        let scanned = test.table.client().scan().table_name(table::NAME).send();
        let items = scanned.await.unwrap().items.unwrap();
        let purged = [format!("lease#{id}"), "log".to_owned()].map(|sort_key| {
            let item = items.iter().find(|item| {
                let of_lease = item["pk"]
                    .as_s()
                    .is_ok_and(|pk| [format!("log#{id}"), "owner#local".to_owned()].contains(pk));
                of_lease && item["sk"].as_s() == Ok(&sort_key)
            });
            item.expect("the item is there")["purgeAt"].clone()
        });
        assert_eq!(purged[0], purged[1], "{reason}");
    }
    // Lines that could not be read are missing, and the page says so.
    let lost = lease(&test).await;
    test.place.remove_behind_its_back(&lost).await;
    test.reap().await;
    let nothing = page(&test, &lost, "").await;
    assert_eq!(
        (messages(&nothing).len(), &nothing.body["gap"]),
        (0, &json!(true))
    );
}

#[tokio::test]
async fn a_log_that_cannot_be_kept_keeps_no_lease_from_ending() {
    let quick = 6 * SECOND;
    let test = TestApp::proxied().await;
    for fault in ["cut", "hang", "refuse"] {
        let id = written(&test, "true").await;
        let what = move |hit: bool| match (hit, fault) {
            (false, _) => Fault::None,
            (true, "cut") => Fault::Cut,
            (true, "hang") => Fault::NeverSent(Box::new(|| {})),
            (true, _) => Fault::Answered(http::StatusCode::BAD_REQUEST, "{}".to_owned()),
        };
        test.engine_proxy()
            .on_each(move |seen| what(seen.is("GET", "/logs")));
        let began = Instant::now();
        delete(&test, &id).await;
        assert!(began.elapsed() < quick, "{fault}: {:?}", began.elapsed());
        test.engine_proxy().heal();
        assert_eq!(page(&test, &id, "").await.body["gap"], true, "{fault}");

        let id = written(&test, "true").await;
        test.table_proxy()
            .on_each(move |seen| what(seen.is_operation("PutItem")));
        let began = Instant::now();
        delete(&test, &id).await;
        assert!(began.elapsed() < quick, "{fault}: {:?}", began.elapsed());
        test.table_proxy().heal();
        assert_eq!(page(&test, &id, "").await.body["gap"], true, "{fault}");
    }
}

#[tokio::test]
async fn an_engine_or_a_table_out_of_reach_is_a_problem() {
    let test = TestApp::proxied().await;
    let id = lease(&test).await;
    test.engine_proxy().on_each(|_| Fault::Cut);
    let app = &test.app;
    let answers = async || {
        tokio::join!(
            Event::about("exec", &id).exec(app),
            Event::about("stats", &id).list(app),
            Event::about("log-page", &id).list(app),
        )
    };
    let (exec, stats, logs) = Box::pin(answers()).await;
    for answer in [exec, stats, logs] {
        assert_refused(&answer, "engine-unavailable");
        assert!(!answer.body["detail"].as_str().unwrap().contains("leased"));
    }
    test.engine_proxy().heal();
    test.table_proxy().on_each(|_| Fault::Cut);
    let (exec, stats, logs) = Box::pin(answers()).await;
    for answer in [exec, stats, logs] {
        assert_refused(&answer, "store-unavailable");
    }
}
