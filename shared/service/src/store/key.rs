//! The use of an idempotency key.
//!
//! | item | `pk` | `sk` |
//! |---|---|---|
//! | the use of a key | `owner#OWNER` | `key#DIGEST` |
//!
//! It is written in the transaction that creates the lease. Whether it is still valid depends on
//! its own `expiresAt`; the table's TTL only cleans up.

use aws_sdk_dynamodb::types::Put;
use containerlease_domain::{
    idempotency::{Fingerprint, IdempotencyKey, KEY_TTL},
    lease::Lease,
    names::{LeaseId, Owner},
    time::Time,
};
use serde::{Deserialize, Serialize};

use super::{Store, StoreError, StoreErrorKind, TTL_ATTRIBUTE, failed, number, record, text};

/// What a key was used for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyUse {
    pub lease: LeaseId,
    pub request: Fingerprint,
}

/// The use of a key, to be written with a new lease.
#[derive(Clone, Copy, Debug)]
pub struct NewKeyUse<'k> {
    pub key: &'k IdempotencyKey,
    pub request: &'k Fingerprint,
    /// The lease that the key was used for so far, and that this use may replace.
    pub replaces: Option<LeaseId>,
}

impl Store {
    /// The owner's use of the key, if it is still valid at `now`; read consistently.
    pub async fn key_use(
        &self,
        owner: &Owner,
        key: &IdempotencyKey,
        now: Time,
    ) -> Result<Option<KeyUse>, StoreError> {
        const ATTEMPTED: &str = "looking up an idempotency key";
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(record::idempotency_key(owner, key)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| failed(ATTEMPTED, &error))?;
        let stands = |value: &aws_sdk_dynamodb::types::AttributeValue| {
            let millis = value.as_n().ok()?.parse().ok()?;
            Some(now < Time::from_millis(millis))
        };
        let Some(item) = answer.item else {
            return Ok(None);
        };
        if item.get(EXPIRES_AT).and_then(stands) != Some(true) {
            return Ok(None);
        }
        let used = serde_dynamo::from_item(item).map_err(|error| StoreError {
            attempted: ATTEMPTED,
            kind: StoreErrorKind::Corrupt,
            message: error.to_string(),
        })?;
        Ok(Some(used))
    }

    /// Writes the use of a key, unless another use is still valid.
    pub(super) fn use_key(&self, lease: &Lease, used: &NewKeyUse<'_>) -> Put {
        let expires_at = lease.created_at.plus(KEY_TTL);
        let mut item: std::collections::HashMap<_, _> = serde_dynamo::to_item(KeyUse {
            lease: lease.id,
            request: used.request.clone(),
        })
        .expect("the use of a key is made of texts");
        item.extend(record::idempotency_key(&lease.owner, used.key));
        item.insert(EXPIRES_AT.to_owned(), number(expires_at.as_millis()));
        let purge_at = number(expires_at.as_secs_rounded_up());
        item.insert(TTL_ATTRIBUTE.to_owned(), purge_at);
        let mut condition = format!("attribute_not_exists(pk) OR {EXPIRES_AT} <= :now");
        let mut put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .expression_attribute_values(":now", number(lease.created_at.as_millis()));
        if let Some(replaces) = used.replaces {
            condition.push_str(" OR lease = :replaces");
            put = put.expression_attribute_values(":replaces", text(replaces.to_string()));
        }
        let put = put.condition_expression(condition).build();
        put.expect("all that a put needs is given")
    }
}

const EXPIRES_AT: &str = "expiresAt";
