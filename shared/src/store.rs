//! The store: leases in one DynamoDB table.
//!
//! | item | `pk` | `sk` |
//! |---|---|---|
//! | a lease | `owner#OWNER` | `lease#ID` |
//! | what an owner's leases take up | `owner#OWNER` | `quota` |
//! | what an idempotency key was used for | `owner#OWNER` | `key#DIGEST` |
//! | what all leases take up on the host | `host` | `counted` |
//! | a container seen without a lease | `reaper` | `sighting#CONTAINER` |
//! | who watches a log, and the relay | see [`viewers`] | |
//! | the end of a log | see [`kept`] | |
//! | what owners are to be told | see [`outbox`] | |
//!
//! A lease is read and written under its owner's key alone, so another owner's lease is not
//! found. The local index `active` (`pk`, `activeSk`) holds the leases that have not ended,
//! so that listing costs the same however long the history, and can be read consistently.
//! The global index `due` (`duePk`, `dueAt`) holds them by the time at which the reaper has
//! something to do with them, and what owners are to be told by the time at which it is sent.
//!
//! Every write is conditional on the state and the version that its writer has read; the
//! states are those of [`lease::TRANSITIONS`](crate::lease::TRANSITIONS). `purgeAt` is the
//! table's TTL attribute: only what is over one day has it, and nothing is decided by it.
//!
//! Errors: a condition that fails is an outcome with a name ([`Changed`], [`CreateError`]).
//! Everything else is a [`StoreError`], which says what was attempted; it is for the log,
//! and no caller sees more of it than that the table cannot be used now.

mod count;
mod history;
mod kept;
mod key;
mod outbox;
mod record;
mod viewers;

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    config::timeout::TimeoutConfig,
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    operation::{
        query::builders::QueryFluentBuilder, transact_write_items::TransactWriteItemsError,
        update_item::UpdateItemError,
    },
    types::{
        AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement,
        KeyType, LocalSecondaryIndex, Projection, ProjectionType, Put,
        ReturnValuesOnConditionCheckFailure, ScalarAttributeType, TableStatus,
        TimeToLiveSpecification, TransactWriteItem, Update,
    },
};
use thiserror::Error;

use crate::{
    capacity::{Limits, Whose},
    lease::{Event, Gone, Lease, Placement, Reason},
    names::{ContainerName, LeaseId, Owner},
    time::Time,
};
use record::Item;

pub use history::Page;
pub use key::{KeyUse, NewKeyUse};
pub use viewers::{RelayHold, Viewer, Wish};

const ACTIVE_INDEX: &str = "active";
const DUE_INDEX: &str = "due";
const TTL_ATTRIBUTE: &str = "purgeAt";

/// How long a sighting is kept when nobody removes it.
const SIGHTING_KEPT: Duration = Duration::from_secs(60 * 60);

/// How often a transaction that met another one is tried again. All of an owner's leases are
/// counted in one item and all of a deployment's in another, so many at once wait here.
const CONFLICT_RETRIES: u32 = 20;

/// How long at most such a transaction waits before it is tried again.
const LONGEST_CONFLICT_PAUSE: Duration = Duration::from_millis(200);

/// The leases' table.
#[derive(Clone, Debug)]
pub struct Store {
    client: Client,
    table: String,
}

/// The table could not be used.
#[derive(Debug, Error)]
#[error("{attempted}: {message}")]
pub struct StoreError {
    pub attempted: &'static str,
    pub kind: StoreErrorKind,
    message: String,
}

/// Why the table could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// It did not answer, or not in time.
    Unreachable,
    /// It answered that too much is asked of it.
    Throttled,
    /// There is no such table.
    NoTable,
    /// It refused for another reason.
    Refused,
    /// What it holds is not what this program has written.
    Corrupt,
}

