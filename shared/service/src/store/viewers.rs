//! The viewers of each log, and the relay that serves them.
//!
//! | item | `pk` | `sk` |
//! |---|---|---|
//! | a viewer of a lease's log | `viewers#LEASE` | `viewer#CONNECTION` |
//! | the relay that serves them | `viewers#LEASE` | `relay` |
//! | the lease whose log a connection carries | `connection#CONNECTION` | `connection` |
//!
//! Relays renew a short hold, so dead ones are detected. A viewer's item names the relay that
//! serves it, from before its first line: only that relay knows what it has sent to the viewer.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{operation::delete_item::DeleteItemError, types::AttributeValue};
use containerlease_domain::{
    logs::{Cursor, Start},
    names::{LeaseId, Owner},
    time::Time,
};
use serde::{Deserialize, Serialize};

use super::{Store, StoreError, failed, hold::Hold, number, record, text};

/// TTL of an abandoned viewer item, after the lease's hard deadline.
const VIEWER_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// A connection that watches a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Viewer {
    pub connection: String,
    /// Where its view begins or resumes.
    pub start: Start,
    /// Whether it has paused its lines.
    pub paused: bool,
    /// How often it has asked to skip lines that had not arrived yet.
    pub skips: u32,
    /// The relay that serves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub served_by: Option<String>,
}

/// What a viewer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Pause,
    Resume,
    Skip,
}

/// The hold of a lease's relay, valid while the relay renews it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayHold {
    pub relay: String,
    pub until: Time,
}

impl Store {
    /// Writes a new viewer of a log.
    pub async fn add_viewer(
        &self,
        owner: &Owner,
        lease: &LeaseId,
        hard_deadline: Time,
        viewer: &Viewer,
    ) -> Result<(), StoreError> {
        const ATTEMPTED: &str = "adding a viewer";
        let purge_at = number(hard_deadline.plus(VIEWER_TTL).as_secs_rounded_up());
        let mut connection = connection_key(&viewer.connection);
        connection.insert("owner".to_owned(), text(owner.as_str()));
        connection.insert("lease".to_owned(), text(lease.to_string()));
        let mut item: HashMap<_, _> =
            serde_dynamo::to_item(viewer).expect("a viewer is made of texts, numbers and maps");
        item.extend(viewer_key(lease, &viewer.connection));
        // In this order, so that every viewer that is served can be found by its connection.
        for mut item in [connection, item] {
            item.insert(super::TTL_ATTRIBUTE.to_owned(), purge_at.clone());
            let put = self.client.put_item().table_name(&self.table);
            let put = put.set_item(Some(item)).send().await;
            put.map_err(|error| failed(ATTEMPTED, &error))?;
        }
        Ok(())
    }

