//! A busy table: it throttles, writes conflict, or it fails on its own side. The embedded
//! table does none of that, so these tests replace its answers.

use std::time::Duration;

use containerlease_domain::names::Owner;
use containerlease_testkit::{
    Fault, TestApp,
    events::{Answer, Event},
};
use serde_json::json;

use crate::{MINUTE, alpine, get, lease};

/// The errors of a read or of a write of one item, and the reasons of a cancelled transaction.
const PLAIN: &[&str] = &[
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "InternalServerError",
    "ServiceUnavailable",
];
const CANCELLED: &[&[&str]] = &[
    &["None", "TransactionConflict", "None"],
    &["None", "ThrottlingError", "None"],
    &[
        "ProvisionedThroughputExceeded",
        "None",
        "TransactionConflict",
    ],
];

fn is_write(operation: &str) -> bool {
    ["PutItem", "UpdateItem", "DeleteItem"].contains(&operation)
}

/// The error that replaces an operation's answer.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Plain(&'static str),
    Cancelled(&'static [&'static str]),
}

impl Trouble {
    fn all() -> impl Iterator<Item = Self> {
        let plain = PLAIN.iter().map(|code| Self::Plain(code));
        plain.chain(CANCELLED.iter().map(|reasons| Self::Cancelled(reasons)))
    }

    fn of(self, operation: &str) -> Option<Fault> {
        match self {
            Self::Plain(code) => Some(Fault::of_the_table(code)),
            Self::Cancelled(reasons) if operation == "TransactWriteItems" => {
                Some(Fault::cancelled(reasons))
            }
            Self::Cancelled(_) if is_write(operation) => {
                Some(Fault::of_the_table("TransactionConflictException"))
            }
            Self::Cancelled(_) => None,
        }
    }

    /// From now on the first two requests of each operation fail.
    fn begins(self, test: &TestApp) {
        let proxy = test.table_proxy();
        proxy.fail_first(2, move |operation| self.of(operation));
    }
}

#[tokio::test]
async fn every_verb_tries_again_what_met_others_at_the_table() {
    let test = TestApp::proxied().await;
    for what in Trouble::all() {
        // Each verb meets the trouble afresh.
        what.begins(&test);
        let provisioned = alpine().provision(&test.app).await;
        assert_eq!(provisioned.status, 201, "{what:?}: {provisioned:?}");
        let id = provisioned.id();
        for (verb, status) in [
            ("list", 200),
            ("get", 200),
            ("stats", 200),
            ("log-page", 200),
        ] {
            what.begins(&test);
            let answer = Event::about(verb, &id).list(&test.app).await;
            assert_eq!(answer.status, status, "{what:?}: {verb}: {answer:?}");
        }
        what.begins(&test);
        let longer = Event::about("renew", &id).body(&json!({"durationMinutes": 20}));
        let renewed = longer.renew(&test.app).await;
        assert_eq!(renewed.status, 200, "{what:?}: {renewed:?}");
        what.begins(&test);
        let command = Event::about("exec", &id).body(&json!({"command": ["true"]}));
        let executed = command.exec(&test.app).await;
        assert_eq!(executed.status, 200, "{what:?}: {executed:?}");
        what.begins(&test);
        let deleted = Event::about("delete", &id).delete(&test.app).await;
        assert_eq!(deleted.status, 200, "{what:?}: {deleted:?}");
        test.table_proxy().heal();
        assert_eq!(get(&test, &id).await["state"], "ended", "{what:?}");
    }
    test.assert_nothing_leaked(&Owner::local(), "a busy table")
        .await;
}

#[tokio::test]
async fn the_reaper_ends_on_time_at_a_table_that_is_busy_for_a_moment() {
    let test = TestApp::proxied().await;
    for what in Trouble::all() {
        let id = lease(&test).await;
        test.table.age(5 * MINUTE).await;
        what.begins(&test);
        let report = test.reap().await;
        assert_eq!(
            (report.expired, report.attempts_failed),
            (1, 0),
            "{what:?}: {report:?}"
        );
        test.table_proxy().heal();
        assert_eq!(get(&test, &id).await["receipt"]["attempts"], 1, "{what:?}");
    }
}

#[tokio::test]
async fn a_transaction_that_was_carried_out_and_failed_all_the_same_is_carried_out_once() {
    let test = TestApp::proxied().await;
    test.table_proxy().fail_first(1, |operation| {
        (operation == "TransactWriteItems").then(|| Fault::done_but("InternalServerError"))
    });
    let id = lease(&test).await;
    test.assert_nothing_leaked(&Owner::local(), "it was made once")
        .await;
    test.table_proxy().fail_first(1, |operation| {
        (operation == "TransactWriteItems").then(|| Fault::done_but("InternalServerError"))
    });
    let deleted = Event::about("delete", &id).delete(&test.app).await;
    assert_eq!(deleted.body["state"], "ended", "{deleted:?}");
    test.assert_nothing_leaked(&Owner::local(), "it ended once")
        .await;
}

#[tokio::test]
async fn a_table_that_stays_busy_is_said_to_be_busy_and_when_to_come_again() {
    let test = TestApp::proxied().await;
    let id = lease(&test).await;
    for (fault, says_busy) in [
        (PLAIN[1], true),
        ("TransactionConflictException", true),
        ("InternalServerError", false),
    ] {
        test.table_proxy()
            .on_each(move |seen| match seen.operation.as_deref() {
                Some("TransactWriteItems") if says_busy => {
                    Fault::cancelled(&["ThrottlingError", "None", "TransactionConflict"])
                }
                Some(operation)
                    if is_write(operation) || fault != "TransactionConflictException" =>
                {
                    Fault::of_the_table(fault)
                }
                _ => Fault::None,
            });
        let begun = std::time::Instant::now();
        let (provisioned, renewed, deleted, listed, ready) = tokio::join!(
            async { alpine().provision(&test.app).await },
            async {
                let longer = Event::about("renew", &id).body(&json!({"durationMinutes": 30}));
                longer.renew(&test.app).await
            },
            async { Event::about("delete", &id).delete(&test.app).await },
            async { Event::saved("list").list(&test.app).await },
            async { Event::saved("readyz").list(&test.app).await },
        );
        assert!(
            begun.elapsed() < Duration::from_secs(12),
            "{:?}",
            begun.elapsed()
        );
        let reads_fail = fault != "TransactionConflictException";
        let mut refused = vec![provisioned, renewed, deleted];
        refused.extend(reads_fail.then_some(listed));
        for answer in refused {
            assert_busy(&answer, says_busy);
        }
        if reads_fail {
            let said = ready.body["table"]["detail"].as_str().unwrap().to_owned();
            assert!(!said.contains("permission"), "{said}");
            let word = if says_busy { "busy" } else { "its own side" };
            assert!(said.contains(word), "{said}");
        }
        test.table_proxy().heal();
    }
    test.assert_nothing_leaked(&Owner::local(), "it was busy")
        .await;
}

fn assert_busy(answer: &Answer, says_busy: bool) {
    crate::assert_refused(answer, "store-unavailable");
    let detail = answer.body["detail"].as_str().expect("there is a detail");
    assert_eq!(detail.contains("busy"), says_busy, "{answer:?}");
    assert!(!detail.contains("permission"), "{answer:?}");
    let retry = answer.headers["retry-after"].to_str();
    let retry: u64 = retry.expect("it is text").parse().expect("it is seconds");
    assert!((1..=5).contains(&retry), "{answer:?}");
}
