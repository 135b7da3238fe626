//! How often a call is sent again that the table could not carry out just now.
//!
//! The client does that for every call of the store, within [`TRIES`] and the time limit of a
//! call: where there was no answer, where the table failed on its own side or throttled, as
//! AWS knows of all its services; and where other writes of the same items were in the way,
//! which is this table's own. All of an owner's leases are counted in one item and all of a
//! deployment's in another, so many at once meet there.

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

/// How often a call is sent at most.
const TRIES: u32 = 14;

/// How long the first pause before the next try is at most; each is twice as long as the one
/// before, and a random part of that.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// How long such a pause is at most: fourteen tries take two and a half seconds, and five at
/// the most.
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

pub(super) fn config() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(TRIES)
        .with_initial_backoff(FIRST_PAUSE)
        .with_max_backoff(LONGEST_PAUSE)
}

/// Every call has its own bound. A budget for all calls of the process would let one item
/// that many write keep reads from being tried again.
pub(super) fn partition() -> RetryPartition {
    RetryPartition::custom("containerlease")
        .token_bucket(TokenBucket::unlimited())
        .build()
}

/// Tells what meets others from what is refused.
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
