//! How the program reacts to servers' messages.
//!
//! - [`messages`]: what it shows of them.
//! - [`reconnects`]: interruptions, after which it goes on where it was.
//! - [`pages`]: the log in pages, without `--follow`.
//! - [`refusals`]: what ends it at once, in which words and with which exit code.
//! - [`readers`]: who reads its output: a pipe, a file, a terminal.

mod messages;
mod pages;
mod readers;
mod reconnects;
mod refusals;

use super::LEASE;
use crate::{
    harness::{Outcome, Run},
    peer::{Act, Peer},
};

async fn follow(peer: &Peer, more: &[&str]) -> Outcome {
    let arguments: Vec<_> = ["logs", "--follow", LEASE].iter().chain(more).collect();
    let arguments: Vec<&str> = arguments.into_iter().copied().collect();
    Run::start(&peer.url(), &arguments).end().await
}

fn say(lines: &[String]) -> Act {
    Act::Say(lines.to_vec())
}

fn path(query: &str) -> String {
    format!("/ws/logs/{LEASE}{query}")
}
