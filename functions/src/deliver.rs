//! The other queue's target: tells owners what is due to be told.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use containerlease_shared::{
    deliver::{self, Deliverer, Deliveries},
    due::Due,
    time::Time,
};

use crate::messages;

/// Delivers what is due, each at its own instant. `cut_off` is when the function will be
/// stopped from outside.
pub async fn handle(
    deliverer: &Deliverer,
    event: SqsEvent,
    cut_off: Time,
) -> (SqsBatchResponse, Deliveries) {
    // An attempt begins only where it can come to its end before, its outcome on record.
    let stop_at = cut_off.minus(deliver::longest());
    let deliver = |due| deliver(deliverer, due, stop_at);
    let (response, outcomes) = messages::carry_out(event, deliver).await;
    let mut all = Deliveries::default();
    for outcome in outcomes {
        all.add(outcome);
    }
    (response, all)
}

async fn deliver(deliverer: &Deliverer, due: Due, stop_at: Time) -> Option<Deliveries> {
    deliver::due(deliverer, &due, stop_at)
        .await
        .inspect_err(|error| {
            tracing::warn!(lease = %due.lease_id, %error, "left a notification for later");
        })
        .ok()
}
