//! Conditional writes of a lease, alone or in a transaction with other items.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update},
};
use containerlease_domain::{
    lease::{Lease, LeaseEvent},
    time::Time,
};

use super::{
    ChangeError, Changed, Store, failed, number,
    record::{self, Item},
    text,
    transact::Transacted,
};

impl Store {
    pub(super) async fn update(
        &self,
        before: &Lease,
        event: LeaseEvent,
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
        // The client retries when an answer is lost. If the first try was carried out, the second
        // fails on the version that the first one wrote. That write is our own.
        let ours = failure
            .item
            .as_ref()
            .is_some_and(|item| change.was_written_as(item));
        if ours { Ok(after) } else { Err(Changed.into()) }
    }

    /// Writes a change of a lease together with other items. All or nothing.
    pub(super) async fn change_with(
        &self,
        change: Change,
        with: Vec<TransactWriteItem>,
        attempted: &'static str,
    ) -> Result<(), ChangeError> {
        let change = change.for_transaction(&self.table);
        let mut items = vec![TransactWriteItem::builder().update(change).build()];
        items.extend(with);
        match self.transact(attempted, items).await? {
            Transacted::Done => Ok(()),
            Transacted::ConditionFailed { .. } => Err(Changed.into()),
        }
    }
}

/// A condition that the table checks in addition to state and version.
#[derive(Clone, Copy)]
pub(super) enum Guard {
    None,
    AliveAt(Time),
    OverAt(Time),
}

/// One conditional write of a lease, as an update of all its attributes.
///
/// An update, not a put: an older program keeps attributes that a newer one has written.
pub(super) struct Change {
    key: HashMap<String, AttributeValue>,
    update: String,
    condition: String,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
    token: AttributeValue,
}

impl Change {
    pub(super) fn new(
        before: &Lease,
        event: LeaseEvent,
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
