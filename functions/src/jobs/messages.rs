//! The messages of a queue, as Lambda passes them to a function in small batches.
//!
//! Each message is carried out on its own. The answer names those whose outcome is unknown;
//! the queue delivers them again, and moves messages that keep failing to its dead-letter
//! queue.

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use containerlease_service::due::Due;
use futures_util::future::join_all;

/// Carries out all messages of `event` at once. `carry_out` returns `None` for a message that
/// the queue must deliver again.
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

/// A message that is not ours goes to the dead-letter queue, where the operator sees it.
fn parsed(message: &SqsMessage) -> Option<Due> {
    let body = message.body.as_deref().unwrap_or_default();
    serde_json::from_str(body)
        .inspect_err(|error| tracing::error!(%error, "a message is not one of ours"))
        .ok()
}
