//! ContainerLease: containers, leased for a limited time.
//!
//! # Layout
//!
//! Pure rules, which know neither AWS nor Docker nor HTTP:
//!
//! - [`lease`]: the lease, its states, its transition table and its deadline rules.
//! - [`catalogue`]: the image types that can be leased.
//! - [`capacity`]: the resources that leases use, and whether there is room for another.
//! - [`request`]: parsers of request bodies and queries.
//! - [`idempotency`]: idempotency keys, so that a repeated request runs once.
//! - [`logs`]: a container's log as entries with cursors, and entries as frames.
//! - [`webhook`]: notifications to an owner, their receiver and their signature.
//! - [`names`], [`time`], [`runtime`]: basic types that the rest uses; [`clock`]: the current time.
//!
//! The outside:
//!
//! - [`store`]: leases in DynamoDB.
//! - [`host`]: containers on a Docker engine.
//! - [`courier`]: notifications to their receivers, over HTTP.
//! - [`settings`]: the environment. [`log`]: the filter of our own logging.
//!
//! Verbs, which use both; one file each:
//!
//! - [`provision`], [`renew`], [`delete`]: an owner's requests.
//! - [`exec`], [`stats`]: work [inside] a running container.
//! - [`log_page`]: one page of a log.
//! - [`end`]: ends a lease, whoever asked for it.
//! - [`due`]: on AWS, delayed queue messages for what falls due.
//! - [`cleanup`]: the reaper.
//! - [`deliver`]: delivers notifications to owners.
//! - [`relay`]: streams a log to its viewers.

pub mod capacity;
pub mod catalogue;
pub mod cleanup;
pub mod clock;
pub mod courier;
pub mod delete;
pub mod deliver;
pub mod due;
pub mod egress;
pub mod end;
pub mod exec;
pub mod host;
pub mod idempotency;
mod in_hand;
pub mod inside;
pub mod lease;
pub mod log;
pub mod log_page;
pub mod logs;
pub mod names;
pub mod provision;
pub mod relay;
pub mod renew;
pub mod request;
pub mod runtime;
pub mod settings;
pub mod stats;
pub mod store;
pub mod time;
pub mod view;
pub(crate) mod wait;
pub mod webhook;

/// A random number from 0 to 1 that spreads retries.
pub(crate) fn jitter() -> f64 {
    fastrand::f64()
}
