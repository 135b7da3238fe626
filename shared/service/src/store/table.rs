//! Creates the table where `template.yaml` does not.

use aws_sdk_dynamodb::{
    error::ProvideErrorMetadata,
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
        LocalSecondaryIndex, Projection, ProjectionType, ScalarAttributeType, TableStatus,
        TimeToLiveSpecification,
    },
};

use super::{ACTIVE_INDEX, DUE_INDEX, Store, StoreError, TTL_ATTRIBUTE, failed};

impl Store {
    /// Creates the table as `template.yaml` defines it, unless it exists. For the one-machine
    /// server and for tests; on AWS the template creates it.
    pub async fn create_table(&self) -> Result<(), StoreError> {
        const ATTEMPTED: &str = "creating the table";
        let present = self.client.describe_table().table_name(&self.table).send();
        match present.await {
            Ok(answer) => {
                let status = answer.table.and_then(|table| table.table_status);
                if status == Some(TableStatus::Active) {
                    return Ok(());
                }
            }
            Err(error) if error.code() == Some("ResourceNotFoundException") => {}
            Err(error) => return Err(failed(ATTEMPTED, &error)),
        }
        let attribute = |name: &str, kind| {
            AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(kind)
                .build()
                .expect("name and type are given")
        };
        let keys = |hash: &str, range: &str| {
            [(hash, KeyType::Hash), (range, KeyType::Range)]
                .map(|(name, kind)| {
                    KeySchemaElement::builder()
                        .attribute_name(name)
                        .key_type(kind)
                        .build()
                        .expect("name and type are given")
                })
                .to_vec()
        };
        let everything = || {
            Projection::builder()
                .projection_type(ProjectionType::All)
                .build()
        };
        self.client
            .create_table()
            .table_name(&self.table)
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(attribute("pk", ScalarAttributeType::S))
            .attribute_definitions(attribute("sk", ScalarAttributeType::S))
            .attribute_definitions(attribute("activeSk", ScalarAttributeType::S))
            .attribute_definitions(attribute("duePk", ScalarAttributeType::S))
            .attribute_definitions(attribute("dueAt", ScalarAttributeType::N))
            .set_key_schema(Some(keys("pk", "sk")))
            .local_secondary_indexes(
                LocalSecondaryIndex::builder()
                    .index_name(ACTIVE_INDEX)
                    .set_key_schema(Some(keys("pk", "activeSk")))
                    .projection(everything())
                    .build()
                    .expect("name and keys are given"),
            )
            .global_secondary_indexes(
                GlobalSecondaryIndex::builder()
                    .index_name(DUE_INDEX)
                    .set_key_schema(Some(keys("duePk", "dueAt")))
                    .projection(everything())
                    .build()
                    .expect("name and keys are given"),
            )
            .send()
            .await
            .map_err(|error| failed(ATTEMPTED, &error))?;
        self.client
            .update_time_to_live()
            .table_name(&self.table)
            .time_to_live_specification(
                TimeToLiveSpecification::builder()
                    .attribute_name(TTL_ATTRIBUTE)
                    .enabled(true)
                    .build()
                    .expect("name and switch are given"),
            )
            .send()
            .await
            .map(drop)
            .map_err(|error| failed(ATTEMPTED, &error))
    }
}
