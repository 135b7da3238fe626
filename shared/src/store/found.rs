//! Reads of many records, of which one that cannot be read holds up no other.
//!
//! A release that was rolled back may leave records in states that this program does not
//! know, and a hand may have edited one. Such a record is passed over and counted, and the
//! log names its key once.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
};

use aws_sdk_dynamodb::types::AttributeValue;

use super::Store;

/// How many keys the log names at most: a table full of strange records must fill neither
/// the log nor the memory.
const NAMED: usize = 1_000;

/// What a read of many records has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<T> {
    pub items: Vec<T>,
    /// How many records were passed over since they cannot be read.
    pub unreadable: usize,
    /// Whether all was read that there is.
    pub whole: bool,
}

/// The keys of unreadable records that the log has named since the process started.
#[derive(Debug, Default)]
pub(super) struct Named(Mutex<HashSet<String>>);

impl Store {
    /// Parses the records of a read, one by one.
    pub(super) fn found<T>(
        &self,
        attempted: &'static str,
        records: Vec<HashMap<String, AttributeValue>>,
        parse: impl Fn(HashMap<String, AttributeValue>) -> Result<T, String>,
    ) -> Found<T> {
        let total = records.len();
        let items: Vec<_> = records
            .into_iter()
            .filter_map(|record| self.readable(attempted, record, &parse))
            .collect();
        Found {
            unreadable: total - items.len(),
            whole: true,
            items,
        }
    }

    /// Parses a record; none where it cannot be read, which the log says once.
    pub(super) fn readable<T>(
        &self,
        attempted: &'static str,
        record: HashMap<String, AttributeValue>,
        parse: impl Fn(HashMap<String, AttributeValue>) -> Result<T, String>,
    ) -> Option<T> {
        let key = ["pk", "sk"].map(|name| record.get(name).cloned());
        match parse(record) {
            Ok(parsed) => Some(parsed),
            Err(problem) => {
                let part = |value: &Option<AttributeValue>| match value {
                    Some(AttributeValue::S(text)) => text.clone(),
                    other => format!("{other:?}"),
                };
                let key = key.each_ref().map(part).join(" / ");
                if self.named.is_new(&key) {
                    tracing::error!(
                        key,
                        problem,
                        "{attempted}: passed over a record that this program cannot read"
                    );
                }
                None
            }
        }
    }
}

impl Named {
    /// Whether the key is to be named now.
    fn is_new(&self, key: &str) -> bool {
        let mut named = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        named.len() < NAMED && !named.contains(key) && named.insert(key.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_once_and_not_all_are() {
        let named = Named::default();
        assert!(named.is_new("a"));
        assert!(!named.is_new("a"));
        for number in 0..NAMED - 1 {
            assert!(named.is_new(&number.to_string()));
        }
        assert!(!named.is_new("one more"));
    }
}
