//! The command line, `containerlease`: its arguments and its commands.
//!
//! Except for `serve`, which runs the server, it is a client of the API with no special access. It
//! is a library so that tests can give a command its own output.
//!
//! # Layout
//!
//! - [`call`]: parses the command line. One sub-command, one file: [`run`], [`ls`], [`logs`],
//!   [`exec`], [`renew`], [`rm`], [`inspect`], [`stats`], [`images`], [`token`],
//!   [`whoami`], [`completion`].
//! - [`find`]: a lease by its id, the beginning of its id, or its name.
//! - [`api`]: the API over HTTP; below it, the fields that this client reads from answers.
//! - [`backoff`]: the pauses between attempts.
//! - [`server`]: the server's address, the caller's token, the trusted certificates.
//! - [`failure`]: why a command failed, and its exit code.
//! - [`console`], [`table`], [`interrupt`]: the output, its tables, the signals that end a command.
//! - [`duration`], [`pair`]: the forms in which people write values; pure.

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
pub mod token;
pub mod whoami;
