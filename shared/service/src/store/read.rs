//! Reads leases: one, those of an owner that have not ended, and all of them in the order in which
//! they fall due.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{operation::query::builders::QueryFluentBuilder, types::AttributeValue};
use containerlease_domain::{
    lease::Lease,
    names::{LeaseId, Owner},
    time::Time,
};

use super::{
    ACTIVE_INDEX, DUE_INDEX, Found, Store, StoreError, StoreErrorKind, failed, lease_of, number,
    record, text,
};

/// Time limit for reading all leases that have not ended. Those due first are read first, so those
/// left unread have time.
const READ_LIMIT: Duration = Duration::from_secs(15);

impl Store {
    /// The owner's lease with that id, or none; read consistently.
    pub async fn get(&self, owner: &Owner, id: &LeaseId) -> Result<Option<Lease>, StoreError> {
        const ATTEMPTED: &str = "reading a lease";
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(record::lease_key(owner, id)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| failed(ATTEMPTED, &error))?;
        answer.item.map(|item| parse(ATTEMPTED, item)).transpose()
    }

    /// The owner's leases that have not ended, oldest first; read consistently. Unreadable records
    /// are skipped.
    pub async fn active_of(&self, owner: &Owner) -> Result<Vec<Lease>, StoreError> {
        self.active_found(owner).await.map(|found| found.items)
    }

    pub(super) async fn active_found(&self, owner: &Owner) -> Result<Found<Lease>, StoreError> {
        const ATTEMPTED: &str = "listing an owner's leases";
        let query = self
            .client
            .query()
            .index_name(ACTIVE_INDEX)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(record::owner_key(owner)))
            .consistent_read(true);
        let records = self.items(ATTEMPTED, query).await?;
        Ok(self.found(ATTEMPTED, records, lease_of))
    }

    /// All leases that have not ended, ordered by due time. On AWS the index may lag by moments, so
    /// a lease missing here may still exist. If there are too many to read in time, those due last
    /// are left out ([`Found::whole`]).
    pub async fn active(&self) -> Result<Found<Lease>, StoreError> {
        const ATTEMPTED: &str = "reading the leases that have not ended";
        let begun = tokio::time::Instant::now();
        let query = self.due_query().key_condition_expression("duePk = :pk");
        let mut pages = query.into_paginator().send();
        let mut records = Vec::new();
        let mut whole = true;
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed(ATTEMPTED, &error))?;
            whole = page.last_evaluated_key.is_none() || begun.elapsed() < READ_LIMIT;
            records.extend(page.items.unwrap_or_default());
            if !whole {
                break;
            }
        }
        Ok(Found {
            whole,
            ..self.found(ATTEMPTED, records, lease_of)
        })
    }

    /// At most `limit` of the leases due by `until`, ordered by due time. On AWS the index may lag
    /// by moments.
    pub async fn due(&self, until: Time, limit: i32) -> Result<Found<Lease>, StoreError> {
        const ATTEMPTED: &str = "reading the leases that fall due";
        let query = self
            .due_query()
            .key_condition_expression("duePk = :pk AND dueAt <= :until")
            .expression_attribute_values(":until", number(until.as_millis()))
            .limit(limit);
        let page = query.send().await;
        let page = page.map_err(|error| failed(ATTEMPTED, &error))?;
        let whole = page.last_evaluated_key.is_none();
        let records = page.items.unwrap_or_default();
        Ok(Found {
            whole,
            ..self.found(ATTEMPTED, records, lease_of)
        })
    }

    fn due_query(&self) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .index_name(DUE_INDEX)
            .expression_attribute_values(":pk", text(record::DUE_PARTITION))
    }
}

fn parse(
    attempted: &'static str,
    attributes: HashMap<String, AttributeValue>,
) -> Result<Lease, StoreError> {
    lease_of(attributes).map_err(|message| StoreError {
        attempted,
        kind: StoreErrorKind::Corrupt,
        message,
    })
}
