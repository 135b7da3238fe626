//! Whether the engine answers at all.
//!
//! A call without an answer says nothing about its container if the engine answers no call at all.
//! So after such a call the engine is asked for a sign of life. If it gives none, ends wait for it:
//! one of them asks, and all continue as soon as it answers.

use std::time::Duration;

use bollard::Docker;
use containerlease_domain::time::Time;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::{
    sync::{Mutex, watch},
    time::{Instant, MissedTickBehavior},
};

use super::{Host, HostError, LOOK_LIMIT};

/// Time limit for the engine's sign of life while somebody waits for it.
pub(crate) const SIGN_LIMIT: Duration = Duration::from_secs(2);

/// How often to ask an engine that is away. It is asked again while an answer is pending, since a
/// lost question is never answered.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// How long a call may go on before we check whether the engine answers at all.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is known about the engine's presence.
#[derive(Debug)]
pub(super) struct Presence {
    /// Since when it is known to be away.
    away_since: watch::Sender<Option<Instant>>,
    /// Held by the task that asks an engine that is away.
    asking: Mutex<()>,
}

impl Presence {
    pub(super) fn new() -> Self {
        Self {
            away_since: watch::Sender::new(None),
            asking: Mutex::new(()),
        }
    }

    fn note(&self, there: bool) {
        self.away_since.send_if_modified(|since| {
            match (*since, there) {
                (None, false) => {
                    tracing::warn!("the engine does not answer: ends wait for it");
                    *since = Some(Instant::now());
                }
                (Some(away), true) => {
                    let seconds = away.elapsed().as_secs();
                    tracing::info!(seconds, "the engine answers again");
                    *since = None;
                }
                _ => return false,
            }
            true
        });
    }
}

impl Host {
    /// Whether the engine failed to answer when last asked.
    pub fn is_away(&self) -> bool {
        self.presence.away_since.borrow().is_some()
    }

    /// Asks the engine for a sign of life, and records the result.
    pub async fn is_there(&self) -> bool {
        // Boxed, here and below: the futures of the engine's calls are large.
        let there = Box::pin(self.gives_a_sign(SIGN_LIMIT)).await;
        self.presence.note(there);
        there
    }

    /// Whether the engine answers. It is asked only if it was away when last asked.
    pub(crate) async fn answers(&self) -> bool {
        !self.is_away() || self.is_there().await
    }

    /// Waits for the engine to answer, until `until` at the latest, and returns whether it does. It
    /// is asked only if it was away when last asked.
    pub async fn answers_by(&self, until: Time) -> bool {
        let wait = Time::now().until(until);
        tokio::time::timeout(wait, self.back()).await.is_ok()
    }

    async fn back(&self) {
        let mut away_since = self.presence.away_since.subscribe();
        tokio::select! {
            biased;
            _ = away_since.wait_for(Option::is_none) => {}
            () = self.ask_until_it_answers() => {}
        }
    }

    async fn ask_until_it_answers(&self) {
        let _alone = self.presence.asking.lock().await;
        let mut signs = FuturesUnordered::new();
        let mut ask = tokio::time::interval(ASK_EVERY);
        ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ask.tick() => signs.push(Box::pin(self.gives_a_sign(LOOK_LIMIT))),
                Some(there) = signs.next() => if there {
                    return self.presence.note(true);
                },
            }
        }
    }

    /// Returns once the engine answers no call. For callers that have waited for its answer for a
    /// while.
    pub(crate) async fn fallen_silent(&self) {
        loop {
            tokio::time::sleep(PATIENCE).await;
            if !self.is_there().await {
                return;
            }
        }
    }

    async fn gives_a_sign(&self, limit: Duration) -> bool {
        let ping = |docker: Docker| async move { docker.ping().await };
        let attempted = "asking the engine for a sign of life";
        match self.client.call(attempted, limit, ping).await {
            Ok(_) => true,
            // A gateway in front of the engine says so.
            Err(HostError::Engine {
                status: 502..=504, ..
            }) => false,
            Err(error) => error.is_answer(),
        }
    }
}
