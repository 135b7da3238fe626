//! The store: leases in one DynamoDB table.
//!
//! | item | `pk` | `sk` |
//! |---|---|---|
//! | a lease | `owner#OWNER` | `lease#ID` |
//! | an owner's count of leases and amounts | `owner#OWNER` | `quota` |
//! | the use of an idempotency key | `owner#OWNER` | `key#DIGEST` |
//! | the host's count over all leases | `host` | `counted` |
//! | a sighting of a container without a lease | `reaper` | `sighting#CONTAINER` |
//! | how far ahead due work was sent | see [`sent`] | |
//! | viewers of a log, and its relay | see [`viewers`] | |
//! | places for relays | see [`places`] | |
//! | the kept end of a log | see [`kept`] | |
//! | API tokens | see [`tokens`] | |
//! | notifications for owners | see [`outbox`] | |
//!
//! A lease is read and written only under its owner's key, so another owner's lease is not found.
//! The local index `active` (`pk`, `activeSk`) holds the leases that have not ended. Listing them
//! costs the same however long the history, and can be read consistently. The global index `due`
//! (`duePk`, `dueAt`) orders leases by the time of the reaper's next action on them, and
//! notifications by the time of the next delivery.
//!
//! Every write is conditional on the state and version that its writer has read; the states are
//! those of [`lease::TRANSITIONS`](containerlease_domain::lease::TRANSITIONS). `purgeAt` is the table's TTL
//! attribute: only items that expire have it, and no decision depends on it.
//!
//! Errors: a failed condition is a named outcome ([`Changed`], [`CreateError`]). Everything else is
//! a [`StoreError`], which says what was attempted. It is for the log; a caller only learns that
//! the table is unavailable now.

mod change;
mod claim;
mod count;
mod error;
mod found;
mod history;
mod hold;
mod kept;
mod key;
mod observer;
mod outbox;
mod places;
mod read;
mod record;
mod recount;
mod retry;
mod room;
mod sent;
mod sightings;
mod table;
mod tokens;
mod transact;
mod viewers;

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    config::timeout::TimeoutConfig,
    operation::{
        query::builders::QueryFluentBuilder,
        update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    },
    types::{AttributeValue, Put, TransactWriteItem},
};

use change::{Change, Guard};
use containerlease_domain::{
    capacity::{Limits, Whose},
    lease::{Gone, Lease, LeaseEvent, Placement, Reason, State},
    names::Holder,
    time::Time,
};
use error::failed;
use found::Named;
use observer::EndObserver;
use record::Item;
use tokens::KeptTokens;
use transact::Transacted;

pub use error::{ChangeError, Changed, CreateError, StoreError, StoreErrorKind};
pub use found::Found;
pub use history::Page;
pub use key::{KeyUse, NewKeyUse};
pub use recount::Recount;
pub use room::{Room, Shortage};
pub use viewers::{RelayHold, Viewer, Wish};

const ACTIVE_INDEX: &str = "active";
const DUE_INDEX: &str = "due";
const TTL_ATTRIBUTE: &str = "purgeAt";

/// Time limit of one call, all its tries included.
pub const CALL_LIMIT: Duration = Duration::from_secs(10);

/// The leases' table.
#[derive(Clone, Debug)]
pub struct Store {
    client: Client,
    table: String,
    named: Arc<Named>,
    end_observer: EndObserver,
    room: Room,
    kept_tokens: KeptTokens,
    /// Identifies this process in the claims that it makes.
    holder: Holder,
}

