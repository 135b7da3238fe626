//! What the tests share: real parts, and faults around them.
//!
//! Nothing here stands in for a part of the product. The table is DynamoDB embedded in the
//! process, the containers run on a real Docker engine, and a fault is something that
//! happens on the wire between the two and us.
//!
//! - [`table`]: a table of the test's own, on a loopback port.
//! - [`place`]: a deployment of the test's own on the engine; it is emptied when the test
//!   ends, however it ends.
//! - [`proxy`]: what stands between a client and the table or the engine, counts requests,
//!   and cuts, delays or loses them as the test says.
//! - [`bench`]: the product's own [`App`](containerlease_functions::app::App) on all these.
//! - [`events`]: the saved events in `functions/events`, as the handlers take them.
//!
//! A test that needs an engine and finds none fails and says so; it is never skipped.

pub mod bench;
pub mod events;
pub mod place;
pub mod proxy;
pub mod table;

pub use bench::{Bench, Plan};
pub use place::Place;
pub use proxy::{Fault, Proxy, Seen};
pub use table::Table;