/// Why a lease was not written.
#[derive(Debug, Error)]
pub enum CreateError {
    /// The owner or the host has no room for it.
    #[error("there is no room for the lease: {0:?}")]
    Full(Whose),
    /// Another lease was made under the same idempotency key.
    #[error("the idempotency key is used already")]
    KeyUsed,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a change was not written.
#[derive(Debug, Error)]
pub enum ChangeError {
    #[error(transparent)]
    Changed(#[from] Changed),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Somebody else has written the lease since it was read, or its time does not allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the lease has changed since it was read")]
pub struct Changed;

/// A container without a lease, as an earlier run of the reaper has seen it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    pub container: ContainerName,
    pub first_seen: Time,
}

impl Store {
    /// A store on `table`, reached with the AWS settings `config`.
    pub fn new(config: &aws_config::SdkConfig, table: &str) -> Self {
        let time_limits = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(2))
            .operation_attempt_timeout(Duration::from_secs(3))
            .operation_timeout(Duration::from_secs(10))
            .build();
        let config = aws_sdk_dynamodb::config::Builder::from(config)
            .timeout_config(time_limits)
            .build();
        Self {
            client: Client::from_conf(config),
            table: table.to_owned(),
        }
    }

    /// Whether the table can be read, for readiness.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.sightings().await.map(drop)
    }

    /// Writes a new lease and counts it with its owner and on the host, within `limits`; and
    /// the use of an idempotency key with it. All or nothing.
    pub async fn create(
        &self,
        lease: &Lease,
        limits: &Limits,
        key: Option<&NewKeyUse<'_>>,
    ) -> Result<(), CreateError> {
        let put = |put| TransactWriteItem::builder().put(put).build();
        let update = |update| TransactWriteItem::builder().update(update).build();
        let lease_item = Put::builder()
            .table_name(&self.table)
            .set_item(Some(Item::of(lease, None).into_attributes()))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .expect("all that a put needs is given");
        let id_taken = CreateError::Store(StoreError {
            attempted: "creating a lease",
            kind: StoreErrorKind::Refused,
            message: "its id is taken".to_owned(),
        });
        // Each with what it means when its condition fails. A key that is used comes before
        // a quota, which the very lease that it was used for may have filled.
        let mut parts = Vec::new();
        if let Some(used) = key {
            parts.push((put(self.use_key(lease, used)), CreateError::KeyUsed));
        }
        parts.push((put(lease_item), id_taken));
        for (whose, bounds) in [(Whose::Owner, limits.owner), (Whose::Host, limits.host)] {
            if whose == Whose::Host && !lease.amounts_counted {
                continue;
            }
            let count = self.count_in(whose, lease, &bounds);
            let count = count.ok_or(CreateError::Full(whose))?;
            parts.push((update(count), CreateError::Full(whose)));
        }
        let (items, mut refusals): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        match self.transact("creating a lease", &items).await? {
            Transacted::Done => Ok(()),
            Transacted::ConditionFailed { index } => Err(refusals.swap_remove(index)),
        }
    }

    /// The lease of that id, if that owner has it; read consistently.
    pub async fn get(&self, owner: &Owner, id: &LeaseId) -> Result<Option<Lease>, StoreError> {
        const ATTEMPTED: &str = "reading a lease";
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(record::lease_key(owner, id)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| failed(ATTEMPTED, &error))?;
        answer.item.map(|item| parse(ATTEMPTED, item)).transpose()
    }

