//! Recounts: they find and correct a wrong count, for instance after a partial restore of the
//! table, while leases come and go.
//!
//! A count numbers its changes. A recount reads the count, then the leases, and corrects the count
//! on condition that it has not changed since. Then nothing was counted in or out between the two
//! reads, and the sum of the leases is the right value. One owner's leases are read consistently.
//! The leases of all owners come from an index that may lag, so they are read twice, each time
//! after the lag has passed.

use std::time::Duration;

use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use containerlease_domain::{
    capacity::{Amounts, Resource, Whose},
    lease::Lease,
    names::Owner,
};

use super::{
    Found, Store, StoreError,
    count::{CHANGES, Counted, amounts, attribute},
    failed, number, record,
};

/// How often a recount starts again after a concurrent change.
const TRIES: usize = 5;

/// The result of a recount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recount {
    /// The count was right.
    Right,
    /// It was wrong and has been corrected.
    Mended { was: Amounts, is: Amounts },
    /// It kept changing, or a lease is unreadable. A later recount may succeed.
    Unsettled,
}

impl Store {
    /// Recounts one owner's leases.
    pub async fn recount_owner(&self, owner: &Owner) -> Result<Recount, StoreError> {
        for _ in 0..TRIES {
            let counted = self.counted_item(record::quota_key(owner)).await?;
            let leases = self.active_found(owner).await?;
            let key = record::quota_key(owner);
            let held = held_by(Some(owner), &leases);
            let settled = self.settle(key, &counted, held).await?;
            if let Some(recount) = settled {
                return Ok(recount);
            }
        }
        Ok(Recount::Unsettled)
    }

    /// Recounts the leases of these owners, and those of the whole host (none), from the index over
    /// all owners, which may lag by `lag`.
    pub async fn recount_by_index(
        &self,
        owners: &[Owner],
        lag: Duration,
    ) -> Result<Vec<(Option<Owner>, Recount)>, StoreError> {
        let mut left: Vec<_> = owners.iter().cloned().map(Some).chain([None]).collect();
        let mut done = Vec::new();
        for _ in 0..TRIES {
            let mut counted = Vec::new();
            for owner in &left {
                counted.push(self.counted_item(key_of(owner.as_ref())).await?);
            }
            tokio::time::sleep(lag).await;
            let leases = self.active().await?;
            let again = if lag.is_zero() {
                leases.clone()
            } else {
                tokio::time::sleep(lag).await;
                self.active().await?
            };
            let mut unsettled = Vec::new();
            // The host's count changes most often, so it was read last and is settled first.
            for (owner, counted) in std::mem::take(&mut left).into_iter().zip(counted).rev() {
                let held = held_by(owner.as_ref(), &leases);
                let settled = if held_by(owner.as_ref(), &again) == held {
                    let key = key_of(owner.as_ref());
                    self.settle(key, &counted, held).await?
                } else {
                    None
                };
                match settled {
                    Some(recount) => done.push((owner, recount)),
                    None => unsettled.push(owner),
                }
            }
            unsettled.reverse();
            left = unsettled;
            if left.is_empty() {
                break;
            }
        }
        let left = left.into_iter().map(|owner| (owner, Recount::Unsettled));
        done.extend(left);
        Ok(done)
    }

    /// Corrects the count if it differs from `held` and has not changed since; none if it has
    /// changed. Without `held` the count stays.
    async fn settle(
        &self,
        key: Counted,
        counted: &Counted,
        held: Option<Amounts>,
    ) -> Result<Option<Recount>, StoreError> {
        let Some(is) = held else {
            return Ok(Some(Recount::Unsettled));
        };
        let was = amounts(counted);
        if was == is {
            return Ok(Some(Recount::Right));
        }
        let mended = self.mend(key, counted, is).await?;
        Ok(mended.then_some(Recount::Mended { was, is }))
    }

    /// Writes the count, unless it has changed since it was `read`. Returns whether it was written.
    async fn mend(
        &self,
        key: Counted,
        read: &Counted,
        amounts: Amounts,
    ) -> Result<bool, StoreError> {
        let mut values = Counted::from([(":one".to_owned(), number(1))]);
        let set = Resource::ALL.map(|resource| {
            let name = attribute(resource);
            values.insert(format!(":{name}"), number(amounts.of(resource)));
            format!("{name} = :{name}")
        });
        // An earlier program does not number its changes, so compare the amounts too.
        let compared = Resource::ALL.map(attribute).into_iter().chain([CHANGES]);
        let conditions: Vec<_> = compared
            .map(|name| match read.get(name) {
                Some(value) => {
                    values.insert(format!(":read_{name}"), value.clone());
                    format!("{name} = :read_{name}")
                }
                None => format!("attribute_not_exists({name})"),
            })
            .collect();
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key))
            .update_expression(format!("SET {} ADD {CHANGES} :one", set.join(", ")))
            .condition_expression(conditions.join(" AND "))
            .set_expression_attribute_values(Some(values))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
            Err(error) => Err(failed("mending a count", &error)),
        }
    }

    pub(super) async fn counted_item(&self, key: Counted) -> Result<Counted, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| failed("reading a count", &error))?;
        Ok(answer.item.unwrap_or_default())
    }
}

/// The key of an owner's count, or of the host's.
fn key_of(owner: Option<&Owner>) -> Counted {
    owner.map_or_else(record::host_key, record::quota_key)
}

/// The sum of the owner's leases among these, or of all leases on the host; none if some could not
/// be read.
fn held_by(owner: Option<&Owner>, leases: &Found<Lease>) -> Option<Amounts> {
    if leases.unreadable > 0 || !leases.whole {
        return None;
    }
    let whose = match owner {
        Some(_) => Whose::Owner,
        None => Whose::Host,
    };
    let all = leases.items.iter();
    let held = all.filter(|lease| owner.is_none_or(|owner| lease.owner == *owner));
    let counts = held.map(|lease| whose.counts(lease));
    Some(counts.fold(Amounts::default(), Amounts::plus))
}
