//! Holds: items that belong to one holder until a time, and that another may take after it.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{operation::put_item::PutItemError, types::AttributeValue};
use containerlease_domain::time::Time;

use super::{Store, StoreError, TTL_ATTRIBUTE, failed, number, text};

/// How long the item of an abandoned hold is kept.
const HOLD_TTL: Duration = Duration::from_secs(60 * 60);

/// A hold that is to be taken or extended.
pub(super) struct Hold<'h> {
    /// Where the item is.
    pub key: HashMap<String, AttributeValue>,
    /// The attribute that names the holder, and the holder.
    pub holder: (&'static str, &'h str),
    pub until: Time,
}

impl Store {
    /// Takes or extends a hold; returns whether the holder has it. It cannot while another's lasts.
    pub(super) async fn take_hold(
        &self,
        attempted: &'static str,
        hold: Hold<'_>,
        now: Time,
    ) -> Result<bool, StoreError> {
        let (attribute, holder) = hold.holder;
        let mut item = hold.key;
        item.insert(attribute.to_owned(), text(holder));
        item.insert("heldUntil".to_owned(), number(hold.until.as_millis()));
        item.insert(
            TTL_ATTRIBUTE.to_owned(),
            number(hold.until.plus(HOLD_TTL).as_secs_rounded_up()),
        );
        let condition =
            format!("attribute_not_exists(pk) OR {attribute} = :holder OR heldUntil <= :now");
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(condition)
            .expression_attribute_values(":holder", text(holder))
            .expression_attribute_values(":now", number(now.as_millis()));
        // Boxed: a relay awaits this so deep down that the compiler gives up on its layout.
        let sent = Box::pin(put.send()).await;
        match sent {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(failed(attempted, &error)),
            },
        }
    }
}
