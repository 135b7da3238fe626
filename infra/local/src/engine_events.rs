//! Listens to the engine's events, so changes to a container are known at once. The ticker remains,
//! for missed events.

use std::{sync::Arc, time::Duration};

use containerlease_domain::time::Time;
use containerlease_service::reaper::{self, Reaper};
use futures_util::StreamExt as _;
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// The pause before listening again: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How many events are handled at once, not counting those that wait for a program's restart.
const AT_ONCE: usize = 8;

/// Handles the engine's events until `ending` is cancelled; returns when all started work is done.
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
                // The engine first replays the events since then, as far as it remembers them.
                since = event.at;
                pause = FIRST_PAUSE;
                let (reaper, metrics) = (Arc::clone(&reaper), Arc::clone(&metrics));
                let places = Arc::clone(&places);
                acting.spawn(async move {
                    let report = reaper::happened(&reaper, &event, &places).await;
                    metrics.count_done(&report);
                });
                while acting.try_join_next().is_some() {}
            }
            Ok::<_, containerlease_service::docker::HostError>(())
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

/// A pause that also notices whether the engine is away and when it returns.
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
