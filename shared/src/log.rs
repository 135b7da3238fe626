//! What is logged.
//!
//! The libraries below print whole requests at their lower levels: the table's items, in
//! which are the secrets of webhooks, and signatures; the engine's, in which are the
//! variables of leases; certificates. So nothing of theirs below `info` is logged, whatever
//! `RUST_LOG` says, and our own lines are written so that they hold no secret.

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterFn, filter_fn},
    registry::LookupSpan,
};

use crate::settings::log_filter;

/// With what the targets of our own lines begin.
const OURS: &str = "containerlease";

/// What `RUST_LOG` asks for, without what may hold secrets.
pub fn filter<S>() -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    EnvFilter::new(log_filter()).and_then(without_secrets())
}

fn without_secrets() -> FilterFn {
    filter_fn(|line: &Metadata<'_>| *line.level() <= Level::INFO || line.target().starts_with(OURS))
}
