//! What can go wrong at the table, in our words.

use std::any::Any;

use aws_sdk_dynamodb::{
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    operation::transact_write_items::TransactWriteItemsError,
    types::CancellationReason,
};
use thiserror::Error;

use super::Shortage;
use crate::capacity::Whose;

/// The table could not be used.
#[derive(Debug, Error)]
#[error("{attempted}: {message}")]
pub struct StoreError {
    pub attempted: &'static str,
    pub kind: StoreErrorKind,
    pub(super) message: String,
}

/// Why the table could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// It did not answer, or not in time.
    Unreachable,
    /// Too much is asked of it, or other writes are in the way, again and again.
    Busy,
    /// It failed on its own side.
    Failed,
    /// On one machine, its disk does not take what is written.
    Unwritable,
    /// On one machine, there is no room for what need not be written.
    NoRoom(Shortage),
    /// There is no such table.
    NoTable,
    /// We may not do that.
    Denied,
    /// It refused for another reason.
    Refused,
    /// What it holds is not what this program has written.
    Corrupt,
}

/// Why a lease was not written.
#[derive(Debug, Error)]
pub enum CreateError {
    /// The owner or the host has no room for it.
    #[error("there is no room for the lease: {0:?}")]
    Full(Whose),
    /// Another lease was made under the same idempotency key.
    #[error("the idempotency key is used already")]
    KeyUsed,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a change was not written.
#[derive(Debug, Error)]
pub enum ChangeError {
    #[error(transparent)]
    Changed(#[from] Changed),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Somebody else has written the lease since it was read, or its time does not allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the lease has changed since it was read")]
pub struct Changed;

/// Translates the SDK's error, the only place where that is done.
pub(super) fn failed<E, R>(attempted: &'static str, error: &SdkError<E, R>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    let kind = match error {
        SdkError::TimeoutError(_)
        | SdkError::DispatchFailure(_)
        | SdkError::ResponseError(_)
        | SdkError::ConstructionFailure(_) => StoreErrorKind::Unreachable,
        _ => kind_of(error.code().unwrap_or_default(), reasons_of(error)),
    };
    StoreError {
        attempted,
        kind,
        message: DisplayErrorContext(error).to_string(),
    }
}

/// What the table means by an error's code and, where it is a cancelled transaction, by the
/// reasons that it gives for each item.
pub(super) fn kind_of(code: &str, reasons: &[CancellationReason]) -> StoreErrorKind {
    match code {
        "TransactionCanceledException" => {
            let codes = reasons.iter().filter_map(CancellationReason::code);
            let mut others = codes.filter(|code| *code != "None").peekable();
            if others.peek().is_some() && others.all(|code| BUSY_REASONS.contains(&code)) {
                StoreErrorKind::Busy
            } else {
                StoreErrorKind::Refused
            }
        }
        _ if BUSY.contains(&code) || code.contains("Throttl") => StoreErrorKind::Busy,
        "InternalServerError" | "InternalFailure" | "ServiceUnavailable" => StoreErrorKind::Failed,
        // The embedded table's own word.
        "TableUnwritableException" => StoreErrorKind::Unwritable,
        "ResourceNotFoundException" => StoreErrorKind::NoTable,
        _ if DENIED.contains(&code) => StoreErrorKind::Denied,
        _ => StoreErrorKind::Refused,
    }
}

/// The reasons of a cancelled transaction; none of any other error.
pub(super) fn reasons_of<E: 'static, R>(error: &SdkError<E, R>) -> &[CancellationReason] {
    let error = error.as_service_error().map(|error| error as &dyn Any);
    match error.and_then(|error| error.downcast_ref()) {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            cancelled.cancellation_reasons()
        }
        _ => &[],
    }
}

/// What the table answers when too much is asked of it, or when other writes of the same
/// items are in the way. The same request may succeed a moment later.
const BUSY: &[&str] = &[
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "TransactionConflictException",
    "TransactionInProgressException",
    "ReplicatedWriteConflictException",
    "LimitExceededException",
];

/// The same, as the reason of one item of a transaction that was cancelled.
const BUSY_REASONS: &[&str] = &[
    "TransactionConflict",
    "ThrottlingError",
    "ProvisionedThroughputExceeded",
];

/// What it answers to somebody who may not do that.
const DENIED: &[&str] = &[
    "AccessDeniedException",
    "UnrecognizedClientException",
    "IncompleteSignatureException",
    "MissingAuthenticationTokenException",
    "MissingAuthenticationToken",
    "InvalidSignatureException",
    "ExpiredTokenException",
    "NotAuthorized",
    "OptInRequired",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn cancelled(codes: &[&str]) -> StoreErrorKind {
        let reasons: Vec<_> = codes
            .iter()
            .map(|code| CancellationReason::builder().code(*code).build())
            .collect();
        kind_of("TransactionCanceledException", &reasons)
    }

    #[test]
    fn what_passes_by_itself_is_told_from_what_stays() {
        for (code, kind) in [
            ("ThrottlingException", StoreErrorKind::Busy),
            (
                "ProvisionedThroughputExceededException",
                StoreErrorKind::Busy,
            ),
            ("TransactionConflictException", StoreErrorKind::Busy),
            ("RequestLimitExceeded", StoreErrorKind::Busy),
            ("InternalServerError", StoreErrorKind::Failed),
            ("AccessDeniedException", StoreErrorKind::Denied),
            ("TableUnwritableException", StoreErrorKind::Unwritable),
            ("ResourceNotFoundException", StoreErrorKind::NoTable),
            ("ValidationException", StoreErrorKind::Refused),
            ("", StoreErrorKind::Refused),
        ] {
            assert_eq!(kind_of(code, &[]), kind, "{code}");
        }
        assert_eq!(
            cancelled(&["None", "ThrottlingError"]),
            StoreErrorKind::Busy
        );
        let both = ["ProvisionedThroughputExceeded", "TransactionConflict"];
        assert_eq!(cancelled(&both), StoreErrorKind::Busy);
        let one_stays = ["ThrottlingError", "ValidationError"];
        assert_eq!(cancelled(&one_stays), StoreErrorKind::Refused);
        assert_eq!(cancelled(&["None"]), StoreErrorKind::Refused);
        assert_eq!(cancelled(&[]), StoreErrorKind::Refused);
    }
}
