//! The Lambda functions: parse an event, call the verb in `containerlease-service`, answer.
//!
//! # Layout
//!
//! - [`routes`]: the HTTP API, one file per URL.
//! - [`websocket`]: the WebSocket API, over which a log reaches its viewers.
//! - [`jobs`]: the targets of the schedule and of the two queues.
//! - [`http`]: what the routes share: requests, answers, problems, the JSON of a lease.
//! - [`openapi`]: the API's description.
//! - [`app`]: what a process holds. [`enqueue`]: sends what falls due to the queues.
//!   [`metrics`]: what the alarms watch. [`warning`]: what an operator ought to put right.
//!
//! `src/bin` holds one program per function. The one-machine server calls the same handlers.

pub mod app;
pub mod enqueue;
pub mod http;
pub mod jobs;
pub mod metrics;
pub mod openapi;
pub mod routes;
#[cfg(test)]
mod template;
pub mod warning;
pub mod websocket;
