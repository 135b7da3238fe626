//! Errors of the table, in our terms.

use std::any::Any;

use aws_sdk_dynamodb::{
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    operation::transact_write_items::TransactWriteItemsError,
    types::CancellationReason,
};
use containerlease_domain::capacity::Whose;
use thiserror::Error;

use super::Shortage;

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
    /// It is throttled, or other writes of the same items keep conflicting.
    Busy,
    /// It failed on its own side.
    Failed,
    /// On one machine, its disk does not take the write.
    Unwritable,
    /// On one machine, no room is left for writes that can be refused.
    NoRoom(Shortage),
    /// There is no such table.
    NoTable,
    /// We lack the permission.
    Denied,
    /// It refused for another reason.
    Refused,
    /// It holds an item that this program did not write.
    Corrupt,
}

/// Why a lease was not written.
#[derive(Debug, Error)]
pub enum CreateError {
    /// The owner's or the host's limit leaves no room for the lease.
    #[error("there is no room for the lease: {0:?}")]
    Full(Whose),
    /// Another lease was made with the same idempotency key.
    #[error("the idempotency key is already used")]
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

/// The lease was written since it was read, or its end time does not allow the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the lease has changed since it was read")]
pub struct Changed;

/// Translates the SDK's error. The only place that does so.
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

/// The meaning of an error's code and, for a cancelled transaction, of its reasons per item.
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
        // The embedded table's own code.
        "TableUnwritableException" => StoreErrorKind::Unwritable,
        "ResourceNotFoundException" => StoreErrorKind::NoTable,
        _ if DENIED.contains(&code) => StoreErrorKind::Denied,
        _ => StoreErrorKind::Refused,
    }
}

/// The reasons of a cancelled transaction; empty for any other error.
pub(super) fn reasons_of<E: 'static, R>(error: &SdkError<E, R>) -> &[CancellationReason] {
    let error = error.as_service_error().map(|error| error as &dyn Any);
    match error.and_then(|error| error.downcast_ref()) {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            cancelled.cancellation_reasons()
        }
        _ => &[],
    }
}

/// Codes for throttling or for conflicting writes of the same items. The same request may succeed a
/// moment later.
const BUSY: &[&str] = &[
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "TransactionConflictException",
    "TransactionInProgressException",
    "ReplicatedWriteConflictException",
    "LimitExceededException",
];

/// The same, as the reason of one item of a cancelled transaction.
const BUSY_REASONS: &[&str] = &[
    "TransactionConflict",
    "ThrottlingError",
    "ProvisionedThroughputExceeded",
];

/// Codes for missing permission.
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
