//! Measures what containers use of the disk, between the runs of the reaper.

use std::{sync::Arc, time::Duration};

use containerlease_functions::cleanup::MARGIN;
use containerlease_shared::{
    cleanup::{self, Reaper},
    time::Time,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// How long to wait between two looks, at the least.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How long at the most, where the engine has much to measure.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Looks until `ending` is cancelled.
pub(crate) async fn watch(reaper: Arc<Reaper>, metrics: Arc<Metrics>, ending: CancellationToken) {
    let mut pause = LOOK_EVERY;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = ending.cancelled() => return,
        }
        // Owners are told by the next look at what falls due.
        let (announce, _) = mpsc::unbounded_channel();
        let stop_at = Time::now().plus(MARGIN);
        let looked = cleanup::end_overfull(&reaper, stop_at, announce).await;
        metrics.count_done(&looked.report);
        pause = cleanup::until_next_look(LOOK_EVERY, LONGEST_PAUSE, looked.measuring);
    }
}
