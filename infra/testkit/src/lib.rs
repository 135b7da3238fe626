//! Parts that the tests share: real services, and faults around them.
//!
//! Nothing here replaces a part of the product. The table is DynamoDB embedded in the process,
//! the containers run on a real Docker engine, and faults happen on the wire between these and
//! us. The one exception is an in-memory engine: it races ten thousand ends, which a real
//! engine cannot do in a test's time.
//!
//! - [`table`]: the test's own table, on a loopback port.
//! - [`place`]: the test's own deployment on the engine; emptied when the test ends, even if
//!   it fails.
//! - [`server`]: starts the one-machine server in a process of its own.
//! - [`folder`]: a temporary folder.
//! - [`wait`]: waits for what comes by itself.
//! - [`watch`]: the engine's own events about a place's containers.
//! - [`proxy`]: sits between a client and the table or the engine, counts requests, and cuts,
//!   delays or loses them as the test says.
//! - [`receiver`]: a receiver of webhooks, which answers as the test says.
//! - [`test`]: the product's own [`App`](containerlease_functions::app::App) on all these.
//! - [`engine`]: an in-memory engine, which records the calls for each container.
//! - [`events`]: the saved events in `functions/events`, in the form that handlers take.
//!
//! A test that needs an engine and finds none fails and says so; it is never skipped.

pub mod engine;
pub mod events;
pub mod folder;
pub mod place;
pub mod proxy;
pub mod receiver;
pub mod server;
pub mod table;
pub mod test_app;
pub mod wait;
pub mod watch;

pub use engine::Engine;
pub use folder::Folder;
pub use place::Place;
pub use proxy::{Fault, Proxy, Seen};
pub use receiver::{Receiver, Reply};
pub use server::{Launcher, ServerProcess};
pub use table::Table;
pub use test_app::{TestApp, TestAppOptions};
pub use watch::Watch;

/// Allows a test to skip its proof, unless nothing may be skipped.
///
/// # Panics
///
/// If `CONTAINERLEASE_TEST_ALL` is set, as `make attack` does.
#[expect(
    clippy::disallowed_methods,
    reason = "only the tests read this setting"
)]
pub fn assert_may_skip(why: &str) {
    let all = std::env::var_os("CONTAINERLEASE_TEST_ALL").is_some();
    assert!(!all, "it could not be tried: {why}");
}
