//! The queue's target: ends the leases whose end is due.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use containerlease_shared::due::{self, Due, Outcome};

use crate::{app::App, enqueue, messages, metrics::Ends};

/// Ends what is due, each at its own instant.
pub async fn handle(app: &App, event: SqsEvent) -> (SqsBatchResponse, Ends) {
    let (response, outcomes) = messages::carry_out(event, |due| end(app, due)).await;
    let mut ends = Ends::default();
    for outcome in outcomes {
        match outcome {
            Outcome::Ended(ended) => ends.overshoot_ms.extend(ended.1.overshoot_ms),
            Outcome::Stale => ends.stale += 1,
            Outcome::EngineAway => ends.waiting += 1,
            Outcome::AttemptFailed => ends.attempts_failed += 1,
        }
    }
    (response, ends)
}

async fn end(app: &App, due: Due) -> Option<Outcome> {
    let outcome = due::end(app.tools(), &due).await;
    let outcome = outcome
        .inspect_err(|error| tracing::warn!(lease = %due.lease_id, %error, "left an end for later"))
        .ok()?;
    match &outcome {
        Outcome::Ended(ended) => {
            let (lease, receipt) = &**ended;
            let overshoot_ms = receipt.overshoot_ms;
            tracing::info!(lease = %lease.id, overshoot_ms, "ended a lease");
            enqueue::lease_ended(app, lease, receipt.removed_at).await;
        }
        Outcome::Stale => tracing::info!(lease = %due.lease_id, "dropped a stale message"),
        Outcome::EngineAway | Outcome::AttemptFailed => {}
    }
    Some(outcome)
}
