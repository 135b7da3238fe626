//! What ContainerLease does with leases: the table, the Docker host, and each verb on both.
//!
//! # Layout
//!
//! - [`leasing`]: what callers ask for (provision, renew, delete, exec, stats, a page of a log),
//!   and [`leasing::end`], how every lease ends, whoever asked for it.
//! - [`reaper`]: ends what is due, and reconciles leases with containers.
//! - [`due`]: on AWS, what falls due, as messages that a queue holds back until then.
//! - [`notify`]: delivers notifications to the receivers of owners.
//! - [`log_relay`]: carries one log to its viewers.
//! - [`store`]: leases in DynamoDB.
//! - [`docker`]: containers on a Docker host.
//!
//! The rules that these apply are in `containerlease-domain`, which knows none of them.

pub mod docker;
pub mod due;
mod in_hand;
pub mod leasing;
pub mod log_relay;
pub mod notify;
pub mod reaper;
pub mod store;
mod wait;

/// A random number from 0 to 1, to spread retries.
fn jitter() -> f64 {
    fastrand::f64()
}
