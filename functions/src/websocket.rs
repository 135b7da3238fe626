//! The WebSocket API: how a line of a log reaches its viewers.
//!
//! - [`connections`]: the API's routes, `$connect`, `$disconnect` and a viewer's messages.
//! - [`relay`]: what they start: it follows one log for all of its viewers.
//! - [`gateway`]: how the relay reaches viewers on AWS.

pub mod connections;
pub mod gateway;
pub mod relay;
