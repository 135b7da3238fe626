//! What the reaper does under load, measured on a real engine with the real server.
//!
//! The reaper is the product's: the one-machine server in a process of its own, with its
//! embedded table and its own schedule. Leases are made over its API. When a container is
//! gone is read from the engine's event stream and not from our receipts, which are held
//! against it.
//!
//! # Layout
//!
//! - [`spread`]: leases that end one after another, with and without looking ahead.
//! - [`burst`]: leases that end at one instant, against the engine's own throughput.
//! - [`by_itself`]: programs that end by themselves.
//! - [`cost`]: leasing and deleting, against the engine's own calls.
//! - [`one_bad`]: one container that cannot be removed, and what it costs the others.
//! - [`soak`]: many leases with faults, several reapers and kills, and what is left of them.
//! - [`continuity`]: a log that is followed while all that carries it is cut and killed.
//! - [`log_speed`]: how fast a container's log comes, against `docker logs`.
//! - [`log_viewers`]: many viewers of logs, what they cost, and what stays of them.
//! - [`log_writers`] and [`log_readers`]: containers that write numbered lines, and the two
//!   ways in which they are read.
//! - [`server`]: the one-machine server's process, and its API.
//! - [`engine`]: the engine behind the product's back: its events, and calls of our own.
//! - [`leases`]: making leases, and giving them the ends that a measurement wants.
//! - [`figures`] has percentiles.
//! - [`result`]: what a measurement leaves in a folder, and the page that shows it all.
//! - [`picture`]: curves and bars as SVG.
//! - [`process`]: what a process costs.
//! - [`machine`]: what it ran on.

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

/// What a measurement yields, or why there is none.
pub type Fallible<T> = Result<T, Problem>;

/// What all measurements are told.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many leases; of the log's speed, how many lines; of its viewers, how many of them.
    pub leases: usize,
    /// How often each contestant of the burst has its turn.
    pub rounds: usize,
    /// How often the reaper runs.
    pub tick: Duration,
    /// Over which time the ends of a spread lie.
    pub window: Duration,
    /// The product's binary, whose sub-commands are the server and the command line.
    pub server: PathBuf,
    /// Where results go.
    pub out: PathBuf,
}

/// Says how far a measurement is, or what it found.
#[expect(
    clippy::print_stdout,
    reason = "whoever measures wants to see how far it is and what was found"
)]
pub fn say(what: impl std::fmt::Display) {
    println!("{what}");
}
