//! What the tests share: real parts, and faults around them.
//!
//! Nothing here stands in for a part of the product. The table is DynamoDB embedded in the
//! process, the containers run on a real Docker engine, and a fault is something that
//! happens on the wire between the two and us. Only where ten thousand ends are raced, which
//! no engine carries out in a test's time, one in memory takes the real one's place.
//!
//! - [`table`]: a table of the test's own, on a loopback port.
//! - [`place`]: a deployment of the test's own on the engine; it is emptied when the test
//!   ends, however it ends.
//! - [`watch`]: the engine's own account of what happened to a place's containers.
//! - [`proxy`]: what stands between a client and the table or the engine, counts requests,
//!   and cuts, delays or loses them as the test says.
//! - [`receiver`]: a receiver of webhooks, which answers as the test says.
//! - [`bench`]: the product's own [`App`](containerlease_functions::app::App) on all these.
//! - [`engine`]: an engine in memory, which remembers what was asked of each container.
//! - [`events`]: the saved events in `functions/events`, as the handlers take them.
//!
//! A test that needs an engine and finds none fails and says so; it is never skipped.

pub mod bench;
pub mod engine;
pub mod events;
pub mod place;
pub mod proxy;
pub mod receiver;
pub mod table;
pub mod watch;

pub use bench::{Bench, Plan};
pub use engine::Engine;
pub use place::Place;
pub use proxy::{Fault, Proxy, Seen};
pub use receiver::{Receiver, Reply};
pub use table::Table;
pub use watch::Watch;

/// Fails where a test has to leave out what it proves, although everything was to be tried
/// (`CONTAINERLEASE_TEST_ALL`, as `make attack` has it).
///
/// # Panics
///
/// There.
#[expect(
    clippy::disallowed_methods,
    reason = "what is to be tried is asked of the tests alone"
)]
pub fn assert_may_skip(why: &str) {
    let all = std::env::var_os("CONTAINERLEASE_TEST_ALL").is_some();
    assert!(!all, "it could not be tried: {why}");
}
