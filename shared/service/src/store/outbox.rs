//! Notifications for owners, and the results of their deliveries.
//!
//! | item | `pk` | `sk` |
//! |---|---|---|
//! | the warning before a lease's end | `notify#LEASE` | `lease.expiring` |
//! | the notification of its end | `notify#LEASE` | `lease.ended` |
//!
//! Each is written in the transaction that changes the lease: the change and its notification
//! commit together. The index `due` holds it under `notify` while deliveries are still to be tried.
//! Notifications have their own partition, for the reasons given for [a kept log](super::kept). So
//! a delivery and an end write the same item only once, when the end cancels the warning.
//!
//! Writing an attempt is conditional on the event's time and the number of attempts: a renewal may
//! have replaced this warning, or another process may have claimed it.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemError,
    types::{AttributeValue, Put, TransactWriteItem, Update},
};
use containerlease_domain::{
    lease::Lease,
    names::{LeaseId, Owner},
    notification::{DeliveryState, Event, Notification},
    time::Time,
};
use serde::{Deserialize, Serialize};

use super::{
    ChangeError, Changed, DUE_INDEX, Found, Store, StoreError, TTL_ATTRIBUTE, failed, number,
    record, text,
};

/// Maximum number of due notifications that a run reads, page by page. The next run reads the rest.
const READ: usize = 10_000;
const PAGE: i32 = 1_000;

const DUE_PARTITION: &str = "notify";
const PREFIX: &str = "notify#";

impl Store {
    /// The notifications due by `until`, ordered by due time. On AWS the index may lag by moments.
    pub async fn due_notifications(&self, until: Time) -> Result<Found<Notification>, StoreError> {
        const ATTEMPTED: &str = "reading the due notifications";
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(DUE_INDEX)
            .key_condition_expression("duePk = :pk AND dueAt <= :until")
            .expression_attribute_values(":pk", text(DUE_PARTITION))
            .expression_attribute_values(":until", number(until.as_millis()))
            .limit(PAGE);
        let mut pages = query.into_paginator().send();
        let mut records = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed(ATTEMPTED, &error))?;
            records.extend(page.items.unwrap_or_default());
            if records.len() >= READ {
                break;
            }
        }
        Ok(self.found(ATTEMPTED, records, notification))
    }

    /// The notifications due from `from` to `until`, ordered by due time. On AWS the index may lag
    /// by moments.
    pub async fn notifications_between(
        &self,
        from: Time,
        until: Time,
    ) -> Result<Vec<Notification>, StoreError> {
        const ATTEMPTED: &str = "reading the coming notifications";
        let query = self
            .client
            .query()
            .index_name(DUE_INDEX)
            .key_condition_expression("duePk = :pk AND dueAt BETWEEN :from AND :until")
            .expression_attribute_values(":pk", text(DUE_PARTITION))
            .expression_attribute_values(":from", number(from.as_millis()))
            .expression_attribute_values(":until", number(until.as_millis()));
        let records = self.items(ATTEMPTED, query).await?;
        Ok(self.found(ATTEMPTED, records, notification).items)
    }

    /// A lease's notifications, the warning first; read consistently. The caller has already
    /// checked who owns the lease.
    pub async fn notifications_of(&self, lease: &LeaseId) -> Result<Vec<Notification>, StoreError> {
        const ATTEMPTED: &str = "reading a lease's notifications";
        let query = self
            .client
            .query()
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(format!("{PREFIX}{lease}")))
            .scan_index_forward(false)
            .consistent_read(true);
        let records = self.items(ATTEMPTED, query).await?;
        Ok(self.found(ATTEMPTED, records, notification).items)
    }

    /// Claims the next attempt: of all that have read the same version, one succeeds.
    pub async fn claim_delivery(
        &self,
        due: &Notification,
        now: Time,
    ) -> Result<Notification, ChangeError> {
        let claimed = due.claimed(now);
        self.change(&claimed, due.attempts).await?;
        Ok(claimed)
    }

    /// Writes the result of a claimed attempt.
    pub async fn settle_delivery(&self, after: &Notification) -> Result<(), ChangeError> {
        self.change(after, after.attempts).await
    }

    /// Writes the notification if its `attempts` are unchanged. If it stays in the index, it must
    /// still be there: else this would restore a warning that an end has cancelled.
    async fn change(&self, after: &Notification, attempts: u32) -> Result<(), ChangeError> {
        let state = serde_dynamo::to_attribute_value(after.state).expect("it is a text");
        let mut set = vec!["#state = :state", "attempts = :attempts"];
        let mut remove = vec![];
        let mut condition = "eventAt = :eventAt AND attempts = :read".to_owned();
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(&after.lease, after.event)))
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", state)
            .expression_attribute_values(":attempts", number(after.attempts.into()))
            .expression_attribute_values(":eventAt", number(after.at.as_millis()))
            .expression_attribute_values(":read", number(attempts.into()));
        match after.next_attempt_at {
            Some(at) => {
                set.push("dueAt = :dueAt");
                condition.push_str(" AND attribute_exists(duePk)");
                update = update.expression_attribute_values(":dueAt", number(at.as_millis()));
            }
            None => remove.extend(["duePk", "dueAt"]),
        }
        match after.last_status {
            Some(status) => {
                set.push("lastStatus = :status");
                update = update.expression_attribute_values(":status", number(status.into()));
            }
            None => remove.push("lastStatus"),
        }
        match &after.last_error {
            Some(error) => {
                set.push("lastError = :error");
                update = update.expression_attribute_values(":error", text(error));
            }
            None => remove.push("lastError"),
        }
        let mut expression = format!("SET {}", set.join(", "));
        if !remove.is_empty() {
            expression.push_str(" REMOVE ");
            expression.push_str(&remove.join(", "));
        }
        let sent = update
            .update_expression(expression)
            .condition_expression(condition)
            .send()
            .await;
        let Err(error) = sent else { return Ok(()) };
        let changed = error
            .as_service_error()
            .is_some_and(UpdateItemError::is_conditional_check_failed_exception);
        if changed {
            Err(Changed.into())
        } else {
            Err(failed("changing a notification", &error).into())
        }
    }

    /// The warning of a lease, replacing one for another end; none if the lease has no warning.
    pub(super) fn warning_of(&self, lease: &Lease) -> Option<TransactWriteItem> {
        let warning = Notification::warning(lease)?;
        Some(self.put(&warning, None))
    }

    /// The writes of an end for its owner: they add the notification and cancel the warning. Both
    /// are kept as long as the lease.
    pub(super) fn end_of(
        &self,
        lease: &Lease,
        removed_at: Time,
        purge_at: Time,
    ) -> Vec<TransactWriteItem> {
        let Some(ended) = Notification::ended(lease, removed_at) else {
            return Vec::new();
        };
        let mut items = vec![self.put(&ended, Some(purge_at))];
        if Notification::warning(lease).is_some() {
            let update = Update::builder()
                .table_name(&self.table)
                .set_key(Some(key(&lease.id, Event::Expiring)))
                .update_expression(format!(
                    "SET {TTL_ATTRIBUTE} = :purgeAt REMOVE duePk, dueAt"
                ))
                .expression_attribute_values(":purgeAt", number(purge_at.as_secs_rounded_up()))
                .build()
                .expect("all that an update needs is given");
            items.push(TransactWriteItem::builder().update(update).build());
        }
        items
    }

    fn put(&self, notification: &Notification, purge_at: Option<Time>) -> TransactWriteItem {
        let item = Item {
            due_pk: Some(DUE_PARTITION.to_owned()),
            due_at: notification.next_attempt_at.map(Time::as_millis),
            purge_at: purge_at.map(Time::as_secs_rounded_up),
            owner: notification.owner.as_str().to_owned(),
            receiver: notification.receiver.clone(),
            event_at: notification.at.as_millis(),
            state: notification.state,
            attempts: notification.attempts,
            last_status: notification.last_status,
            last_error: notification.last_error.clone(),
        };
        let mut attributes: HashMap<_, _> =
            serde_dynamo::to_item(item).expect("an item is made of texts and numbers");
        attributes.extend(key(&notification.lease, notification.event));
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(attributes))
            .build()
            .expect("all that a put needs is given");
        TransactWriteItem::builder().put(put).build()
    }
}

