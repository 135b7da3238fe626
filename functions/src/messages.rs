//! The messages of a queue, as Lambda gives them to a function, a few at once.
//!
//! Each is carried out for itself. Those whose outcome is not known are named in the answer;
//! the queue gives them out again, and puts aside what fails each time.

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use containerlease_shared::due::Due;
use futures_util::future::join_all;

/// Carries out all messages of `event` at once. `carry_out` gives none for a message that is
/// to be given out again.
pub async fn carry_out<T, F>(
    event: SqsEvent,
    carry_out: impl Fn(Due) -> F,
) -> (SqsBatchResponse, Vec<T>)
where
    F: Future<Output = Option<T>>,
{
    let carry_out = &carry_out;
    let all = event.records.into_iter().map(|message| async move {
        let id = message.message_id.clone().unwrap_or_default();
        let done = match parsed(&message) {
            Some(due) => carry_out(due).await,
            None => None,
        };
        (id, done)
    });
    let mut response = SqsBatchResponse::default();
    let mut done = Vec::new();
    for (id, outcome) in join_all(all).await {
        if let Some(outcome) = outcome {
            done.push(outcome);
        } else {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = id;
            response.batch_item_failures.push(failure);
        }
    }
    (response, done)
}

/// One that is not ours ends in the queue of failures, where it is seen.
fn parsed(message: &SqsMessage) -> Option<Due> {
    let body = message.body.as_deref().unwrap_or_default();
    serde_json::from_str(body)
        .inspect_err(|error| tracing::error!(%error, "a message is not one of ours"))
        .ok()
}
