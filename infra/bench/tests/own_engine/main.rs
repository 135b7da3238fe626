//! What needs an engine of the test's own: one that is restarted, or has storage with quotas.

mod daemon;
mod disk_quota;
mod egress;
mod restart;
