//! `containerlease logs`.
//!
//! - [`real`]: a real lease's log, whatever happens to the connection.
//! - [`protocol`]: how the program reacts to a server's messages.
//! - [`certified`]: the same over TLS.

mod certified;
mod protocol;
mod real;

/// The lease of a scripted server.
const LEASE: &str = "0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c";
