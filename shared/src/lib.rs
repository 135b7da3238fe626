//! ContainerLease: containers, leased for a limited time.
//!
//! # Layout
//!
//! Pure rules, which know neither AWS nor Docker nor HTTP:
//!
//! - [`lease`]: the lease, its states, the table of its transitions, the rules of its time.
//! - [`catalogue`]: what may be leased.
//! - [`capacity`]: what leases take up, and whether there is room.
//! - [`request`]: what may be asked, parsed.
//! - [`idempotency`]: the names by which a request is carried out once.
//! - [`logs`]: a container's log as entries with cursors, and entries as frames.
//! - [`webhook`]: what an owner is told of his lease, where, and how it is signed.
//! - [`names`], [`time`], [`runtime`]: the words that the rest is written in; [`clock`]: what time it is.
//!
//! The outside:
//!
//! - [`store`]: leases in DynamoDB.
//! - [`host`]: containers on a Docker engine.
//! - [`courier`]: notifications to their receivers, over HTTP.
//! - [`settings`]: the environment. [`log`]: what of it is logged.
//!
//! What is done with both, one file per verb:
//!
//! - [`provision`], [`renew`], [`delete`]: what an owner asks for.
//! - [`exec`], [`stats`]: what is done [inside] a container while it runs.
//! - [`log_page`]: a part of a log, by request.
//! - [`end`]: how a lease ends, whoever asked for it.
//! - [`due`]: on AWS, what falls due, as messages that a queue holds back until then.
//! - [`cleanup`]: the reaper.
//! - [`deliver`]: what owners are told.
//! - [`relay`]: a log, carried to a viewer.

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

/// A random number from 0 to 1, to spread retries.
pub(crate) fn jitter() -> f64 {
    fastrand::f64()
}
