//! The relay of one lease's log: serves all of the log's viewers until the last one leaves.
//!
//! On Lambda it is an invocation of the `relay` function, on the one-machine server a task.
//! A log has only one relay, which holds an item in the table and renews that hold. It looks
//! for viewers that came or left, and runs a [task](containerlease_service::log_relay::relay) for
//! each.
//!
//! - **Before its time is over** it stores each viewer's position and starts its successor,
//!   which continues there. Viewers notice nothing.
//! - **When it dies**, its hold expires, and a new viewer or a `ping` starts the next relay.
//!   The dead relay's last frames are unknown, so the next one tells its viewers to connect
//!   again with their own last cursor.

use std::{
    collections::HashMap,
    future::Future,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use containerlease_domain::{
    names::{LeaseId, Owner},
    time::Time,
};
use containerlease_service::{
    log_relay::{self, Closing, Connections, Outcome, RelayError, ViewerControls, ViewerEvent},
    store::{StoreError, Viewer},
};
use futures_util::FutureExt as _;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::{
    sync::{Notify, watch},
    task::{JoinError, JoinSet},
};

use crate::app::App;

/// How long before its end a relay hands over to its successor.
const HAND_OVER: Duration = Duration::from_secs(5);

/// How long a relay's hold lasts unless renewed.
const HELD_FOR: Duration = Duration::from_secs(10);

/// How often a relay renews its hold.
const HOLD_AGAIN: Duration = Duration::from_secs(3);

/// How long to wait for a closed viewer to take the reason.
const FAREWELL: Duration = Duration::from_secs(1);

/// How often a relay that found another one checks whether that one serves the viewers.
const WAIT_FOR_OTHER: Duration = Duration::from_millis(500);

/// The input of a relay; on Lambda the payload of its invocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RelayStart {
    pub owner: Owner,
    pub lease_id: LeaseId,
}

/// The two places where relays run: invocations of the function, or tasks.
pub trait Relays: Send + Sync + 'static {
    /// Starts a relay in the background. A second relay of a log does no harm.
    fn start(&self, start: RelayStart) -> impl Future<Output = Result<(), StartFailed>> + Send;

    /// Tells a log's relay that its viewers have changed, if the relay can be reached.
    fn nudge(&self, _lease: &LeaseId) {}
}

/// A relay could not be started.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StartFailed {
    /// The maximum number of logs is being watched.
    #[error("there is no place for another relay")]
    Full,
    #[error("a relay could not be started: {0}")]
    Failed(String),
}

/// How a relay runs.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Its name, unique among all relays ever; or a constant if only one can exist.
    pub relay: String,
    /// When it will be stopped from outside, if ever.
    pub cut_off: Option<Time>,
    /// How often it looks for viewers that came or left.
    pub look: Duration,
    /// Makes it look at once.
    pub nudged: Arc<Notify>,
}

/// Serves the viewers of a log until the last one leaves, or hands them over before its time
/// is over. Returns how many viewers were lost through our own fault.
pub async fn run<C: Connections + Clone, R: Relays>(
    app: &App,
    connections: &C,
    relays: &R,
    start: RelayStart,
    terms: Terms,
) -> Result<usize, StoreError> {
    let mut relay = Relay {
        stop_at: terms.cut_off.map(|at| at.minus(HAND_OVER)),
        app,
        connections,
        relays,
        start,
        terms,
        served: HashMap::new(),
        tasks: JoinSet::new(),
        held_at: Instant::now(),
        lost: 0,
    };
    if relay.take_over().await? {
        relay.serve().await?;
    }
    Ok(relay.lost)
}

struct Relay<'r, C, R> {
    app: &'r App,
    connections: &'r C,
    relays: &'r R,
    start: RelayStart,
    terms: Terms,
    stop_at: Option<Time>,
    /// The viewers that have a task in this relay, by connection.
    served: HashMap<String, watch::Sender<ViewerControls>>,
    tasks: JoinSet<Served>,
    held_at: Instant,
    lost: usize,
}

/// A viewer's connection, and how its task ended.
type Served = (String, Result<Outcome, RelayError>);

