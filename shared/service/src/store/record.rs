//! The shape of the table's items, and conversions between leases and items.

mod ending;

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use containerlease_domain::container::Sighting;
use containerlease_domain::{
    catalogue::ImageType,
    egress::Egress,
    idempotency::IdempotencyKey,
    lease::{Ending, Lease, Placement, State, StateName},
    names::{ContainerName, LeaseId, Owner},
    time::Time,
    webhook::Webhook,
};
use serde::{Deserialize, Serialize};

use super::{number, text};
use ending::{EndingItem, ReceiptItem};

pub(super) const DUE_PARTITION: &str = "due";
pub(super) const REAPER_PARTITION: &str = "reaper";
pub(super) const SIGHTING_PREFIX: &str = "sighting#";

/// The attribute that identifies each write.
pub(super) const TOKEN: &str = "writeToken";

/// All attributes of a lease besides its key. A write sets or removes every one of them.
pub(super) const ATTRIBUTES: &[&str] = &[
    "activeSk",
    "duePk",
    "dueAt",
    "purgeAt",
    TOKEN,
    "version",
    "state",
    "imageType",
    "name",
    "labels",
    "createdAt",
    "expiresAt",
    "hardDeadline",
    "cpuMilli",
    "memoryMb",
    "diskMb",
    "egress",
    "amountsCounted",
    "webhook",
    "placement",
    "ending",
    "receipt",
];

/// A lease as stored in the table. Top-level times are in milliseconds, since conditions and
/// indexes compare them; `purgeAt` is in seconds, as DynamoDB's TTL requires.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    pk: String,
    sk: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    active_sk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_pk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purge_at: Option<i64>,
    write_token: String,
    version: u64,
    state: StateName,
    image_type: ImageType,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    created_at: i64,
    expires_at: i64,
    hard_deadline: i64,
    cpu_milli: u32,
    memory_mb: u32,
    /// Absent in records of an earlier program, which limited no disks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    disk_mb: Option<u32>,
    #[serde(default, skip_serializing_if = "Egress::is_open")]
    egress: Egress,
    /// Absent in records of an earlier program, which counted no amounts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    amounts_counted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    webhook: Option<Webhook>,
    #[serde(skip_serializing_if = "Option::is_none")]
    placement: Option<Placement>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ending: Option<EndingItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<ReceiptItem>,
}

impl Item {
    /// The item of a lease. `purge_at` applies to an ended lease.
    pub(super) fn of(lease: &Lease, purge_at: Option<Time>) -> Self {
        let due_at = lease.due_at();
        let (ending, receipt) = match &lease.state {
            State::Provisioning | State::Running => (None, None),
            State::Ending(ending) | State::Quarantined(ending) => {
                (Some(EndingItem::from(ending)), None)
            }
            State::Ended(receipt) => (None, Some(ReceiptItem::from(receipt))),
        };
        Self {
            pk: owner_key(&lease.owner),
            sk: format!("{LEASE_PREFIX}{}", lease.id),
            active_sk: due_at.map(|_| lease.id.to_string()),
            due_pk: due_at.map(|_| DUE_PARTITION.to_owned()),
            due_at: due_at.map(Time::as_millis),
            purge_at: purge_at.map(Time::as_secs_rounded_up),
            write_token: uuid::Uuid::now_v7().to_string(),
            version: lease.version,
            state: lease.state_name(),
            image_type: lease.image_type.clone(),
            name: lease.name.clone(),
            labels: lease.labels.clone(),
            created_at: lease.created_at.as_millis(),
            expires_at: lease.expires_at.as_millis(),
            hard_deadline: lease.hard_deadline.as_millis(),
            cpu_milli: lease.cpu_milli,
            memory_mb: lease.memory_mb,
            disk_mb: lease.disk_mb,
            egress: lease.egress.clone(),
            amounts_counted: lease.amounts_counted,
            webhook: lease.webhook.clone(),
            placement: lease.placement.clone(),
            ending,
            receipt,
        }
    }

    pub(super) fn into_attributes(self) -> HashMap<String, AttributeValue> {
        serde_dynamo::to_item(self).expect("an item is made of texts, numbers and maps")
    }

