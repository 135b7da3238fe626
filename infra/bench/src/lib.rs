//! Load measurements of the reaper and the logs, on a real engine with the real server.
//!
//! The reaper is the product's own: the one-machine server in a separate process, with its
//! embedded table and its own schedule. Leases are made over its API. The engine's event
//! stream says when a container is gone; our receipts are compared with it.
//!
//! # Layout
//!
//! - [`spread`]: leases that end one after another, with and without looking ahead.
//! - [`burst`]: leases that end at one instant, compared with the engine's own throughput.
//! - [`by_itself`]: programs that end by themselves.
//! - [`cost`]: leasing and deleting, compared with the engine's own calls.
//! - [`one_bad`]: how much one container that cannot be removed delays the others.
//! - [`soak`]: many leases with faults, several reapers and kills; nothing may be left.
//! - [`continuity`]: a log that is followed through cuts and kills.
//! - [`log_speed`]: the speed of a container's log, compared with `docker logs`.
//! - [`log_viewers`]: many log viewers, their cost, and what they leave behind.
//! - [`log_writers`] and [`log_readers`]: containers that write numbered lines, and the two
//!   kinds of reader.
//! - [`server`]: the one-machine server's process, and its API.
//! - [`engine`]: the engine behind the product's back: its events, and direct calls.
//! - [`leases`]: makes leases, and gives them the ends that a measurement needs.
//! - [`figures`]: percentiles and other numbers.
//! - [`result`]: a measurement's files, and the page that shows them all.
//! - [`picture`]: curves and bars as SVG.
//! - [`process`]: the resources that a process uses.
//! - [`machine`]: facts about the machine.

pub mod burst;
pub mod by_itself;
pub mod continuity;
pub mod cost;
pub mod engine;
pub mod figures;
pub mod leases;
pub mod log_readers;
pub mod log_speed;
pub mod log_viewers;
pub mod log_writers;
pub mod machine;
pub mod one_bad;
pub mod picture;
pub mod process;
pub mod result;
pub mod server;
pub mod soak;
pub mod spread;

use std::{path::PathBuf, time::Duration};

/// Why a measurement could not be made.
pub type Problem = Box<dyn std::error::Error + Send + Sync>;

/// A measurement's value, or why there is none.
pub type Fallible<T> = Result<T, Problem>;

/// The options of all measurements.
#[derive(Clone, Debug)]
pub struct Options {
    /// Number of leases; for the log's speed, number of lines; for its viewers, of viewers.
    pub leases: usize,
    /// Number of turns of each contestant.
    pub rounds: usize,
    /// The interval between runs of the reaper.
    pub tick: Duration,
    /// The time over which the ends of a spread are distributed.
    pub window: Duration,
    /// The product's binary, which is both the server and the command line.
    pub server: PathBuf,
    /// The folder for results.
    pub out: PathBuf,
}

/// Prints a measurement's progress or result.
#[expect(
    clippy::print_stdout,
    reason = "whoever measures wants to see how far it is and what was found"
)]
pub fn say(what: impl std::fmt::Display) {
    println!("{what}");
}
