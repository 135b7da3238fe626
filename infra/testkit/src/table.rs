//! DynamoDB, embedded in the test's process.

use std::{collections::HashMap, net::SocketAddr, path::Path, time::Duration};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::{Client, error::ProvideErrorMetadata as _, types::AttributeValue};
use containerlease_domain::{lease::Lease, names::Owner, time::Time};
use containerlease_functions::app::aws_defaults;
use containerlease_service::store::Store;
use containerlease_table::{Database, Door, Key};

/// The table's name.
pub const NAME: &str = "containerlease";

type Item = HashMap<String, AttributeValue>;

/// The test's own table. Until drop it is also served on a loopback port.
pub struct Table {
    database: Database,
    door: Door,
    key: Key,
    aws: SdkConfig,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Table").field(&self.address()).finish()
    }
}

impl Table {
    /// An empty table in memory.
    pub async fn in_memory() -> Self {
        Self::serve(Database::memory().expect("a database in memory can be made")).await
    }

    /// The table in `file`, which is created if missing.
    pub async fn on_file(file: &Path) -> Self {
        let database = Database::new(&file.to_string_lossy());
        Self::serve(database.expect("the database's file can be opened")).await
    }

    async fn serve(database: Database) -> Self {
        let key = Key::generate();
        let door = Door::open(database.clone(), 0, key.clone()).await;
        let inside = containerlease_table::inside(aws_defaults(), database.clone());
        let table = Self {
            database,
            door: door.expect("a free loopback port is there"),
            key,
            aws: inside.load().await,
        };
        table
            .store()
            .create_table()
            .await
            .expect("the table can be made");
        table
    }

    /// Its TCP address.
    pub fn address(&self) -> SocketAddr {
        self.door.address()
    }

    /// The key that it requires over TCP.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The AWS settings for it inside this process.
    pub fn aws(&self) -> &SdkConfig {
        &self.aws
    }

    /// A direct store on it, without any proxy.
    pub fn store(&self) -> Store {
        Store::new(&self.aws, NAME)
    }

    /// The database itself.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// A direct client, to see the raw items.
    pub fn client(&self) -> Client {
        Client::new(&self.aws)
    }

    /// Moves all times of every lease, its notifications and the relays' holds back by `by`,
    /// as if that time had passed. Leases last at least one minute and claims two, and no test
    /// can wait for that.
    pub async fn age(&self, by: Duration) {
        let client = self.client();
        let scanned = client.scan().table_name(NAME).send().await;
        let items = scanned.expect("the table can be scanned").items;
        for mut item in items.unwrap_or_default() {
            // A request that a killed process sent may take effect meanwhile; do not undo it.
            while let Some(later) = aged(&item, by) {
                if self.replace(&item, later).await {
                    break;
                }
                let (pk, sk) = (item["pk"].clone(), item["sk"].clone());
                let found = client.get_item().table_name(NAME).consistent_read(true);
                let found = found.key("pk", pk).key("sk", sk).send().await;
                match found.expect("an item can be read").item {
                    Some(found) => item = found,
                    None => break,
                }
            }
        }
    }

    /// Replaces an item if it has not changed since it was read. Returns whether it did.
    async fn replace(&self, read: &Item, with: Item) -> bool {
        let mut put = self
            .client()
            .put_item()
            .table_name(NAME)
            .set_item(Some(with));
        let mut unchanged = Vec::new();
        for (index, (name, value)) in read.iter().enumerate() {
            put = put
                .expression_attribute_names(format!("#{index}"), name)
                .expression_attribute_values(format!(":{index}"), value.clone());
            unchanged.push(format!("#{index} = :{index}"));
        }
        let sent = put
            .condition_expression(unchanged.join(" AND "))
            .send()
            .await;
        match sent {
            Ok(_) => true,
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => false,
            Err(error) => panic!("an item cannot be written back: {error:?}"),
        }
    }

