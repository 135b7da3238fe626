//! Tasks of this process: those that outlive their caller, those that restart after a panic, and
//! those that a stop waits for.
//!
//! A panic ends only its own task. That holds only if panics unwind, so the server refuses to be
//! built otherwise. Functions on Lambda need the same setting: one viewer's panic must not end the
//! relay of all.

use std::{
    panic::{self, PanicHookInfo},
    time::Duration,
};

use prometheus_client::metrics::counter::Counter;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

#[cfg(not(panic = "unwind"))]
compile_error!("the server outlives the panic of a task only where panics unwind");

/// The pause before a loop restarts after a panic.
const PAUSE: Duration = Duration::from_secs(1);

/// The tasks that a stop waits for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks(TaskTracker);

impl Tasks {
    /// Starts work that runs to its end, even if nobody waits for it.
    pub(crate) fn spawn<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.0.spawn(work.in_current_span())
    }

    /// Waits until all of it is done, including what it has started since.
    pub(crate) async fn finish(&self) {
        self.0.close();
        self.0.wait().await;
    }
}

/// Runs a loop that must go on: restarts it after a panic. Returns when it is done.
pub(crate) async fn keep_running<F>(what: &'static str, mut run: impl FnMut() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    while let Err(error) = tokio::spawn(run()).await {
        if error.is_cancelled() {
            return;
        }
        tracing::error!("{what} panicked and begins again");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Counts every panic of this process and logs it, instead of the bare text on standard error.
pub(crate) fn count_panics(counter: Counter) {
    panic::set_hook(Box::new(move |info| {
        counter.inc();
        let at = info.location().map(ToString::to_string);
        tracing::error!(at, "a task panicked: {}", said(info));
    }));
}

fn said<'p>(info: &'p PanicHookInfo<'_>) -> &'p str {
    info.payload_as_str().unwrap_or("it did not say why")
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_panics_begins_again_until_it_is_done() {
        let begun = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&begun);
        keep_running("a test", move || {
            let round = count.fetch_add(1, Ordering::SeqCst);
            async move { assert!(round == 3, "round {round} is not the last") }
        })
        .await;
        assert_eq!(begun.load(Ordering::SeqCst), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn work_goes_on_without_whoever_started_it_and_a_stop_waits() {
        let tasks = Tasks::default();
        let done = Arc::new(AtomicUsize::new(0));
        for panics in [true, false] {
            let done = Arc::clone(&done);
            drop(tasks.spawn(async move {
                tokio::time::sleep(PAUSE).await;
                assert!(!panics, "one of them panics");
                done.fetch_add(1, Ordering::SeqCst);
            }));
        }
        tasks.finish().await;
        assert_eq!(done.load(Ordering::SeqCst), 1);
    }
}
