//! Tests of the running one-machine server: the real binary, a real engine, real sockets.
//!
//! # Layout
//!
//! - [`harness`]: a place for a server with its own deployment on the engine, the running server,
//!   and a viewer of logs. Dropping the place removes everything of the test from the engine,
//!   however the test ends.
//! - One file for each promise of the server.
//!
//! The tests over TCP find the engine through two variables, which the project's test script sets:
//! see [`engine_over_tls`].

mod bad_input;
mod by_itself;
mod callers;
mod clock;
mod closes;
mod crash;
mod dashboard;
mod disk;
mod engine_over_tls;
mod expiry;
mod flood;
mod founding;
mod from_inside;
mod full_disk;
mod hang_up;
mod harness;
mod head;
mod inside;
mod logs;
mod metrics;
mod notify;
mod panics;
mod secrets;
mod sign_in;
mod slow_viewers;
mod start;
mod stop;
mod table;
mod untrusted;
mod warnings;
