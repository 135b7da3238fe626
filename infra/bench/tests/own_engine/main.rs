//! What needs an engine of the test's own: one that is restarted, or has storage with quotas or
//! another runtime.

mod daemon;
mod disk_quota;
mod egress;
mod gvisor;
mod restart;
