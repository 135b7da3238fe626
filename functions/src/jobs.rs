//! What runs without a caller: the targets of the schedule and of the two queues.
//!
//! - [`cleanup`]: one run of the reaper, each minute.
//! - [`end`]: ends the leases whose end is due. [`deliver`]: delivers notifications.
//! - [`messages`]: the messages of a queue.

pub mod cleanup;
pub mod deliver;
pub mod end;
pub mod messages;
