//! The target of the `deliver` queue: sends due notifications to owners.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use containerlease_domain::time::Time;
use containerlease_service::{
    due::Due,
    notify::deliver::{self, Deliverer, Deliveries},
};

use crate::jobs::messages;

/// Delivers each notification at its due time. `cut_off` is when Lambda will stop the
/// function.
pub async fn handle(
    deliverer: &Deliverer,
    event: SqsEvent,
    cut_off: Time,
) -> (SqsBatchResponse, Deliveries) {
    // Begin an attempt only if it can finish, and its outcome be written, before `cut_off`.
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