    /// The owner's leases that have not ended, oldest first; read consistently.
    pub async fn active_of(&self, owner: &Owner) -> Result<Vec<Lease>, StoreError> {
        let query = self
            .client
            .query()
            .index_name(ACTIVE_INDEX)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(record::owner_key(owner)))
            .consistent_read(true);
        self.leases("listing an owner's leases", query).await
    }

    /// All leases that have not ended, in the order in which they fall due. On AWS this may
    /// lag by moments: what is missing here is no proof that it is not there.
    pub async fn active(&self) -> Result<Vec<Lease>, StoreError> {
        let query = self
            .client
            .query()
            .index_name(DUE_INDEX)
            .key_condition_expression("duePk = :pk")
            .expression_attribute_values(":pk", text(record::DUE_PARTITION));
        self.leases("reading the leases that have not ended", query)
            .await
    }

    /// Writes that the lease's container runs, and the warning before its end.
    pub async fn start(&self, lease: &Lease, placement: Placement) -> Result<Lease, ChangeError> {
        let started = lease.started(placement);
        match self.warning_of(&started) {
            None => {
                self.update(lease, Event::Started, started, Guard::None)
                    .await
            }
            Some(warning) => {
                let change = Change::new(lease, Event::Started, &started, None, Guard::None);
                let written = self.change_with(change, vec![warning], "starting a lease");
                written.await.map(|()| started)
            }
        }
    }

    /// Writes that the lease ends at `expires_at` only, unless it is over at `now`, and moves
    /// the warning before its end.
    pub async fn renew(
        &self,
        lease: &Lease,
        expires_at: Time,
        now: Time,
    ) -> Result<Lease, ChangeError> {
        let renewed = lease.renewed(expires_at);
        let guard = Guard::AliveAt(now);
        match self.warning_of(&renewed) {
            None => self.update(lease, Event::Renewed, renewed, guard).await,
            Some(warning) => {
                let change = Change::new(lease, Event::Renewed, &renewed, None, guard);
                let written = self.change_with(change, vec![warning], "renewing a lease");
                written.await.map(|()| renewed)
            }
        }
    }

    /// Claims the end of the lease: of all that try on the same version, one succeeds. For
    /// [`Reason::Expired`] the table itself makes sure that the lease is over at `now`.
    pub async fn claim(
        &self,
        lease: &Lease,
        reason: Reason,
        now: Time,
    ) -> Result<Lease, ChangeError> {
        let claimed = lease.claimed(reason, now).ok_or(Changed)?;
        let guard = match reason {
            Reason::Expired => Guard::OverAt(now),
            _ => Guard::None,
        };
        self.update(lease, Event::Claimed, claimed, guard).await
    }

    /// Writes that the claimed attempt has failed, and when the next one may be.
    /// `jitter` is from 0 to 1.
    pub async fn attempt_failed(
        &self,
        lease: &Lease,
        now: Time,
        jitter: f64,
    ) -> Result<Lease, ChangeError> {
        let after = lease.attempt_failed(now, jitter).ok_or(Changed)?;
        let event = if after.state_name() == lease.state_name() {
            Event::AttemptFailed
        } else {
            Event::GivenUp
        };
        self.update(lease, event, after, Guard::None).await
    }

    /// Writes the receipt of a lease whose container is gone, takes it off the counts of its
    /// owner and of the host, lets the record be purged after `history`, and has its owner
    /// told.
    pub async fn end(
        &self,
        lease: &Lease,
        gone: &Gone,
        history: Duration,
    ) -> Result<Lease, ChangeError> {
        let after = lease.ended(gone).ok_or(Changed)?;
        let purge_at = gone.removed_at.plus(history);
        let change = Change::new(lease, Event::Removed, &after, Some(purge_at), Guard::None);
        let update = |update| TransactWriteItem::builder().update(update).build();
        let mut with = vec![update(self.count_out(Whose::Owner, lease))];
        if lease.amounts_counted {
            with.push(update(self.count_out(Whose::Host, lease)));
        }
        with.extend(self.end_of(lease, gone.removed_at, purge_at));
        let written = self.change_with(change, with, "ending a lease");
        written.await.map(|()| after)
    }

    /// The containers without a lease that earlier runs have seen.
    pub async fn sightings(&self) -> Result<Vec<Sighting>, StoreError> {
        let query = self
            .client
            .query()
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", text(record::REAPER_PARTITION))
            .expression_attribute_values(":prefix", text(record::SIGHTING_PREFIX))
            .consistent_read(true);
        let items = self.items("reading the sightings", query).await?;
        Ok(items.iter().filter_map(record::sighting).collect())
    }

    /// Notes that a container was seen without a lease.
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

    /// Makes the table as `template.yaml` has it, unless it is there. For the one-machine
    /// server and for tests; on AWS the template makes it.
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

    /// The leases of all pages of a query.
    async fn leases(
        &self,
        attempted: &'static str,
        query: QueryFluentBuilder,
    ) -> Result<Vec<Lease>, StoreError> {
        let items = self.items(attempted, query).await?;
        items
            .into_iter()
            .map(|item| parse(attempted, item))
            .collect()
    }

    /// The items of all pages of a query; all or none.
    async fn items(
        &self,
        attempted: &'static str,
        query: QueryFluentBuilder,
    ) -> Result<Vec<HashMap<String, AttributeValue>>, StoreError> {
        query
            .table_name(&self.table)
            .into_paginator()
            .items()
            .send()
            .try_collect()
            .await
            .map_err(|error| failed(attempted, &error))
    }

    async fn update(
        &self,
        before: &Lease,
        event: Event,
        after: Lease,
        guard: Guard,
    ) -> Result<Lease, ChangeError> {
        let change = Change::new(before, event, &after, None, guard);
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(change.key.clone()))
            .update_expression(&change.update)
            .condition_expression(&change.condition)
            .set_expression_attribute_names(Some(change.names.clone()))
            .set_expression_attribute_values(Some(change.values.clone()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = sent else {
            return Ok(after);
        };
        let Some(UpdateItemError::ConditionalCheckFailedException(failure)) =
            error.as_service_error()
        else {
            return Err(failed("changing a lease", &error).into());
        };
        // The client tries again when an answer is lost. If the first try was carried out,
        // the second fails on the version that the first has written: it is our own.
        let ours = failure
            .item
            .as_ref()
            .is_some_and(|item| change.was_written_as(item));
        if ours { Ok(after) } else { Err(Changed.into()) }
    }

    /// Writes a change of a lease and what goes with it. All or nothing.
    async fn change_with(
        &self,
        change: Change,
        with: Vec<TransactWriteItem>,
        attempted: &'static str,
    ) -> Result<(), ChangeError> {
        let change = change.for_transaction(&self.table);
        let mut items = vec![TransactWriteItem::builder().update(change).build()];
        items.extend(with);
        match self.transact(attempted, &items).await? {
            Transacted::Done => Ok(()),
            Transacted::ConditionFailed { .. } => Err(Changed.into()),
        }
    }

    /// Carries out a transaction, again when it met another one on the same items.
    async fn transact(
        &self,
        attempted: &'static str,
        items: &[TransactWriteItem],
    ) -> Result<Transacted, StoreError> {
        let mut tries = 0;
        loop {
            let sent = self
                .client
                .transact_write_items()
                .set_transact_items(Some(items.to_vec()))
                .send()
                .await;
            let Err(error) = sent else {
                return Ok(Transacted::Done);
            };
            let reasons: Vec<_> = match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => cancelled
                    .cancellation_reasons()
                    .iter()
                    .map(|reason| reason.code().unwrap_or_default())
                    .collect(),
                _ => Vec::new(),
            };
            let failed_condition = reasons
                .iter()
                .position(|code| *code == "ConditionalCheckFailed");
            if let Some(index) = failed_condition {
                return Ok(Transacted::ConditionFailed { index });
            }
            tries += 1;
            if !reasons.contains(&"TransactionConflict") || tries > CONFLICT_RETRIES {
                return Err(failed(attempted, &error));
            }
            let longest = (Duration::from_millis(20) * tries).min(LONGEST_CONFLICT_PAUSE);
            tokio::time::sleep(longest.mul_f64(crate::jitter())).await;
        }
    }
}

