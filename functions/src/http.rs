//! What the routes of the HTTP API share.
//!
//! - [`router`]: which function answers which path and method.
//! - [`caller`]: who sends a request, and whether the caller may do it.
//! - [`answer`]: from a request to its lease and body, and from a result to a response.
//! - [`problem`]: every error that a caller can see.
//! - [`view`]: the JSON of a lease. `parameters`: the names in a query.

pub mod answer;
pub mod caller;
pub(crate) mod parameters;
pub mod problem;
pub mod router;
pub mod view;