    /// Removes the lease's record, as the table's TTL eventually does.
    ///
    /// # Panics
    ///
    /// If it cannot be removed.
    pub async fn purge(&self, lease: &Lease) {
        let client = self.client();
        let delete = client.delete_item().table_name(NAME);
        let delete = delete.set_key(Some(key_of(lease)));
        delete.send().await.expect("an item can be removed");
    }

    /// Removes all items.
    ///
    /// # Panics
    ///
    /// If one cannot be removed.
    pub async fn empty(&self) {
        let client = self.client();
        let scanned = client.scan().table_name(NAME).send().await;
        let items = scanned.expect("the table can be scanned").items;
        for mut item in items.unwrap_or_default() {
            item.retain(|name, _| name == "pk" || name == "sk");
            let delete = client.delete_item().table_name(NAME).set_key(Some(item));
            delete.send().await.expect("an item can be removed");
        }
    }

    /// Removes everything but the number of leases from the owner's count, as earlier releases
    /// wrote it.
    ///
    /// # Panics
    ///
    /// If the count cannot be changed.
    pub async fn forget_amounts(&self, owner: &Owner) {
        let client = self.client();
        let update = client
            .update_item()
            .table_name(NAME)
            .key("pk", AttributeValue::S(format!("owner#{}", owner.as_str())))
            .key("sk", AttributeValue::S("quota".to_owned()))
            .update_expression("REMOVE cpuMilli, memoryMb, diskMb");
        update.send().await.expect("the count can be changed");
    }

    /// Makes this count wrong, as in a table that was restored only in part.
    ///
    /// # Panics
    ///
    /// If the count cannot be changed.
    pub async fn spoil_count(&self, pk: &str, sk: &str) {
        let number = |value: &str| AttributeValue::N(value.to_owned());
        let client = self.client();
        let update = client
            .update_item()
            .table_name(NAME)
            .key("pk", AttributeValue::S(pk.to_owned()))
            .key("sk", AttributeValue::S(sk.to_owned()))
            .update_expression("ADD leases :leases, cpuMilli :cpu, memoryMb :memory")
            .expression_attribute_values(":leases", number("7"))
            .expression_attribute_values(":cpu", number("-3000"))
            .expression_attribute_values(":memory", number("12345"));
        update.send().await.expect("the count can be spoiled");
    }

    /// All items of the table, as text.
    ///
    /// # Panics
    ///
    /// If they cannot be read.
    pub async fn dump(&self) -> String {
        let scanned = self.client().scan().table_name(NAME).send().await;
        let items = scanned.expect("the table can be scanned").items;
        format!("{items:#?}")
    }

    /// Puts the lease into a state that this release does not know, as a newer release that
    /// was rolled back may have left it.
    ///
    /// # Panics
    ///
    /// If the lease cannot be changed.
    pub async fn put_into_unknown_state(&self, lease: &Lease) {
        let client = self.client();
        let update = client
            .update_item()
            .table_name(NAME)
            .set_key(Some(key_of(lease)))
            .update_expression("SET #state = :state")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", AttributeValue::S("suspended".to_owned()));
        update.send().await.expect("the lease can be changed");
    }

    /// Writes an item that our code would never write. Attributes are strings, except those
    /// that are numbers in the index.
    ///
    /// # Panics
    ///
    /// If it cannot be written.
    pub async fn plant(&self, attributes: &[(&str, &str)]) {
        let client = self.client();
        let put =
            attributes
                .iter()
                .fold(
                    client.put_item().table_name(NAME),
                    |put, (name, value)| match *name {
                        "dueAt" => put.item(*name, AttributeValue::N((*value).to_owned())),
                        _ => put.item(*name, AttributeValue::S((*value).to_owned())),
                    },
                );
        put.send().await.expect("an item can be written");
    }