/// A notification as stored in the table, without its key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    #[serde(skip_serializing_if = "Option::is_none")]
    due_pk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purge_at: Option<i64>,
    owner: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    receiver: Option<String>,
    event_at: i64,
    state: DeliveryState,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
}

fn notification(attributes: HashMap<String, AttributeValue>) -> Result<Notification, String> {
    let part = |name| attributes.get(name).and_then(|value| value.as_s().ok());
    let lease = part("pk").and_then(|pk| pk.strip_prefix(PREFIX)?.parse().ok());
    let event = part("sk").and_then(|sk| event_named(sk));
    let (lease, event) = (
        lease.ok_or("its partition key is not a lease's")?,
        event.ok_or("its sort key is no event's")?,
    );
    let item: Item = serde_dynamo::from_item(attributes).map_err(|error| error.to_string())?;
    // The end cancelled it by removing it from the index.
    let state = match (item.state, item.due_pk) {
        (DeliveryState::Pending, None) => DeliveryState::Dropped,
        (state, _) => state,
    };
    Ok(Notification {
        lease,
        receiver: item.receiver,
        owner: Owner::try_from(item.owner).map_err(|_| "it names no owner")?,
        event,
        at: Time::from_millis(item.event_at),
        state,
        attempts: item.attempts,
        next_attempt_at: item.due_at.map(Time::from_millis),
        last_status: item.last_status,
        last_error: item.last_error,
    })
}

fn event_named(name: &str) -> Option<Event> {
    let mut events = [Event::Expiring, Event::Ended].into_iter();
    events.find(|event| event.as_str() == name)
}

fn key(lease: &LeaseId, event: Event) -> HashMap<String, AttributeValue> {
    record::key(format!("{PREFIX}{lease}"), event.as_str().to_owned())
}
