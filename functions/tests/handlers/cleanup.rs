//! The schedule's target: the reaper, with a real table and a real engine.
//!
//! - [`ends`]: a lease ends at its time, and once.
//! - [`reasons`]: what a receipt says when a lease ends by itself.
//! - [`orphans`]: a container without a lease is removed, but never on a guess.
//! - [`faults`]: an engine that fails, or is slow.

mod ends;
mod faults;
mod orphans;
mod reasons;
