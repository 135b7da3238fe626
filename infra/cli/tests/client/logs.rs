//! `containerlease logs`.
//!
//! - [`real`]: a real lease's log, whatever happens to the connection.
//! - [`protocol`]: how the program reacts to a server's messages.
//! - [`certified`]: the same over TLS.

mod certified;
mod protocol;
mod real;
