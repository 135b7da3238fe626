//! The rules of ContainerLease: containers, leased for a limited time.
//!
//! This crate links no SDK, no Docker client and no Lambda runtime. Time is a parameter; only
//! [`clock`] reads it.
//!
//! # Layout
//!
//! - [`lease`]: the lease, its states, the table of its transitions, the rules of its time.
//! - [`plan`]: what a run of the reaper does, decided from leases, containers and the time.
//! - [`container`]: the containers of a deployment as an engine shows them, and their labels.
//! - [`request`]: bodies and queries of requests, parsed, with every fault at once.
//! - [`policy`], [`capacity`]: the operator's rules, and whether there is room for a lease.
//! - [`catalogue`], [`runtime`], [`egress`]: what may be leased, and how it is kept apart.
//! - [`identity`]: who calls, and what a caller may do; API tokens.
//! - [`idempotency`]: keys under which a request is carried out once.
//! - [`logs`]: a container's log as entries with cursors.
//! - [`webhook`], [`notification`]: where owners are told of their leases, and what.
//! - [`view`]: the JSON of a receipt.
//! - [`names`], [`time`], [`clock`]: the words that the rest is written in.

pub mod capacity;
pub mod catalogue;
pub mod clock;
pub mod container;
pub mod egress;
mod hex;
pub mod idempotency;
pub mod identity;
pub mod lease;
pub mod logs;
pub mod names;
pub mod notification;
pub mod plan;
pub mod policy;
pub mod request;
pub mod runtime;
pub mod time;
pub mod view;
pub mod webhook;
