//! An owner's leases page by page, ended ones included.
//!
//! They are read from the owner's partition itself, which is ordered by creation. Listing the
//! leases that have not ended does not use this.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use containerlease_domain::{
    lease::Lease,
    names::{LeaseId, Owner},
};

use super::{Store, StoreError, failed, lease_of, record, text};

/// Maximum number of leases examined for one page, so that a filter with few matches does not read
/// a whole history in one request.
const LOOKED_AT: usize = 1_000;

/// Number of leases read at once.
const READ_AT_ONCE: i32 = 100;

/// Some of an owner's leases, the newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    pub leases: Vec<Lease>,
    /// The last lease examined, if more may follow.
    pub last: Option<LeaseId>,
}

impl Store {
    /// Up to `limit` of the owner's leases that match `wanted`, newest first, starting after the
    /// lease `after`. A page may hold fewer, even none, while more follow. Unreadable records are
    /// skipped.
    pub async fn page_of(
        &self,
        owner: &Owner,
        after: Option<LeaseId>,
        limit: usize,
        wanted: impl Fn(&Lease) -> bool,
    ) -> Result<Page, StoreError> {
        const ATTEMPTED: &str = "reading an owner's history";
        let mut page = Page {
            leases: Vec::new(),
            last: after,
        };
        let mut from = after.map(|id| record::lease_key(owner, &id));
        let mut looked_at = 0;
        loop {
            let answer = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":pk", text(record::owner_key(owner)))
                .expression_attribute_values(":prefix", text(record::LEASE_PREFIX))
                .scan_index_forward(false)
                .consistent_read(true)
                .limit(READ_AT_ONCE)
                .set_exclusive_start_key(from.take())
                .send()
                .await
                .map_err(|error| failed(ATTEMPTED, &error))?;
            from = answer.last_evaluated_key;
            let more = from.is_some();
            let items = answer.items.unwrap_or_default();
            let read = items.len();
            for (index, item) in items.into_iter().enumerate() {
                // An unreadable record still has its place in the order.
                page.last = id_of(&item).or(page.last);
                let lease = self.readable(ATTEMPTED, item, lease_of);
                page.leases.extend(lease.filter(&wanted));
                if page.leases.len() == limit && (more || index + 1 < read) {
                    return Ok(page);
                }
            }
            if !more {
                page.last = None;
                return Ok(page);
            }
            looked_at += read;
            if looked_at >= LOOKED_AT {
                return Ok(page);
            }
        }
    }
}

fn id_of(item: &HashMap<String, AttributeValue>) -> Option<LeaseId> {
    let sort_key = item.get("sk")?.as_s().ok()?;
    sort_key.strip_prefix(record::LEASE_PREFIX)?.parse().ok()
}
