//! Counts of leases and amounts: one for each owner, and one for all leases on the host.
//!
//! | item | `pk` | `sk` | attributes |
//! |---|---|---|---|
//! | an owner's count | `owner#OWNER` | `quota` | `leases`, `cpuMilli`, `memoryMb`, `diskMb`, `changes` |
//! | the host's count | `host` | `counted` | the same |
//!
//! A missing count means zero. `changes` grows by one with each change, so that a
//! [recount](super::recount) can detect concurrent changes. Each lease records the amounts it was
//! counted with ([`Whose::counts`]), and its end subtracts exactly those.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, Update, builders::UpdateBuilder};
use containerlease_domain::{
    capacity::{Amounts, Bounds, Resource, Whose},
    lease::Lease,
    names::Owner,
};

use super::{Store, StoreError, number, record};

impl Store {
    /// The sum of the owner's leases that have not ended.
    pub async fn counted(&self, owner: &Owner) -> Result<Amounts, StoreError> {
        let item = self.counted_item(record::quota_key(owner)).await?;
        Ok(amounts(&item))
    }

    /// The sum of the leases of all owners that have not ended.
    pub async fn counted_on_host(&self) -> Result<Amounts, StoreError> {
        let item = self.counted_item(record::host_key()).await?;
        Ok(amounts(&item))
    }

    /// Adds the lease to the count, on condition that the count stays within `bounds`. None if the
    /// lease alone exceeds them.
    pub(super) fn count_in(&self, whose: Whose, lease: &Lease, bounds: &Bounds) -> Option<Update> {
        let asked = whose.counts(lease);
        let mut conditions = Vec::new();
        let mut update = self.addition(whose, lease, asked);
        for resource in Resource::ALL {
            let Some(bound) = bounds.of(resource) else {
                continue;
            };
            let room = i64::from(bound) - asked.of(resource);
            if room < 0 {
                return None;
            }
            let name = attribute(resource);
            let value = format!(":room_{name}");
            conditions.push(format!(
                "(attribute_not_exists({name}) OR {name} <= {value})"
            ));
            update = update.expression_attribute_values(value, number(room));
        }
        if !conditions.is_empty() {
            update = update.condition_expression(conditions.join(" AND "));
        }
        Some(update.build().expect("all that an update needs is given"))
    }

    /// Subtracts what the lease was counted with.
    pub(super) fn count_out(&self, whose: Whose, lease: &Lease) -> Update {
        let less = Amounts::default().minus(whose.counts(lease));
        let update = self.addition(whose, lease, less).build();
        update.expect("all that an update needs is given")
    }

    fn addition(&self, whose: Whose, lease: &Lease, amounts: Amounts) -> UpdateBuilder {
        let key = match whose {
            Whose::Owner => record::quota_key(&lease.owner),
            Whose::Host => record::host_key(),
        };
        let additions = Resource::ALL.map(|resource| {
            let name = attribute(resource);
            format!("{name} :{name}")
        });
        Resource::ALL.into_iter().fold(
            Update::builder()
                .table_name(&self.table)
                .set_key(Some(key))
                .update_expression(format!("ADD {}, {CHANGES} :one", additions.join(", ")))
                .expression_attribute_values(":one", number(1)),
            |update, resource| {
                let name = format!(":{}", attribute(resource));
                update.expression_attribute_values(name, number(amounts.of(resource)))
            },
        )
    }
}

pub(super) fn attribute(resource: Resource) -> &'static str {
    match resource {
        Resource::Leases => "leases",
        Resource::CpuMilli => "cpuMilli",
        Resource::MemoryMb => "memoryMb",
        Resource::DiskMb => "diskMb",
    }
}

/// A count as stored in the table.
pub(super) type Counted = HashMap<String, AttributeValue>;

/// The attribute that numbers a count's changes.
pub(super) const CHANGES: &str = "changes";

/// The amounts in a count's item.
pub(super) fn amounts(item: &Counted) -> Amounts {
    let count = |resource| {
        let value = item.get(attribute(resource));
        let value = value.and_then(|value| value.as_n().ok()?.parse().ok());
        value.unwrap_or(0)
    };
    Amounts {
        leases: count(Resource::Leases),
        cpu_milli: count(Resource::CpuMilli),
        memory_mb: count(Resource::MemoryMb),
        disk_mb: count(Resource::DiskMb),
    }
}
