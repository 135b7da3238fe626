//! Tests that need their own engine: one that restarts, has storage with quotas, or has another
//! runtime.

mod daemon;
mod disk_quota;
mod egress;
mod gvisor;
mod restart;
