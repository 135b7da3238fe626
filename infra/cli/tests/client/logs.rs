//! `containerlease logs`.
//!
//! - [`real`]: what is seen of a real lease's log, whatever happens to the connection.
//! - [`protocol`]: what the program makes of what a server says.
//! - [`certified`]: the same over TLS.

mod certified;
mod protocol;
mod real;