    pub(super) fn from_attributes(
        attributes: HashMap<String, AttributeValue>,
    ) -> Result<Self, String> {
        serde_dynamo::from_item(attributes).map_err(|error| error.to_string())
    }

    /// The lease of an item, or why the item is invalid.
    pub(super) fn into_lease(self) -> Result<Lease, String> {
        let id: LeaseId = self
            .sk
            .strip_prefix(LEASE_PREFIX)
            .ok_or("its sort key is not a lease's")?
            .parse()
            .map_err(|_| "its sort key holds no lease id")?;
        let owner = self
            .pk
            .strip_prefix(OWNER_PREFIX)
            .and_then(|owner| Owner::try_from(owner.to_owned()).ok())
            .ok_or("its partition key is not an owner's")?;
        let ending = self.ending.map(Ending::from);
        let state = match self.state {
            StateName::Provisioning => State::Provisioning,
            StateName::Running => State::Running,
            StateName::Ending => State::Ending(ending.ok_or("it ends without its fields")?),
            StateName::Quarantined => {
                State::Quarantined(ending.ok_or("it is quarantined without its fields")?)
            }
            StateName::Ended => {
                State::Ended(self.receipt.ok_or("it ended without a receipt")?.into())
            }
        };
        Ok(Lease {
            id,
            owner,
            version: self.version,
            image_type: self.image_type,
            name: self.name,
            labels: self.labels,
            created_at: Time::from_millis(self.created_at),
            expires_at: Time::from_millis(self.expires_at),
            hard_deadline: Time::from_millis(self.hard_deadline),
            cpu_milli: self.cpu_milli,
            memory_mb: self.memory_mb,
            disk_mb: self.disk_mb,
            egress: self.egress,
            amounts_counted: self.amounts_counted,
            webhook: self.webhook,
            placement: self.placement,
            state,
        })
    }
}

const OWNER_PREFIX: &str = "owner#";
pub(super) const LEASE_PREFIX: &str = "lease#";
const KEY_PREFIX: &str = "key#";

pub(super) fn owner_key(owner: &Owner) -> String {
    format!("{OWNER_PREFIX}{}", owner.as_str())
}

pub(super) fn lease_key(owner: &Owner, id: &LeaseId) -> HashMap<String, AttributeValue> {
    key(owner_key(owner), format!("{LEASE_PREFIX}{id}"))
}

pub(super) fn quota_key(owner: &Owner) -> HashMap<String, AttributeValue> {
    key(owner_key(owner), "quota".to_owned())
}

pub(super) fn host_key() -> HashMap<String, AttributeValue> {
    key("host".to_owned(), "counted".to_owned())
}

pub(super) fn idempotency_key(
    owner: &Owner,
    named: &IdempotencyKey,
) -> HashMap<String, AttributeValue> {
    key(owner_key(owner), format!("{KEY_PREFIX}{}", named.digest()))
}

pub(super) fn sighting_key(container: &ContainerName) -> HashMap<String, AttributeValue> {
    key(
        REAPER_PARTITION.to_owned(),
        format!("{SIGHTING_PREFIX}{}", container.as_str()),
    )
}

pub(super) fn sighting_item(
    container: &ContainerName,
    seen: Time,
    purge_at: Time,
) -> HashMap<String, AttributeValue> {
    let mut item = sighting_key(container);
    item.insert("seenAt".to_owned(), number(seen.as_millis()));
    item.insert("purgeAt".to_owned(), number(purge_at.as_secs_rounded_up()));
    item
}

/// The sighting of an item; none if this program did not write it.
pub(super) fn sighting(item: &HashMap<String, AttributeValue>) -> Option<Sighting> {
    let sort_key = item.get("sk")?.as_s().ok()?;
    let container = ContainerName::listed_by_engine(sort_key.strip_prefix(SIGHTING_PREFIX)?)?;
    let seen: i64 = item.get("seenAt")?.as_n().ok()?.parse().ok()?;
    Some(Sighting {
        container,
        first_seen: Time::from_millis(seen),
    })
}

pub(super) fn key(pk: String, sk: String) -> HashMap<String, AttributeValue> {
    HashMap::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
}

#[cfg(test)]
mod tests;
