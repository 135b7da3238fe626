//! The Lambda functions: each parses an event, calls the verb in `shared` and answers.
//!
//! # Layout
//!
//! One file per function, with its handlers:
//!
//! - [`provision`], [`renew`], [`delete`], [`exec`]: one route each of the HTTP API.
//! - [`list`]: the read-only routes: leases, one lease, its log ([`log_page`]) and its usage
//!   ([`stats`]), the catalogue, the API's description ([`openapi`]), health.
//! - [`cleanup`]: the schedule's target.
//! - [`end`], [`deliver`]: the targets of the two queues ([`messages`]). [`enqueue`] sends
//!   due ends and notifications there.
//! - [`logs`]: the WebSocket API's routes. They start a [`relay`] for a log's viewers, on
//!   AWS through [`gateway`].
//!
//! Shared files: [`app`] (the clients and rules of a process), [`answer`] (HTTP requests and
//! answers), [`routes`] (which function answers which route), [`problem`] (every error that a
//! caller can see), [`parameters`] (names of query parameters), [`view`] (the JSON of a
//! lease), [`warning`] (warnings for the operator), [`metrics`] (what the alarms watch).
//! `src/bin` holds one program per function; the one-machine server calls the same handlers.

pub mod answer;
pub mod app;
pub mod cleanup;
pub mod delete;
pub mod deliver;
pub mod end;
pub mod enqueue;
pub mod exec;
pub mod gateway;
pub mod list;
pub mod log_page;
pub mod logs;
pub mod messages;
pub mod metrics;
pub mod openapi;
mod parameters;
pub mod problem;
pub mod provision;
pub mod relay;
pub mod renew;
pub mod routes;
pub mod stats;
#[cfg(test)]
mod template;
pub mod view;
pub mod warning;
