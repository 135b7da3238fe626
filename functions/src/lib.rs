//! The Lambda functions: parse an event, call the verb in `shared`, answer.
//!
//! # Layout
//!
//! One file per function, each with its handlers:
//!
//! - [`provision`], [`renew`], [`delete`], [`exec`]: one route each of the HTTP API.
//! - [`list`]: the routes that only read: leases, one lease, its log ([`log_page`]) and what
//!   it uses ([`stats`]), the catalogue, the
//!   API's description ([`openapi`]), health.
//! - [`cleanup`]: the schedule's target.
//! - [`end`], [`deliver`]: the targets of the two queues ([`messages`]), to which [`enqueue`]
//!   sends what falls due.
//! - [`logs`]: the WebSocket API's routes; [`relay`]: what they start for a log's viewers, on
//!   AWS through [`gateway`].
//!
//! And what these share: [`app`] (what a process holds), [`answer`] (requests and answers
//! over HTTP), [`routes`] (which function answers what), [`problem`] (every error that a
//! caller can see), [`parameters`] (a query's names), [`view`] (the JSON of a lease),
//! [`warning`] (what an operator ought to put right), [`metrics`] (what the alarms watch).
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