impl<C: Connections + Clone, R: Relays> Relay<'_, C, R> {
    /// Becomes the log's relay, or finds that another one serves all viewers. Returns whether
    /// it became the relay.
    async fn take_over(&mut self) -> Result<bool, StoreError> {
        loop {
            if self.hold().await? {
                return Ok(true);
            }
            // The other relay may have died with its hold not yet expired. It then never
            // serves a viewer that came since.
            let (viewers, _) = self.app.store.viewers(&self.start.lease_id).await?;
            if viewers.iter().all(|viewer| viewer.served_by.is_some()) {
                return Ok(false);
            }
            tokio::time::sleep(WAIT_FOR_OTHER).await;
        }
    }

    async fn serve(&mut self) -> Result<(), StoreError> {
        let mut hold_again = tokio::time::interval(HOLD_AGAIN);
        let mut look_again = tokio::time::interval(self.terms.look);
        let nudged = Arc::clone(&self.terms.nudged);
        let stop = tokio::time::sleep(self.stop_at.map_or(NEVER, |at| Time::now().until(at)));
        tokio::pin!(stop);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => return self.hand_over().await,
                _ = hold_again.tick() => {
                    if !self.hold_on().await {
                        return Ok(());
                    }
                }
                Some(done) = self.tasks.join_next() => self.finish(done).await,
                () = nudged.notified() => self.look_or_try_later().await,
                _ = look_again.tick() => self.look_or_try_later().await,
            }
            if self.served.is_empty() && self.leave().await? {
                return Ok(());
            }
        }
    }

    async fn hold(&mut self) -> Result<bool, StoreError> {
        let now = Time::now();
        let until = now.plus(HELD_FOR);
        let (lease, relay) = (&self.start.lease_id, &self.terms.relay);
        let held = self.app.store.hold_relay(lease, relay, now, until).await?;
        if held {
            self.held_at = Instant::now();
        }
        Ok(held)
    }

    /// Renews the hold. Returns whether this relay may continue: after its hold expires,
    /// another relay may already have sent its viewers away.
    async fn hold_on(&mut self) -> bool {
        let lease = self.start.lease_id;
        match self.hold().await {
            Ok(true) => true,
            Ok(false) => {
                tracing::warn!(%lease, "another relay has taken over");
                false
            }
            Err(error) => {
                tracing::warn!(%lease, %error, "a relay could not renew its hold");
                self.held_at.elapsed() < HELD_FOR
            }
        }
    }

    async fn look_or_try_later(&mut self) {
        if let Err(error) = self.look().await {
            tracing::warn!(lease = %self.start.lease_id, %error, "could not look for viewers");
        }
    }

    /// Begins to serve new viewers, drops those that left, and passes on the others' controls.
    async fn look(&mut self) -> Result<(), StoreError> {
        let (viewers, _) = self.app.store.viewers(&self.start.lease_id).await?;
        for (connection, controls) in &self.served {
            if !viewers
                .iter()
                .any(|viewer| viewer.connection == *connection)
            {
                controls.send_modify(|controls| controls.gone = true);
            }
        }
        for viewer in viewers {
            if let Some(controls) = self.served.get(&viewer.connection) {
                let wished = controls_of(&viewer);
                controls.send_if_modified(|controls| std::mem::replace(controls, wished) != wished);
            } else if viewer.served_by.is_some() {
                self.send_away(&viewer.connection, Closing::RelayLost).await;
            } else {
                self.begin(viewer).await?;
            }
        }
        Ok(())
    }

    async fn begin(&mut self, viewer: Viewer) -> Result<(), StoreError> {
        let (lease, relay) = (&self.start.lease_id, &self.terms.relay);
        let store = &self.app.store;
        if !store.serve(lease, &viewer.connection, relay).await? {
            return Ok(());
        }
        let (controls, heard) = watch::channel(controls_of(&viewer));
        self.served.insert(viewer.connection.clone(), controls);
        let task = log_relay::Task {
            connection: viewer.connection,
            owner: self.start.owner.clone(),
            lease: *lease,
            start: viewer.start,
        };
        let follows = Arc::clone(&self.app.follows);
        let connections = self.connections.clone();
        let stop_at = self.stop_at;
        self.tasks.spawn(async move {
            let serving = log_relay::relay(&follows, &connections, &task, heard, stop_at);
            // A panic affects only this viewer, which is sent away as after any other fault.
            let ended = AssertUnwindSafe(serving).catch_unwind().await;
            let panicked = |_| Err(RelayError::Post("its task panicked".to_owned()));
            (task.connection, ended.unwrap_or_else(panicked))
        });
        Ok(())
    }

    /// Cleans up after a viewer's task.
    async fn finish(&mut self, done: Result<Served, JoinError>) {
        let (connection, ended) = match done {
            Ok(served) => served,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return,
        };
        self.served.remove(&connection);
        let lease = self.start.lease_id;
        match ended {
            Ok(Outcome::ViewerGone) => {
                tracing::info!(%lease, "a viewer left");
                self.forget(&connection).await;
            }
            Ok(Outcome::LeaseEnded) => {
                tracing::info!(%lease, "a log came to its end");
                self.close(&connection, None).await;
                self.forget(&connection).await;
            }
            Ok(Outcome::TimeOver(cursor)) => {
                let handed = self.app.store.hand_back(&lease, &connection, cursor).await;
                if let Err(error) = handed {
                    tracing::warn!(%lease, %error, "a viewer could not be handed over");
                    self.send_away(&connection, Closing::RelayLost).await;
                }
            }
            Err(error) => {
                tracing::warn!(%lease, %error, "a viewer could not be served");
                self.lost += 1;
                self.send_away(&connection, error.closing()).await;
            }
        }
    }

    /// Tells a viewer why its connection is closed, and closes it. Its client connects
    /// again with its last cursor.
    async fn send_away(&self, connection: &str, why: Closing) {
        let said = ViewerEvent::Closing(why).to_frame();
        // A viewer that cannot be told still sees its connection closed. A viewer that takes
        // nothing must not delay the others.
        let telling = self.connections.post(connection, said);
        drop(tokio::time::timeout(FAREWELL, telling).await);
        self.close(connection, Some(why)).await;
        self.forget(connection).await;
    }

    async fn close(&self, connection: &str, why: Option<Closing>) {
        if let Err(error) = self.connections.close(connection, why).await {
            tracing::warn!(%error, "could not close a connection");
        }
    }

    async fn forget(&self, connection: &str) {
        let lease = &self.start.lease_id;
        if let Err(error) = self.app.store.remove_viewer(lease, connection).await {
            // The next relay finds that the viewer is gone.
            tracing::warn!(%lease, %error, "could not forget a viewer");
        }
    }

    /// Waits until every viewer's task has stored its position, and starts the successor.
    async fn hand_over(&mut self) -> Result<(), StoreError> {
        while let Some(done) = self.tasks.join_next().await {
            self.finish(done).await;
        }
        let lease = self.start.lease_id;
        self.app
            .store
            .release_relay(&lease, &self.terms.relay)
            .await?;
        let (viewers, _) = self.app.store.viewers(&lease).await?;
        if viewers.is_empty() {
            return Ok(());
        }
        tracing::info!(%lease, viewers = viewers.len(), "hands over to the next relay");
        if let Err(error) = self.relays.start(self.start.clone()).await {
            tracing::error!(%lease, %error, "a relay has no successor");
            self.lost += viewers.len();
            for viewer in viewers {
                self.send_away(&viewer.connection, Closing::Fault).await;
            }
        }
        Ok(())
    }

    /// Releases the hold when no viewer is left. Returns whether this relay may end: a viewer
    /// that came at the last moment started a relay, which may have deferred to this one.
    async fn leave(&mut self) -> Result<bool, StoreError> {
        self.look_or_try_later().await;
        if !self.served.is_empty() {
            return Ok(false);
        }
        let lease = self.start.lease_id;
        self.app
            .store
            .release_relay(&lease, &self.terms.relay)
            .await?;
        let (viewers, _) = self.app.store.viewers(&lease).await?;
        if viewers.is_empty() {
            return Ok(true);
        }
        Ok(!self.take_over().await?)
    }
}

/// A year, which stands for never, as in tokio.
const NEVER: Duration = Duration::from_secs(86_400 * 365);

fn controls_of(viewer: &Viewer) -> ViewerControls {
    ViewerControls {
        paused: viewer.paused,
        skips: viewer.skips,
        gone: false,
    }
}
