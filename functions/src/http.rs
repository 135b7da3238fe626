//! What the routes of the HTTP API share.
//!
//! - [`router`]: which function answers which path and method.
//! - [`answer`]: from a request to its caller and lease, and from a result to a response.
//! - [`problem`]: every error that a caller can see.
//! - [`view`]: the JSON of a lease. `parameters`: the names in a query.

pub mod answer;
pub(crate) mod parameters;
pub mod problem;
pub mod router;
pub mod view;
