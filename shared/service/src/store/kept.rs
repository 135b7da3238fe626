//! The kept log of an ended lease.
//!
//! | item | `pk` | `sk` |
//! |---|---|---|
//! | the last lines of a lease's log | `log#LEASE` | `log` |
//!
//! Each log has its own partition. In the owner's partition it would obstruct the owner's leases: a
//! burst of ends writes more at once than a partition takes, and a partition with a local index may
//! not exceed 10 GB.

use std::collections::HashMap;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use containerlease_domain::{logs::KeptLog, names::LeaseId, time::Time};

use super::{Store, StoreError, StoreErrorKind, failed, number, record, text};

impl Store {
    /// Keeps a log until `purge_at`, replacing one that was kept before.
    pub async fn keep_log(
        &self,
        lease: &LeaseId,
        log: KeptLog,
        purge_at: Time,
    ) -> Result<(), StoreError> {
        let (lines, before) = log.pack();
        let mut item = log_key(lease);
        item.insert("lines".to_owned(), AttributeValue::B(Blob::new(lines)));
        if let Some(before) = before {
            item.insert("before".to_owned(), text(before.to_string()));
        }
        item.insert("purgeAt".to_owned(), number(purge_at.as_secs_rounded_up()));
        let put = self.client.put_item().table_name(&self.table);
        let put = put.set_item(Some(item)).send().await;
        put.map(drop)
            .map_err(|error| failed("keeping a log", &error))
    }

    /// The kept log of a lease. The caller has already checked who owns the lease.
    pub async fn kept_log(&self, lease: &LeaseId) -> Result<Option<KeptLog>, StoreError> {
        const ATTEMPTED: &str = "reading a log that was kept";
        let get = self.client.get_item().table_name(&self.table);
        let get = get
            .set_key(Some(log_key(lease)))
            .consistent_read(true)
            .send();
        let read = get.await.map_err(|error| failed(ATTEMPTED, &error))?;
        let Some(item) = read.item else {
            return Ok(None);
        };
        unpack(&item).map(Some).map_err(|message| StoreError {
            attempted: ATTEMPTED,
            kind: StoreErrorKind::Corrupt,
            message,
        })
    }
}

fn unpack(item: &HashMap<String, AttributeValue>) -> Result<KeptLog, String> {
    let lines = item.get("lines").and_then(|lines| lines.as_b().ok());
    let lines = lines.ok_or("it has no lines")?;
    let before = item.get("before").and_then(|before| before.as_s().ok());
    let before = before
        .map(|before| before.parse())
        .transpose()
        .map_err(|_| "it does not say what is before it")?;
    KeptLog::unpack(lines.as_ref(), before)
}

fn log_key(lease: &LeaseId) -> HashMap<String, AttributeValue> {
    record::key(format!("log#{lease}"), "log".to_owned())
}
