//! Measures the containers' disk use between the reaper's runs.

use std::{sync::Arc, time::Duration};

use containerlease_domain::time::Time;
use containerlease_functions::jobs::cleanup::MARGIN;
use containerlease_service::reaper::{self, Reaper};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// The shortest pause between two measurements.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The longest pause, if the engine has much to measure.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Measures until `ending` is cancelled.
pub(crate) async fn watch(reaper: Arc<Reaper>, metrics: Arc<Metrics>, ending: CancellationToken) {
    let mut pause = LOOK_EVERY;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = ending.cancelled() => return,
        }
        // The next look at due work notifies the owners.
        let (announce, _) = mpsc::unbounded_channel();
        let stop_at = Time::now().plus(MARGIN);
        let looked = reaper::end_overfull(&reaper, stop_at, announce).await;
        metrics.count_done(&looked.report);
        pause = reaper::until_next_look(LOOK_EVERY, LONGEST_PAUSE, looked.measuring);
    }
}
