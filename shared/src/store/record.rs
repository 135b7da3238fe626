//! The shape of the table's items, and conversions between leases and items.

mod ending;

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};

use super::{Sighting, number, text};
use crate::{
    catalogue::ImageType,
    egress::Egress,
    idempotency::IdempotencyKey,
    lease::{Ending, Lease, Placement, State, StateName},
    names::{ContainerName, LeaseId, Owner},
    time::Time,
    webhook::Webhook,
};
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
mod tests {
    use super::*;
    use crate::lease::{Facts, Reason, Receipt};
    use crate::names::Holder;
    use crate::webhook::{NotifyUrl, Secret};

    fn lease(state: State) -> Lease {
        let created = Time::from_millis(1_000);
        Lease {
            id: LeaseId::generate(),
            owner: Owner::local(),
            version: 7,
            image_type: ImageType::for_tests("redis"),
            name: Some("mine".to_owned()),
            labels: BTreeMap::from([("team".to_owned(), String::new())]),
            created_at: created,
            expires_at: Time::from_millis(61_000),
            hard_deadline: Time::from_millis(601_000),
            cpu_milli: 500,
            memory_mb: 256,
            disk_mb: Some(1024),
            egress: Egress::None,
            amounts_counted: true,
            webhook: Some(Webhook {
                url: NotifyUrl::parse("https://example.org/hook", false).unwrap(),
                secret: Secret::generate(),
                warn_seconds: Some(30),
            }),
            placement: Some(Placement {
                container: ContainerName::listed_by_engine("0a1b"),
                started_at: created,
                image: "redis:7".to_owned(),
                stand_in: false,
                ports: vec![],
                credentials: Some(crate::lease::Credentials {
                    container_port: 6379,
                    user: "default".to_owned(),
                    password: crate::lease::Password::generate(),
                }),
            }),
            state,
        }
    }

    fn every_state() -> [State; 5] {
        let ending = Ending {
            reason: Reason::Expired,
            requested_at: Time::from_millis(61_000),
            attempts: 2,
            next_attempt_at: Time::from_millis(181_000),
            holder: Some(Holder::generate()),
            facts: Facts {
                stopped_at: Some(Time::from_millis(61_500)),
                exit_code: Some(137),
                out_of_memory: true,
                last_lines: vec!["it is too much".to_owned()],
                removal_began_at: Some(Time::from_millis(61_600)),
            },
        };
        let receipt = Receipt {
            reason: Reason::Expired,
            requested_at: Time::from_millis(61_000),
            stopped_at: None,
            removed_at: Time::from_millis(61_700),
            attempts: 2,
            overshoot_ms: Some(700),
            exit_code: None,
            out_of_memory: true,
            last_lines: vec!["it was like this".to_owned()],
        };
        [
            State::Provisioning,
            State::Running,
            State::Ending(ending.clone()),
            State::Quarantined(ending),
            State::Ended(receipt),
        ]
    }

    #[test]
    fn a_lease_in_any_state_comes_back_as_it_went() {
        for state in every_state() {
            let lease = lease(state);
            let attributes = Item::of(&lease, None).into_attributes();
            let back = Item::from_attributes(attributes).unwrap().into_lease();
            assert_eq!(back, Ok(lease));
        }
    }

    #[test]
    fn a_write_knows_every_attribute_of_an_item() {
        for state in every_state() {
            let attributes = Item::of(&lease(state), Some(Time::from_millis(1))).into_attributes();
            for name in attributes
                .keys()
                .filter(|name| !["pk", "sk"].contains(&name.as_str()))
            {
                assert!(ATTRIBUTES.contains(&name.as_str()), "{name}");
            }
        }
    }

    #[test]
    fn only_leases_that_have_not_ended_are_in_the_indexes() {
        for state in every_state() {
            let lease = lease(state);
            let attributes = Item::of(&lease, None).into_attributes();
            let active = lease.state_name() != StateName::Ended;
            for index_key in ["activeSk", "duePk", "dueAt"] {
                assert_eq!(attributes.contains_key(index_key), active, "{index_key}");
            }
        }
    }

    #[test]
    fn what_an_earlier_program_has_written_is_read() {
        let lease = lease(State::Running);
        let mut attributes = Item::of(&lease, None).into_attributes();
        for later in ["labels", "amountsCounted", "webhook", "diskMb", "egress"] {
            attributes.remove(later).unwrap();
        }
        let earlier = Lease {
            labels: BTreeMap::new(),
            amounts_counted: false,
            webhook: None,
            disk_mb: None,
            egress: Egress::Open,
            ..lease
        };
        let back = Item::from_attributes(attributes).unwrap().into_lease();
        assert_eq!(back, Ok(earlier));
    }

    #[test]
    fn a_reason_that_is_no_more_is_read_as_a_failure() {
        let [.., ending, _, ended] = every_state();
        for (state, part) in [(ending, "ending"), (ended, "receipt")] {
            let mut attributes = Item::of(&lease(state.clone()), None).into_attributes();
            let AttributeValue::M(part) = attributes.get_mut(part).unwrap() else {
                panic!("it is no map");
            };
            part.insert("reason".to_owned(), text("orphaned"));
            let back = Item::from_attributes(attributes).unwrap().into_lease();
            let reason = match back.unwrap().state {
                State::Ending(ending) => ending.reason,
                State::Ended(receipt) => receipt.reason,
                other => panic!("{other:?}"),
            };
            assert_eq!(reason, Reason::Failed);
        }
    }

    #[test]
    fn an_end_that_an_earlier_program_has_claimed_is_read() {
        let [.., ending, _, _] = every_state();
        let mut attributes = Item::of(&lease(ending), None).into_attributes();
        let AttributeValue::M(part) = attributes.get_mut("ending").unwrap() else {
            panic!("it is no map");
        };
        for later in ["holder", "outOfMemory", "lastLines", "removalBeganAt"] {
            part.remove(later).unwrap();
        }
        let AttributeValue::M(placement) = attributes.get_mut("placement").unwrap() else {
            panic!("it is no map");
        };
        placement.remove("container").unwrap();
        let back = Item::from_attributes(attributes)
            .unwrap()
            .into_lease()
            .unwrap();
        assert_eq!(back.container(), ContainerName::of_lease(&back.id));
        let ending = back.ending().unwrap();
        assert_eq!(ending.holder, None);
        assert_eq!(ending.facts.exit_code, Some(137));
        assert_eq!(ending.facts.removal_began_at, None);
    }

    #[test]
    fn an_item_that_makes_no_sense_says_what_is_wrong() {
        let mut item = Item::of(&lease(State::Running), None);
        item.state = StateName::Ended;
        assert_eq!(
            item.into_lease(),
            Err("it ended without a receipt".to_owned())
        );
    }
}
