//! Parsers of request bodies. They return the checked inputs of the verbs.
//!
//! A parser collects all faults of a body before it answers, so that a caller can correct them
//! all at once. Its result is checked; no deeper code checks again. [`list`] does the same for
//! the query of a list.

mod duration;
pub mod exec;
mod fields;
mod json;
pub mod list;
pub mod make_token;
mod notify;
mod password;
pub mod ports;
mod provision;
mod renew;

use serde::Serialize;
use utoipa::ToSchema;

pub use duration::{SHORTEST_LEASE_SECONDS, SHORTEST_MINUTES};
pub use exec::Exec;
pub use make_token::MakeToken;
pub use notify::Notify;
pub use provision::{
    COMMAND_BYTES, COMMAND_PARTS, Canonical, DEFAULT_MINUTES, ENV_BYTES, ENV_ENTRIES,
    LABEL_KEY_LENGTH, LABEL_VALUE_LENGTH, LABELS, LEAST_CPU_MILLI, LEAST_DISK_MB, LEAST_MEMORY_MB,
    NAME_LENGTH, Provision,
};
pub use renew::Renew;

use fields::{Fields, kind, quoted, short, whole};
use provision::is_label_key;

/// The largest request body, in bytes.
pub const BODY_LIMIT: usize = 64 * 1024;

/// Why a body is refused.
#[derive(Clone, Debug, PartialEq)]
pub enum Refused {
    /// The body is not a JSON object; the text says why.
    NotAnObject(String),
    /// All wrong fields, ordered by name.
    Fields(Vec<FieldFault>),
}

/// What is wrong with one field, as a sentence for the caller.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
pub struct FieldFault {
    /// The field of the body, or the parameter of the query.
    pub field: String,
    pub detail: String,
}

impl FieldFault {
    /// The query has an unknown parameter; `known` are the existing ones.
    pub fn unknown_parameter(name: &str, known: &[&str]) -> Self {
        let known = known.join(", ");
        Self {
            field: short(name),
            detail: format!("There is no such parameter; the parameters are {known}."),
        }
    }

    /// The body repeats a key. Programs disagree on which of the values counts.
    pub(super) fn repeated_key(field: &str, key: &str) -> Self {
        Self {
            field: short(field),
            detail: format!("The key {} is given more than once.", quoted(key)),
        }
    }

    /// The query repeats a parameter that is allowed only once.
    pub fn repeated_parameter(name: &str) -> Self {
        Self {
            field: name.to_owned(),
            detail: "It is given more than once.".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
