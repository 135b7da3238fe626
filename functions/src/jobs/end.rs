//! The target of the `end` queue: ends the leases whose end is due.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use containerlease_service::due::{self, Due, Outcome};

use crate::{app::App, enqueue, jobs::messages, metrics::Ends};

/// Ends each lease at its due time.
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
    let outcome = due::end(app.deps(), &due).await;
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

#[cfg(test)]
mod tests {
    use containerlease_domain::catalogue::{Catalogue, Image};
    use containerlease_service::notify::deliver;

    use super::*;
    use crate::template::timeout_of;

    #[test]
    fn what_a_message_asks_for_is_done_before_its_function_is_cut_off() {
        let catalogue = Catalogue::embedded();
        let graces = catalogue.images().iter().map(Image::stop_grace);
        let longest = due::longest_end(graces.max().expect("there are images"));
        assert!(timeout_of("EndFunction") >= longest, "it takes {longest:?}");
        let longest = due::LONGEST_WAIT + deliver::longest();
        assert!(
            timeout_of("DeliverFunction") >= longest,
            "it takes {longest:?}"
        );
    }
}
