//! One process makes a delivery, and another takes it over when that one was cut off.

use containerlease_domain::{names::Owner, notification::DELIVERY_CLAIM_LIMIT};
use containerlease_testkit::{Fault, Receiver, Reply, TestAppOptions, events::Event};
use futures_util::future::join_all;
use serde_json::json;

use super::{deliver, notification, test, told};
use crate::{SECOND, wait_for};

#[tokio::test]
async fn any_number_of_reapers_at_once_deliver_once() {
    let (test, receiver) = test().await;
    for _ in 0..3 {
        told(&test, &receiver).await;
    }
    // All runs wait for the warnings to fall due.
    test.table.age(178 * SECOND).await;
    let reports = join_all((0..4).map(|_| test.reap())).await;
    let delivered: usize = reports.iter().map(|it| it.deliveries.delivered).sum();
    assert_eq!(
        (delivered, receiver.messages().len()),
        (3, 3),
        "{reports:?}"
    );
}

#[tokio::test]
async fn a_delivery_that_was_cut_off_is_made_again_by_somebody_else() {
    let (test, receiver) = test().await;
    let id = told(&test, &receiver).await.id();
    test.table.age(181 * SECOND).await;
    receiver.replies([Reply::Silence]);
    tokio::select! {
        _ = deliver(&test.app) => panic!("nobody has answered"),
        () = wait_for("the message", async || receiver.messages().len() == 1) => {}
    }
    assert_eq!(deliver(&test.app).await.delivered, 0, "it is claimed");
    test.table.age(DELIVERY_CLAIM_LIMIT).await;
    assert_eq!(deliver(&test.app).await.delivered, 1);
    let warning = notification(&test, &id, "lease.expiring").await;
    assert_eq!(
        (&warning["state"], &warning["attempts"]),
        (&json!("delivered"), &json!(2))
    );
}

#[tokio::test]
async fn an_answer_that_the_table_loses_is_no_error() {
    let plan = TestAppOptions::default().proxied().private_webhooks();
    let (test, receiver) = (plan.build().await, Receiver::start().await);
    for lost in 0..2 {
        let (test, calls) = (&test, std::sync::atomic::AtomicUsize::new(0));
        test.table_proxy().on_each(move |seen| {
            let changes = seen.is_operation("TransactWriteItems");
            if changes && calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == lost {
                Fault::AnswerLost
            } else {
                Fault::None
            }
        });
        told(test, &receiver).await;
    }
    let id = told(&test, &receiver).await.id();
    for verb in ["renew", "delete"] {
        let already = std::sync::atomic::AtomicBool::new(false);
        test.table_proxy().on_each(move |seen| {
            let changes = seen.is_operation("TransactWriteItems");
            if changes && !already.swap(true, std::sync::atomic::Ordering::SeqCst) {
                Fault::AnswerLost
            } else {
                Fault::None
            }
        });
        let answer = match verb {
            "renew" => Event::about(verb, &id).renew(&test.app).await,
            _ => Event::about(verb, &id).delete(&test.app).await,
        };
        assert_eq!(answer.status, 200, "{verb}: {answer:?}");
    }
    test.table_proxy().heal();
    assert_eq!(deliver(&test.app).await.delivered, 1);
    test.assert_told(&Owner::local(), &receiver, "answers were lost")
        .await;
}
