//! The command line, `containerlease`: what it takes, and what it does.
//!
//! It is a client of the API and knows no more than any other. As a library it is there for
//! tests and measurements: a command writes to whatever it is given.
//!
//! # Layout
//!
//! - [`call`]: what the command line takes. One sub-command, one file.
//! - [`logs`]: `containerlease logs`; below it the log protocol's client, in parts.
//! - [`server`]: where the server is, and whom it must be certified by.
//! - [`failure`]: why a command could not do what was asked, and its exit code.

pub mod call;
pub mod failure;
pub mod logs;
pub mod server;
