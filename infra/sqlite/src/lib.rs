//! The bindings of a later SQLite, for a rusqlite that asks for those of an earlier one.

pub use later::*;