    /// Removes the lease from the index that the reaper reads, because on AWS the index lags.
    ///
    /// # Panics
    ///
    /// If the lease cannot be changed.
    pub async fn hide_from_index(&self, lease: &Lease) {
        let client = self.client();
        let update = client
            .update_item()
            .table_name(NAME)
            .set_key(Some(key_of(lease)))
            .update_expression("REMOVE duePk");
        update.send().await.expect("the lease can be changed");
    }
}

fn key_of(lease: &Lease) -> HashMap<String, AttributeValue> {
    let text = |value| AttributeValue::S(value);
    HashMap::from([
        (
            "pk".to_owned(),
            text(format!("owner#{}", lease.owner.as_str())),
        ),
        ("sk".to_owned(), text(format!("lease#{}", lease.id))),
    ])
}

/// The AWS settings for a table at `address`.
pub async fn aws_at(address: SocketAddr, key: &Key) -> SdkConfig {
    let aws = containerlease_table::through_door(aws_defaults(), address, key);
    aws.load().await
}

/// The item with all its times earlier; `None` if it has no times.
fn aged(item: &Item, by: Duration) -> Option<Item> {
    let mut later = item.clone();
    for name in [
        "createdAt",
        "expiresAt",
        "hardDeadline",
        "dueAt",
        "eventAt",
        "heldUntil",
    ] {
        if let Some(AttributeValue::N(millis)) = later.get_mut(name) {
            let time = Time::from_millis(millis.parse().expect("times are numbers"));
            *millis = time.minus(by).as_millis().to_string();
        }
    }
    if let Some(AttributeValue::M(ending)) = later.get_mut("ending") {
        for name in ["requestedAt", "nextAttemptAt"] {
            if let Some(AttributeValue::S(text)) = ending.get_mut(name) {
                let time = serde_json::from_value::<Time>(text.as_str().into());
                *text = time.expect("times are RFC 3339").minus(by).to_string();
            }
        }
    }
    (later != *item).then_some(later)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::{Fault, Proxy};

    #[tokio::test]
    async fn a_table_on_a_file_is_there_again_when_it_is_opened_again() {
        let random = uuid::Uuid::new_v4().simple();
        let file = std::env::temp_dir().join(format!("containerlease-{random}.sqlite"));
        let container =
            containerlease_domain::names::ContainerName::listed_by_engine("0a").unwrap();
        let table = Table::on_file(&file).await;
        table
            .store()
            .sighted(&container, Time::now())
            .await
            .unwrap();
        drop(table);
        let table = Table::on_file(&file).await;
        assert_eq!(table.store().sightings().await.unwrap().items.len(), 1);
        for extension in ["sqlite", "sqlite-wal", "sqlite-shm"] {
            drop(std::fs::remove_file(file.with_extension(extension)));
        }
    }

    #[tokio::test]
    async fn a_proxy_notes_what_passes_and_makes_each_fault() {
        let table = Table::in_memory().await;
        let proxy = Proxy::before_tcp(table.address()).await;
        let store = Store::new(&aws_at(proxy.tcp(), table.key()).await, NAME);
        let container =
            containerlease_domain::names::ContainerName::listed_by_engine("0a").unwrap();
        store.check().await.unwrap();
        let seen = proxy.seen();
        assert!(
            seen[0].is_operation("Query") && seen[0].is("POST", "/"),
            "{seen:?}"
        );

        proxy.on_each(|_| Fault::Cut);
        assert!(store.sighted(&container, Time::now()).await.is_err());
        assert_eq!(
            table.store().sightings().await.unwrap().items.len(),
            0,
            "cut before it was sent"
        );
        proxy.on_each(|_| Fault::AnswerLost);
        assert!(store.sighted(&container, Time::now()).await.is_err());
        assert_eq!(
            table.store().sightings().await.unwrap().items.len(),
            1,
            "cut after it was done"
        );
        proxy.on_each(|_| Fault::Answered(hyper::StatusCode::BAD_REQUEST, "{}".to_owned()));
        assert!(store.check().await.is_err());
        proxy.heal();
        store.check().await.unwrap();
    }
}
