//! The command line, `containerlease`: what it takes, and what it does.
//!
//! But for `serve`, which is the server, it is a client of the API and knows no more than any
//! other. As a library it is there for tests: a command writes to whatever it is given.
//!
//! # Layout
//!
//! - [`call`]: what the command line takes. One sub-command, one file: [`run`], [`ls`],
//!   [`logs`], [`exec`], [`renew`], [`rm`], [`inspect`], [`stats`], [`images`], [`completion`].
//! - [`find`]: a lease by its id, the beginning of its id, or its name.
//! - [`api`]: the API over HTTP; below it what is read of its answers.
//! - [`backoff`]: when to try again.
//! - [`server`]: where the server is, and whom it must be certified by.
//! - [`failure`]: why a command could not do what was asked, and its exit code.
//! - [`console`], [`table`], [`interrupt`]: who reads, what a person sees, and how he ends it.
//! - [`duration`], [`pair`]: what people write; pure.

pub mod api;
pub mod backoff;
pub mod call;
pub mod completion;
pub mod console;
pub mod duration;
pub mod exec;
pub mod failure;
pub mod find;
pub mod images;
pub mod inspect;
pub mod interrupt;
pub mod logs;
pub mod ls;
pub mod pair;
pub mod renew;
pub mod rm;
pub mod run;
pub mod server;
pub mod stats;
pub mod table;