impl Store {
    /// A store on `table`, reached with the AWS settings `config`.
    pub fn new(config: &aws_config::SdkConfig, table: &str) -> Self {
        let time_limits = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(2))
            .operation_attempt_timeout(Duration::from_secs(3))
            .operation_timeout(CALL_LIMIT)
            .build();
        let config = aws_sdk_dynamodb::config::Builder::from(config)
            .timeout_config(time_limits)
            .retry_config(retry::config())
            .retry_partition(retry::partition())
            .retry_classifier(retry::MeetsOthers)
            .build();
        Self {
            client: Client::from_conf(config),
            table: table.to_owned(),
            named: Arc::default(),
            end_observer: EndObserver::default(),
            room: Room::default(),
            kept_tokens: KeptTokens::default(),
            holder: Holder::generate(),
        }
    }

    /// Checks that the table can be read and, on one machine, written. For readiness.
    pub async fn check(&self) -> Result<(), StoreError> {
        let query = self.sightings_query().table_name(&self.table).limit(1);
        let read = query.send().await;
        read.map_err(|error| failed("reading the table", &error))?;
        self.check_room().await
    }

    /// Writes a new lease, counts it for its owner and the host within `limits`, and records the
    /// use of an idempotency key. All or nothing.
    pub async fn create(
        &self,
        lease: &Lease,
        limits: &Limits,
        key: Option<&NewKeyUse<'_>>,
    ) -> Result<(), CreateError> {
        self.needs_room("creating a lease")?;
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
        // Each item with the error that its failed condition means. The key comes before the
        // quotas, since the lease that first used the key may have filled them.
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
        match self.transact("creating a lease", items).await? {
            Transacted::Done => Ok(()),
            Transacted::ConditionFailed { index } => Err(refusals.swap_remove(index)),
        }
    }

    /// Records that the lease's container runs, and writes the warning before its end.
    pub async fn start(&self, lease: &Lease, placement: Placement) -> Result<Lease, ChangeError> {
        let started = lease.started(placement);
        match self.warning_of(&started) {
            None => {
                self.update(lease, LeaseEvent::Started, started, Guard::None)
                    .await
            }
            Some(warning) => {
                let change = Change::new(lease, LeaseEvent::Started, &started, None, Guard::None);
                let written = self.change_with(change, vec![warning], "starting a lease");
                written.await.map(|()| started)
            }
        }
    }

    /// Moves the lease's end to `expires_at`, unless the lease is over at `now`, and moves its
    /// warning.
    pub async fn renew(
        &self,
        lease: &Lease,
        expires_at: Time,
        now: Time,
    ) -> Result<Lease, ChangeError> {
        let renewed = lease.renewed(expires_at);
        let guard = Guard::AliveAt(now);
        match self.warning_of(&renewed) {
            None => {
                self.update(lease, LeaseEvent::Renewed, renewed, guard)
                    .await
            }
            Some(warning) => {
                let change = Change::new(lease, LeaseEvent::Renewed, &renewed, None, guard);
                let written = self.change_with(change, vec![warning], "renewing a lease");
                written.await.map(|()| renewed)
            }
        }
    }

    /// Claims the end of the lease: of all that try on the same version, one succeeds. For
    /// [`Reason::Expired`] the table itself checks that the lease is over at `now`.
    pub async fn claim(
        &self,
        lease: &Lease,
        reason: Reason,
        now: Time,
    ) -> Result<Lease, ChangeError> {
        self.claim_begun(lease, reason, now, now).await
    }

    /// Like [`Self::claim`], for an end that began at `begun`, while the table took no write.
    pub(crate) async fn claim_begun(
        &self,
        lease: &Lease,
        reason: Reason,
        begun: Time,
        now: Time,
    ) -> Result<Lease, ChangeError> {
        let claimed = lease.claimed(reason, now).ok_or(Changed)?;
        let claimed = claimed.set_out_at(begun).held_by(&self.holder);
        let guard = match reason {
            Reason::Expired => Guard::OverAt(now),
            _ => Guard::None,
        };
        self.update(lease, LeaseEvent::Claimed, claimed, guard)
            .await
    }

    /// Records that the claimed attempt failed, and when the next one may start. `jitter` is from 0
    /// to 1.
    pub async fn attempt_failed(
        &self,
        lease: &Lease,
        now: Time,
        jitter: f64,
    ) -> Result<Lease, ChangeError> {
        let after = lease.attempt_failed(now, jitter).ok_or(Changed)?;
        let event = if after.state_name() == lease.state_name() {
            LeaseEvent::AttemptFailed
        } else {
            LeaseEvent::GivenUp
        };
        self.update(lease, event, after, Guard::None).await
    }

    /// Writes the receipt of a lease whose container is gone, subtracts the lease from the counts
    /// of its owner and the host, queues the owner's notification, and lets the record be purged
    /// after `history`.
    pub async fn end(
        &self,
        lease: &Lease,
        gone: &Gone,
        history: Duration,
    ) -> Result<Lease, ChangeError> {
        let after = lease.ended(gone).ok_or(Changed)?;
        let purge_at = gone.removed_at.plus(history);
        let change = Change::new(
            lease,
            LeaseEvent::Removed,
            &after,
            Some(purge_at),
            Guard::None,
        );
        let update = |update| TransactWriteItem::builder().update(update).build();
        let mut with = vec![update(self.count_out(Whose::Owner, lease))];
        if lease.amounts_counted {
            with.push(update(self.count_out(Whose::Host, lease)));
        }
        with.extend(self.end_of(lease, gone.removed_at, purge_at));
        self.change_with(change, with, "ending a lease").await?;
        if let State::Ended(receipt) = &after.state {
            self.end_observer.see(receipt);
        }
        Ok(after)
    }

    /// Updates an item that exists; returns whether it does. One that is gone is not made anew.
    async fn update_if_there(
        &self,
        attempted: &'static str,
        update: UpdateItemFluentBuilder,
    ) -> Result<bool, StoreError> {
        let update = update
            .table_name(&self.table)
            .condition_expression("attribute_exists(pk)");
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(failed(attempted, &error)),
            },
        }
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
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn lease_of(attributes: HashMap<String, AttributeValue>) -> Result<Lease, String> {
    Item::from_attributes(attributes).and_then(Item::into_lease)
}
