//! The faults that a proxy injects.

use std::{fmt, time::Duration};

use futures_util::future::BoxFuture;
use hyper::StatusCode;

/// What happens to a request.
pub enum Fault {
    /// Nothing: it passes.
    None,
    /// It passes after this delay.
    Delayed(Duration),
    /// It is not passed on; this is the answer.
    Answered(StatusCode, String),
    /// It is carried out, and this replaces the true answer.
    AnsweredInstead(StatusCode, String),
    /// It is not passed on, and the connection is cut.
    Cut,
    /// It is not passed on and never answered; the function is called.
    NeverSent(Box<dyn FnOnce() + Send>),
    /// It is carried out, and the connection is cut before the answer.
    AnswerLost,
    /// It is carried out but never answered; the function is called.
    NeverAnswered(Box<dyn FnOnce() + Send>),
    /// It is carried out, and answered once this future is ready.
    AnsweredAfter(BoxFuture<'static, ()>),
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Delayed(_) => "Delayed",
            Self::Answered(..) => "Answered",
            Self::AnsweredInstead(..) => "AnsweredInstead",
            Self::Cut => "Cut",
            Self::NeverSent(_) => "NeverSent",
            Self::AnswerLost => "AnswerLost",
            Self::NeverAnswered(_) => "NeverAnswered",
            Self::AnsweredAfter(_) => "AnsweredAfter",
        })
    }
}

impl Fault {
    /// The table's answer with that code, in DynamoDB's format.
    pub fn of_the_table(code: &str) -> Self {
        Self::Answered(status_of(code), table_error(code, &[]))
    }

    /// The answer to a cancelled transaction, with a reason for each of its items.
    pub fn cancelled(reasons: &[&str]) -> Self {
        let code = "TransactionCanceledException";
        Self::Answered(status_of(code), table_error(code, reasons))
    }

    /// The request is carried out, and yet the table answers with that error code.
    pub fn done_but(code: &str) -> Self {
        Self::AnsweredInstead(status_of(code), table_error(code, &[]))
    }
}

fn status_of(code: &str) -> StatusCode {
    match code {
        "InternalServerError" => StatusCode::INTERNAL_SERVER_ERROR,
        "ServiceUnavailable" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    }
}

fn table_error(code: &str, reasons: &[&str]) -> String {
    let reasons: Vec<_> = reasons
        .iter()
        .map(|code| serde_json::json!({"Code": code, "Message": "a text of the table"}))
        .collect();
    let mut body = serde_json::json!({
        "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"),
        "message": "a text of the table",
    });
    if !reasons.is_empty() {
        body["CancellationReasons"] = reasons.into();
    }
    body.to_string()
}
