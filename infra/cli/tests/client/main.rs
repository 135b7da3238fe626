//! Tests of `containerlease` as a client: the real program, and real sockets.
//!
//! # Layout
//!
//! - [`harness`]: the program's process, and a one-machine server with a real engine.
//! - [`wire`]: what stands between the program and the server, and cuts.
//! - [`peer`]: a server that says what a test tells it to, for what a real one does not do
//!   when it is asked.
//! - [`run`], [`listed`], [`ended`], [`inside`], [`logs`]: what the sub-commands do.
//! - [`wrong`]: what is said of calls that cannot be carried out, and the exit codes.

mod ended;
mod harness;
mod inside;
mod listed;
mod logs;
mod peer;
mod run;
mod wire;
mod wrong;
