//! Each viewer begins where it wants, pauses and skips; all viewers of a container share one follow
//! of its log.

use std::sync::atomic::{AtomicUsize, Ordering};

use containerlease_domain::{
    logs::{Start, Tail},
    time::Time,
};
use containerlease_service::log_relay::{self, ViewerControls};
use containerlease_testkit::TestApp;
use tokio::sync::watch;

use super::{Viewer, assert_complete, numbered, relay_to, task};
use crate::{SECOND, alpine_with, wait_for};

#[tokio::test]
async fn a_view_begins_with_the_last_lines_or_at_a_time() {
    let test = TestApp::new().await;
    let command = "i=0; while [ $i -lt 50 ]; do echo $i; i=$((i+1)); done; sleep 60";
    let command = serde_json::json!({"command": ["sh", "-c", command]});
    let id = alpine_with(command).provision(&test.app).await.id();
    let all = Viewer::default();
    let seen = async |viewer: &Viewer, start: Start, lines: usize| {
        let task = task(&id, start);
        tokio::select! {
            ended = relay_to(&test, viewer, &task, None) => panic!("{ended:?}"),
            () = wait_for("the lines are there", async || {
                viewer.messages("stdout").len() >= lines
            }) => {}
        }
        viewer.messages("stdout")
    };
    let numbers = |from: usize| (from..50).map(|i| i.to_string()).collect::<Vec<_>>();
    assert_eq!(seen(&all, Start::with_all(), 50).await, numbers(0));
    let tail = |lines| Start::With {
        tail: Tail::Lines(lines),
        since: None,
    };
    for lines in [1, 10, 50, 10_000] {
        let viewer = Viewer::default();
        let last = lines.min(50);
        let seen = seen(&viewer, tail(lines), last as usize).await;
        assert_eq!(seen, numbers(50 - last as usize), "tail={lines}");
    }
    let since = Start::With {
        tail: Tail::All,
        since: Some(Time::now()),
    };
    for start in [tail(0), since] {
        let viewer = Viewer::default();
        let task = task(&id, start);
        let relay = relay_to(&test, &viewer, &task, None);
        assert!(tokio::time::timeout(SECOND, relay).await.is_err());
        assert_eq!(viewer.messages("stdout"), Vec::<String>::new());
    }
}

#[tokio::test]
async fn many_viewers_share_one_follow_and_each_has_its_own_backlog() {
    let test = TestApp::new().await;
    let id = numbered(&test).await;
    let (first, late) = (Viewer::default(), Viewer::default());
    let whole = task(&id, Start::with_all());
    let counts = test.app.follows.counts();
    let most = AtomicUsize::new(0);
    let late_ones = async {
        wait_for("the first line is there", async || {
            first.messages("stdout").len() > 100
        })
        .await;
        relay_to(&test, &late, &whole, None).await
    };
    tokio::select! {
        ended = relay_to(&test, &first, &whole, None) => panic!("{ended:?}"),
        ended = late_ones => panic!("{ended:?}"),
        () = wait_for("all lines are there", async || {
            let reads = usize::try_from(counts.reads.load(Ordering::Relaxed)).unwrap_or(0);
            most.fetch_max(reads, Ordering::Relaxed);
            [&first, &late].iter().all(|viewer| viewer.messages("stderr").len() >= 600)
        }) => {}
    }
    assert_complete(&first);
    assert_complete(&late);
    let most = most.load(Ordering::Relaxed);
    assert!(most <= 2, "{most} logs were read at once for one container");
    wait_for("nothing is read any more", async || {
        counts.reads.load(Ordering::Relaxed) == 0 && counts.viewers.load(Ordering::Relaxed) == 0
    })
    .await;
}

#[tokio::test]
async fn a_viewer_that_pauses_misses_nothing() {
    let test = TestApp::new().await;
    let id = numbered(&test).await;
    let viewer = Viewer::default();
    let whole = task(&id, Start::with_all());
    let (controls, heard) = watch::channel(ViewerControls::default());
    let relay = log_relay::relay(&test.app.follows, &viewer, &whole, heard, None);
    let pauses = async {
        let lines = || viewer.messages("stdout").len();
        wait_for("the first lines are there", async || lines() > 50).await;
        controls.send_modify(|controls| controls.paused = true);
        wait_for("it is paused", async || !viewer.events("paused").is_empty()).await;
        let at = lines();
        tokio::time::sleep(2 * SECOND).await;
        assert_eq!(lines(), at, "lines came in spite of the pause");
        controls.send_modify(|controls| controls.paused = false);
        wait_for("all lines are there", async || {
            lines() >= 600 && viewer.messages("stderr").len() >= 600
        })
        .await;
    };
    tokio::select! {
        ended = relay => panic!("{ended:?}"),
        () = pauses => {}
    }
    assert_eq!(viewer.events("resumed").len(), 1);
    assert_complete(&viewer);
}

#[tokio::test]
async fn a_viewer_may_skip_what_it_has_not_read() {
    let test = TestApp::new().await;
    let command = "i=0; while [ $i -lt 20000 ]; do echo \"$i 0123456789012345678901234567890123456789\"; \
                   i=$((i+1)); done; touch /tmp/done; sleep 5; echo after; sleep 60";
    let command = serde_json::json!({"command": ["sh", "-c", command]});
    let id = alpine_with(command).provision(&test.app).await.id();
    let viewer = Viewer::default();
    let whole = task(&id, Start::with_all());
    let (controls, heard) = watch::channel(ViewerControls::default());
    let relay = log_relay::relay(&test.app.follows, &viewer, &whole, heard, None);
    let skips = async {
        wait_for("the first lines are there", async || {
            !viewer.messages("stdout").is_empty()
        })
        .await;
        // The viewer reads nothing until all is written, and then skips it.
        let stuck = viewer.reads.lock().await;
        tokio::time::sleep(3 * SECOND).await;
        controls.send_modify(|controls| controls.skips = 1);
        drop(stuck);
        wait_for("the last line is there", async || {
            viewer
                .messages("stdout")
                .last()
                .is_some_and(|line| line == "after")
        })
        .await;
    };
    tokio::select! {
        ended = relay => panic!("{ended:?}"),
        () = skips => {}
    }
    let skipped = viewer.events("skipped");
    assert_eq!(skipped.len(), 1, "{skipped:?}");
    let skipped = usize::try_from(skipped[0]["lines"].as_u64().unwrap()).unwrap();
    assert!(skipped > 0, "nothing was skipped");
    // Each line either came or was counted as skipped.
    assert_eq!(viewer.messages("stdout").len() + skipped, 20_001);
}
