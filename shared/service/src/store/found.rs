//! Reads of many records, where an unreadable record does not block the others.
//!
//! A release that was rolled back may leave records in states that this program does not know, and
//! a record may have been edited by hand. Such a record is skipped and counted, and the log names
//! its key once.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
};

use aws_sdk_dynamodb::types::AttributeValue;

use super::Store;

/// Maximum number of keys that the log names: a table full of strange records must fill neither the
/// log nor the memory.
const NAMED: usize = 1_000;

/// The result of reading many records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<T> {
    pub items: Vec<T>,
    /// Number of unreadable records that were skipped.
    pub unreadable: usize,
    /// Whether everything was read.
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

    /// Parses a record; none if it is unreadable, which is logged once.
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
                        "{attempted}: skipped a record that this program cannot read"
                    );
                }
                None
            }
        }
    }
}

impl Named {
    /// Whether to name the key in the log now.
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
