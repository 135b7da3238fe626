//! The faults that are injected between the product and its engine and table.

use std::time::Duration;

use containerlease_testkit::proxy::{Fault, Seen};

use http::StatusCode;
use serde_json::json;

use super::Tally;

/// How many of a thousand calls to the engine or the table meet each fault.
const PER_MILLE: usize = 6;

/// Chooses a random fault, or none, for each request, and counts it.
pub(super) fn faults(
    of: &'static str,
    tally: &Tally,
    refusal: fn(&Seen, usize) -> (&'static str, Fault),
) -> impl Fn(&Seen) -> Fault + Send + Sync + 'static {
    let tally = tally.clone();
    move |seen| {
        let dice = fastrand::usize(0..1_000);
        let delay = Duration::from_millis(fastrand::u64(50..2_000));
        let (name, fault) = match dice / PER_MILLE {
            0 => ("delayed", Fault::Delayed(delay)),
            1 => ("cut", Fault::Cut),
            2 => ("answer lost", Fault::AnswerLost),
            // Fewer stalls, because each costs its caller the whole time limit.
            3 if dice.is_multiple_of(3) => (
                "stalled after it was done",
                Fault::NeverAnswered(Box::new(|| {})),
            ),
            3 if dice % 3 == 1 => ("stalled", Fault::NeverSent(Box::new(|| {}))),
            4 | 5 => refusal(seen, dice),
            _ => return Fault::None,
        };
        tally.add(format!("{of}: {name}"));
        fault
    }
}

pub(super) fn engine_fault(seen: &Seen, dice: usize) -> (&'static str, Fault) {
    let (status, name, message) = if dice.is_multiple_of(2) {
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            "status 500",
            "something went wrong",
        )
    } else if seen.is("DELETE", "/containers/") {
        let message = "removal of container x is already in progress";
        (StatusCode::CONFLICT, "status 409", message)
    } else {
        (StatusCode::CONFLICT, "status 409", "conflict")
    };
    let body = json!({"message": message}).to_string();
    (name, Fault::Answered(status, body))
}

pub(super) fn table_fault(_: &Seen, dice: usize) -> (&'static str, Fault) {
    let (status, name, kind) = if dice.is_multiple_of(2) {
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            "status 500",
            "InternalServerError",
        )
    } else {
        let kind = "ProvisionedThroughputExceededException";
        (StatusCode::BAD_REQUEST, "throttled", kind)
    };
    let kind = format!("com.amazonaws.dynamodb.v20120810#{kind}");
    let body = json!({"__type": kind, "message": "the soak wants it so"}).to_string();
    (name, Fault::Answered(status, body))
}