enum Transacted {
    Done,
    ConditionFailed { index: usize },
}

/// What the table makes sure of beyond state and version.
#[derive(Clone, Copy)]
enum Guard {
    None,
    AliveAt(Time),
    OverAt(Time),
}

/// One conditional write of a lease, as an update of all its attributes.
///
/// It is an update and not a put, so that attributes that a newer program has written are
/// kept by an older one.
struct Change {
    key: HashMap<String, AttributeValue>,
    update: String,
    condition: String,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
    token: AttributeValue,
}

impl Change {
    fn new(
        before: &Lease,
        event: Event,
        after: &Lease,
        purge_at: Option<Time>,
        guard: Guard,
    ) -> Self {
        let mut names = HashMap::new();
        let mut values = HashMap::new();
        let mut set = Vec::new();
        let mut remove = Vec::new();
        let attributes = Item::of(after, purge_at).into_attributes();
        let token = attributes[record::TOKEN].clone();
        for name in record::ATTRIBUTES {
            names.insert(format!("#{name}"), (*name).to_owned());
            match attributes.get(*name) {
                Some(value) => {
                    values.insert(format!(":{name}"), value.clone());
                    set.push(format!("#{name} = :{name}"));
                }
                None => remove.push(format!("#{name}")),
            }
        }
        let mut update = format!("SET {}", set.join(", "));
        if !remove.is_empty() {
            update.push_str(" REMOVE ");
            update.push_str(&remove.join(", "));
        }

        values.insert(
            ":read".to_owned(),
            number(i64::try_from(before.version).unwrap_or(0)),
        );
        let states: Vec<_> = event
            .possible_in()
            .map(|state| {
                let name = format!(":in_{}", state.as_str());
                values.insert(name.clone(), text(state.as_str()));
                name
            })
            .collect();
        let mut condition = format!("#version = :read AND #state IN ({})", states.join(", "));
        match guard {
            Guard::None => {}
            Guard::AliveAt(now) => {
                condition.push_str(" AND #expiresAt > :now");
                values.insert(":now".to_owned(), number(now.as_millis()));
            }
            Guard::OverAt(now) => {
                condition.push_str(" AND #expiresAt <= :now");
                values.insert(":now".to_owned(), number(now.as_millis()));
            }
        }
        Self {
            key: record::lease_key(&before.owner, &before.id),
            update,
            condition,
            names,
            values,
            token,
        }
    }

