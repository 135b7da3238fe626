//! Containers that the reaper has seen without a lease.

use std::time::Duration;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use containerlease_domain::{container::Sighting, names::ContainerName, time::Time};

use super::{Found, Store, StoreError, failed, record, text};

/// How long a sighting is kept if nobody removes it.
const SIGHTING_KEPT: Duration = Duration::from_secs(60 * 60);

impl Store {
    /// The containers without a lease that earlier runs have seen.
    pub async fn sightings(&self) -> Result<Found<Sighting>, StoreError> {
        const ATTEMPTED: &str = "reading the sightings";
        let records = self.items(ATTEMPTED, self.sightings_query()).await?;
        Ok(self.found(ATTEMPTED, records, |record| {
            record::sighting(&record).ok_or_else(|| "it is no sighting".to_owned())
        }))
    }

    pub(super) fn sightings_query(&self) -> QueryFluentBuilder {
        self.client
            .query()
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", text(record::REAPER_PARTITION))
            .expression_attribute_values(":prefix", text(record::SIGHTING_PREFIX))
            .consistent_read(true)
    }

    /// Records that a container was seen without a lease.
    pub async fn sighted(&self, container: &ContainerName, now: Time) -> Result<(), StoreError> {
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(record::sighting_item(
                container,
                now,
                now.plus(SIGHTING_KEPT),
            )))
            .send()
            .await
            .map(drop)
            .map_err(|error| failed("noting a sighting", &error))
    }

    /// Forgets a sighting: the container is gone, or has a lease after all.
    pub async fn forget(&self, container: &ContainerName) -> Result<(), StoreError> {
        self.client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(record::sighting_key(container)))
            .send()
            .await
            .map(drop)
            .map_err(|error| failed("forgetting a sighting", &error))
    }
}
