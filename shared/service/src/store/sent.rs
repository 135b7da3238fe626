//! How far ahead the reaper's runs have sent due work, and the work to send.
//!
//! | item | `pk` | `sk` |
//! |---|---|---|
//! | until when all was sent | `reaper` | `sent` |

use containerlease_domain::{
    lease::{Lease, State},
    time::Time,
};

use super::{DUE_INDEX, Store, StoreError, failed, lease_of, number, record, text};

const SENT: &str = "sent";
const UNTIL: &str = "sentUntil";

impl Store {
    /// Until when due work was sent; none if it never was. Read consistently.
    pub async fn sent_until(&self) -> Result<Option<Time>, StoreError> {
        let query = self
            .client
            .query()
            .key_condition_expression("pk = :pk AND sk = :sk")
            .expression_attribute_values(":pk", text(record::REAPER_PARTITION))
            .expression_attribute_values(":sk", text(SENT))
            .consistent_read(true);
        let items = self.items("reading until when all was sent", query).await?;
        let until = items.first().and_then(|item| {
            let millis = item.get(UNTIL)?.as_n().ok()?.parse().ok()?;
            Some(Time::from_millis(millis))
        });
        Ok(until)
    }

    /// Records until when due work was sent.
    pub async fn note_sent_until(&self, until: Time) -> Result<(), StoreError> {
        let mut item = record::key(record::REAPER_PARTITION.to_owned(), SENT.to_owned());
        item.insert(UNTIL.to_owned(), number(until.as_millis()));
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .send()
            .await
            .map(drop)
            .map_err(|error| failed("noting until when all was sent", &error))
    }

    /// The running leases that end from `from` to `until`, in that order. On AWS the index may lag
    /// by moments.
    pub async fn ends_between(&self, from: Time, until: Time) -> Result<Vec<Lease>, StoreError> {
        const ATTEMPTED: &str = "reading what ends soon";
        let query = self
            .client
            .query()
            .index_name(DUE_INDEX)
            .key_condition_expression("duePk = :pk AND dueAt BETWEEN :from AND :until")
            .filter_expression("#state = :running")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":pk", text(record::DUE_PARTITION))
            .expression_attribute_values(":from", number(from.as_millis()))
            .expression_attribute_values(":until", number(until.as_millis()))
            .expression_attribute_values(":running", text("running"));
        let records = self.items(ATTEMPTED, query).await?;
        let mut leases = self.found(ATTEMPTED, records, lease_of).items;
        leases.retain(|lease| lease.state == State::Running);
        Ok(leases)
    }
}