    fn was_written_as(&self, item: &HashMap<String, AttributeValue>) -> bool {
        item.get(record::TOKEN) == Some(&self.token)
    }

    fn for_transaction(self, table: &str) -> Update {
        Update::builder()
            .table_name(table)
            .set_key(Some(self.key))
            .update_expression(self.update)
            .condition_expression(self.condition)
            .set_expression_attribute_names(Some(self.names))
            .set_expression_attribute_values(Some(self.values))
            .build()
            .expect("all that an update needs is given")
    }
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn parse(
    attempted: &'static str,
    attributes: HashMap<String, AttributeValue>,
) -> Result<Lease, StoreError> {
    Item::from_attributes(attributes)
        .and_then(Item::into_lease)
        .map_err(|message| StoreError {
            attempted,
            kind: StoreErrorKind::Corrupt,
            message,
        })
}

/// Translates the SDK's error, the only place where that is done.
fn failed<E, R>(attempted: &'static str, error: &SdkError<E, R>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    let code = error.code().unwrap_or_default();
    let kind = match error {
        SdkError::TimeoutError(_)
        | SdkError::DispatchFailure(_)
        | SdkError::ResponseError(_)
        | SdkError::ConstructionFailure(_) => StoreErrorKind::Unreachable,
        _ if code == "ResourceNotFoundException" => StoreErrorKind::NoTable,
        _ if code.contains("Throttl") || code == "ProvisionedThroughputExceededException" => {
            StoreErrorKind::Throttled
        }
        _ if code == "InternalServerError" || code == "ServiceUnavailable" => {
            StoreErrorKind::Unreachable
        }
        _ => StoreErrorKind::Refused,
    };
    StoreError {
        attempted,
        kind,
        message: DisplayErrorContext(error).to_string(),
    }
}