    /// The viewers of a log, and the relay that serves them; read consistently. A viewer with an
    /// unreadable record is skipped: nobody can serve it.
    pub async fn viewers(
        &self,
        lease: &LeaseId,
    ) -> Result<(Vec<Viewer>, Option<RelayHold>), StoreError> {
        const ATTEMPTED: &str = "listing the viewers of a log";
        let query = self
            .client
            .query()
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(partition(lease)))
            .consistent_read(true);
        let mut viewers = Vec::new();
        let mut hold = None;
        for item in self.items(ATTEMPTED, query).await? {
            if item.get("sk") == Some(&text(RELAY)) {
                hold = relay_hold(&item);
                continue;
            }
            let viewer = self.readable(ATTEMPTED, item, |item| {
                serde_dynamo::from_item(item).map_err(|error| error.to_string())
            });
            viewers.extend(viewer);
        }
        Ok((viewers, hold))
    }

    /// The lease whose log a connection carries.
    pub async fn viewed_by(
        &self,
        connection: &str,
    ) -> Result<Option<(Owner, LeaseId)>, StoreError> {
        let read = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(connection_key(connection)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| failed("looking up a connection", &error))?;
        Ok(read.item.and_then(|item| {
            let owner = item.get("owner")?.as_s().ok()?.clone();
            let lease = item.get("lease")?.as_s().ok()?;
            Some((Owner::try_from(owner).ok()?, lease.parse().ok()?))
        }))
    }

    /// Records what a viewer asks for. A viewer that is gone is ignored.
    pub async fn wish(
        &self,
        lease: &LeaseId,
        connection: &str,
        wish: Wish,
    ) -> Result<(), StoreError> {
        let (update, value) = match wish {
            Wish::Pause => ("SET paused = :value", AttributeValue::Bool(true)),
            Wish::Resume => ("SET paused = :value", AttributeValue::Bool(false)),
            Wish::Skip => ("ADD skips :value", number(1)),
        };
        let values = HashMap::from([(":value".to_owned(), value)]);
        self.change_viewer(lease, connection, update, values)
            .await
            .map(drop)
    }

    /// Records which relay serves a viewer; returns whether the viewer still exists.
    pub async fn serve(
        &self,
        lease: &LeaseId,
        connection: &str,
        relay: &str,
    ) -> Result<bool, StoreError> {
        let values = HashMap::from([(":relay".to_owned(), text(relay))]);
        self.change_viewer(lease, connection, "SET servedBy = :relay", values)
            .await
    }

    /// Records where a viewer is, so that another relay may serve it from now on.
    pub async fn hand_back(
        &self,
        lease: &LeaseId,
        connection: &str,
        cursor: Cursor,
    ) -> Result<(), StoreError> {
        let start = serde_dynamo::to_attribute_value(Start::After(cursor))
            .expect("a start is made of texts");
        let values = HashMap::from([(":start".to_owned(), start)]);
        let update = "SET #start = :start REMOVE servedBy";
        self.change_viewer(lease, connection, update, values)
            .await
            .map(drop)
    }

    /// Removes a viewer.
    pub async fn remove_viewer(&self, lease: &LeaseId, connection: &str) -> Result<(), StoreError> {
        for key in [viewer_key(lease, connection), connection_key(connection)] {
            let delete = self.client.delete_item().table_name(&self.table);
            let delete = delete.set_key(Some(key)).send().await;
            delete.map_err(|error| failed("removing a viewer", &error))?;
        }
        Ok(())
    }

    /// Makes `relay` the relay of a log's viewers until `until`, or extends its hold; returns
    /// whether it holds them. It cannot while another relay's hold lasts.
    pub async fn hold_relay(
        &self,
        lease: &LeaseId,
        relay: &str,
        now: Time,
        until: Time,
    ) -> Result<bool, StoreError> {
        let hold = Hold {
            key: relay_key(lease),
            holder: ("relay", relay),
            until,
        };
        self.take_hold("holding a relay", hold, now).await
    }

    /// Releases a relay's hold. A hold that another relay has taken over stays.
    pub async fn release_relay(&self, lease: &LeaseId, relay: &str) -> Result<(), StoreError> {
        let sent = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(relay_key(lease)))
            .condition_expression("relay = :relay")
            .expression_attribute_values(":relay", text(relay))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(failed("releasing a relay", &error)),
            },
        }
    }

    /// Changes a viewer; returns whether it still exists.
    async fn change_viewer(
        &self,
        lease: &LeaseId,
        connection: &str,
        update: &str,
        values: HashMap<String, AttributeValue>,
    ) -> Result<bool, StoreError> {
        let mut change = self
            .client
            .update_item()
            .set_key(Some(viewer_key(lease, connection)))
            .update_expression(update)
            .set_expression_attribute_values(Some(values));
        if update.contains("#start") {
            change = change.expression_attribute_names("#start", "start");
        }
        self.update_if_there("changing a viewer", change).await
    }
}

const RELAY: &str = "relay";

fn partition(lease: &LeaseId) -> String {
    format!("viewers#{lease}")
}

fn viewer_key(lease: &LeaseId, connection: &str) -> HashMap<String, AttributeValue> {
    record::key(partition(lease), format!("viewer#{connection}"))
}

fn relay_key(lease: &LeaseId) -> HashMap<String, AttributeValue> {
    record::key(partition(lease), RELAY.to_owned())
}

fn connection_key(connection: &str) -> HashMap<String, AttributeValue> {
    record::key(format!("connection#{connection}"), "connection".to_owned())
}

/// The hold of an item; none if this program did not write it.
fn relay_hold(item: &HashMap<String, AttributeValue>) -> Option<RelayHold> {
    Some(RelayHold {
        relay: item.get("relay")?.as_s().ok()?.clone(),
        until: Time::from_millis(item.get("heldUntil")?.as_n().ok()?.parse().ok()?),
    })
}
