//! The log filter, which keeps secrets out.
//!
//! Below `info`, the libraries we use log whole requests: table items with webhook secrets and
//! signatures, engine requests with the variables of leases, and certificates. So we drop all
//! their lines below `info`, whatever `RUST_LOG` says. Our own lines never hold a secret.

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterFn, filter_fn},
    registry::LookupSpan,
};

use crate::log_filter;

/// The prefix of our own log targets.
const OURS: &str = "containerlease";

/// The lines that `RUST_LOG` asks for, without those that may hold secrets.
pub fn filter<S>() -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    EnvFilter::new(log_filter()).and_then(without_secrets())
}

fn without_secrets() -> FilterFn {
    filter_fn(|line: &Metadata<'_>| *line.level() <= Level::INFO || line.target().starts_with(OURS))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use tracing_subscriber::{fmt, layer::SubscriberExt as _};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no writer panics").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn of_libraries_nothing_below_info_is_logged_whatever_is_asked_for() {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = fmt()
            .with_max_level(Level::TRACE)
            .with_writer(move || writer.clone())
            .finish()
            .with(EnvFilter::new("trace,hyper=trace").and_then(without_secrets()));
        tracing::subscriber::with_default(log, || {
            tracing::debug!(target: "hyper::client", "a secret of theirs");
            tracing::trace!(target: "aws_smithy_runtime", "a secret of theirs");
            tracing::info!(target: "hyper::client", "a word of theirs");
            tracing::trace!(target: "containerlease_service::store", "a word of ours");
        });
        let said = lines.0.lock().expect("no writer panics").clone();
        let said = String::from_utf8(said).expect("it is text");
        assert!(!said.contains("a secret of theirs"), "{said}");
        assert!(said.contains("a word of theirs"), "{said}");
        assert!(said.contains("a word of ours"), "{said}");
    }
}
