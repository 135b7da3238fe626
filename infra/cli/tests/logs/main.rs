//! Tests of `containerlease logs`: the real program, and real sockets.
//!
//! # Layout
//!
//! - [`harness`]: the program's process, and a one-machine server with a real engine.
//! - [`wire`]: what stands between the program and the server, and cuts.
//! - [`real`]: what is seen of a real lease's log, whatever happens to the connection.
//! - [`peer`]: a server that says what a test tells it to, for what a real one does not do
//!   when it is asked.
//! - [`protocol`]: what the program makes of it.
//! - [`certified`]: the same over TLS.

mod certified;
mod harness;
mod peer;
mod protocol;
mod real;
mod wire;
