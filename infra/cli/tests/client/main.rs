//! Tests of `containerlease` as a client: the real program, and real sockets.
//!
//! # Layout
//!
//! - [`harness`]: the program's process, and a one-machine server with a real engine.
//! - [`wire`]: a proxy between program and server that cuts connections.
//! - [`peer`]: a scripted server, for what a real one does not do on request.
//! - [`run`], [`listed`], [`ended`], [`inside`], [`logs`]: the sub-commands.
//! - [`wrong`]: the messages and exit codes of calls that fail.

mod ended;
mod harness;
mod inside;
mod listed;
mod logs;
mod peer;
mod run;
mod tokens;
mod wire;
mod wrong;
