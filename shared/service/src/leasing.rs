//! What is done with one lease, one file per verb.

pub mod delete;
pub mod end;
pub mod exec;
pub mod inside;
pub mod log_page;
pub mod provision;
pub mod renew;
pub mod stats;
