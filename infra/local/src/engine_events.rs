//! Listening to the engine: what happens to a container is known when it happens. The ticker
//! remains, for what was missed.

use std::{sync::Arc, time::Duration};

use containerlease_shared::{
    cleanup::{self, Reaper},
    time::Time,
};
use futures_util::StreamExt as _;
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// How long to wait before the engine is listened to again: at first, and at the most.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How many events are acted on at once; those that wait for a program's restart do not count.
const AT_ONCE: usize = 8;

/// Acts on what the engine tells until `ending` is cancelled; returns when what was begun is
/// done.
pub(crate) async fn listen(reaper: Arc<Reaper>, metrics: Arc<Metrics>, ending: CancellationToken) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut acting = JoinSet::new();
    let mut since = Time::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let listening = async {
            let mut events = Box::pin(reaper.host.events(since).await?);
            while let Some(event) = events.next().await {
                let event = event?;
                // What has happened while nobody listened is told first, as far as the engine
                // remembers it.
                since = event.at;
                pause = FIRST_PAUSE;
                let (reaper, metrics) = (Arc::clone(&reaper), Arc::clone(&metrics));
                let places = Arc::clone(&places);
                acting.spawn(async move {
                    let report = cleanup::happened(&reaper, &event, &places).await;
                    metrics.count_done(&report);
                });
                while acting.try_join_next().is_some() {}
            }
            Ok::<_, containerlease_shared::host::HostError>(())
        };
        tokio::select! {
            heard = listening => match heard {
                Ok(()) => tracing::info!("the engine has closed its events; listens again"),
                Err(error) => tracing::warn!(%error, "could not listen to the engine"),
            },
            () = ending.cancelled() => break,
        }
        tokio::select! {
            () = quiet(&reaper, pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            () = ending.cancelled() => break,
        }
    }
    while acting.join_next().await.is_some() {}
}

/// A pause, in which it is noticed whether the engine is away, and when it returns.
async fn quiet(reaper: &Reaper, pause: Duration) {
    tokio::time::sleep(pause.min(FIRST_PAUSE)).await;
    if reaper.host.is_there().await {
        tokio::time::sleep(pause.saturating_sub(FIRST_PAUSE)).await;
    } else {
        reaper
            .host
            .answers_by(Time::now().plus(LONGEST_PAUSE))
            .await;
    }
}
