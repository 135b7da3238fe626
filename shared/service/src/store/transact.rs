//! Transactions.

use aws_sdk_dynamodb::types::TransactWriteItem;

use super::{Store, StoreError, error::reasons_of, failed};

impl Store {
    /// Carries out a transaction. Conflicts are retried as [`super::retry`] says, each time with
    /// the client's token. If a transaction was carried out but its answer was lost, the retry does
    /// not repeat it.
    pub(super) async fn transact(
        &self,
        attempted: &'static str,
        items: Vec<TransactWriteItem>,
    ) -> Result<Transacted, StoreError> {
        let transaction = self.client.transact_write_items();
        let sent = transaction.set_transact_items(Some(items)).send().await;
        let Err(error) = sent else {
            return Ok(Transacted::Done);
        };
        let failed_condition = reasons_of(&error)
            .iter()
            .position(|reason| reason.code() == Some("ConditionalCheckFailed"));
        match failed_condition {
            Some(index) => Ok(Transacted::ConditionFailed { index }),
            None => Err(failed(attempted, &error)),
        }
    }
}

/// The result of a transaction.
pub(super) enum Transacted {
    Done,
    ConditionFailed { index: usize },
}
