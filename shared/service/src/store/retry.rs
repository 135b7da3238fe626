//! Retries of calls that the table could not carry out just now.
//!
//! The client retries every call of the store, within [`TRIES`] and the call's time limit. It
//! retries when no answer came, when the table failed on its own side, and when the table
//! throttled, as for every AWS service. In addition it retries conflicts with other writes of the
//! same items: each owner and each deployment has one item with counts, where concurrent writes
//! conflict.

use std::time::Duration;

use aws_sdk_dynamodb::{
    config::retry::{ClassifyRetry, RetryAction, RetryConfig, RetryPartition, TokenBucket},
    error::ProvideErrorMetadata,
    operation::{
        delete_item::DeleteItemError, put_item::PutItemError,
        transact_write_items::TransactWriteItemsError, update_item::UpdateItemError,
    },
};
use aws_smithy_runtime_api::client::{
    interceptors::context::{Error, InterceptorContext},
    orchestrator::OrchestratorError,
};

use super::error::{StoreErrorKind, kind_of};

/// Maximum number of tries of a call.
const TRIES: u32 = 14;

/// Upper bound of the first pause before a retry. The bound doubles with each retry; the pause is a
/// random part of it.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Upper bound of any such pause: fourteen tries take two and a half seconds, five at most.
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

pub(super) fn config() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(TRIES)
        .with_initial_backoff(FIRST_PAUSE)
        .with_max_backoff(LONGEST_PAUSE)
}

/// Every call has its own retry budget. With one budget for the process, a single contended item
/// would stop reads from being retried.
pub(super) fn partition() -> RetryPartition {
    RetryPartition::custom("containerlease")
        .token_bucket(TokenBucket::unlimited())
        .build()
}

/// Tells conflicts with other writes from refusals.
#[derive(Debug)]
pub(super) struct MeetsOthers;

impl ClassifyRetry for MeetsOthers {
    fn classify_retry(&self, call: &InterceptorContext) -> RetryAction {
        let error = call.output_or_error().and_then(Result::err);
        match error.and_then(OrchestratorError::as_operation_error) {
            Some(error) if kind(error) == Some(StoreErrorKind::Busy) => {
                RetryAction::throttling_error()
            }
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "Meets others at the table"
    }
}

fn kind(error: &Error) -> Option<StoreErrorKind> {
    if let Some(error) = error.downcast_ref::<TransactWriteItemsError>() {
        let reasons = match error {
            TransactWriteItemsError::TransactionCanceledException(cancelled) => {
                cancelled.cancellation_reasons()
            }
            _ => &[],
        };
        return Some(kind_of(error.code()?, reasons));
    }
    let code = code_of::<PutItemError>(error)
        .or_else(|| code_of::<UpdateItemError>(error))
        .or_else(|| code_of::<DeleteItemError>(error))?;
    Some(kind_of(code, &[]))
}

fn code_of<E>(error: &Error) -> Option<&str>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    error.downcast_ref::<E>()?.code()
}
