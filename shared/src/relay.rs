//! Relay: a lease's log, carried to one viewer's connection.
//!
//! A relay follows the engine's log from a cursor on and posts frames of one or more lines.
//! The first line goes at once; lines that come close behind each other share a frame, so
//! that a chatty container costs few posts. Nothing is read from the engine while a post is
//! on its way: a slow viewer slows the reading, and memory is bounded.

use std::{future::Future, time::Duration};

use futures_util::StreamExt;
use serde::Serialize;
use thiserror::Error;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    host::{Host, HostError},
    lease::{Lease, Reason, Receipt, State, StateName},
    logs::{Assembler, Cursor, Entry, Level, Stream},
    names::{ContainerName, LeaseId, Owner},
    store::{Store, StoreError},
    time::Time,
};

/// How many bytes of lines make a frame full.
const FRAME_BYTES: usize = 24 * 1024;

/// The least time between two frames that are not full.
const FRAME_PAUSE: Duration = Duration::from_millis(25);

/// After so long without a line a heartbeat is posted: it keeps API Gateway from closing an
/// idle connection after ten minutes, and finds viewers that have left without a word.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// How long the viewer's connection may take to be there. API Gateway refuses posts to a
/// connection until `$connect` has answered, in the same words as to one that is gone, and a
/// relay is started before that.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// How often a connection that is not there yet is tried.
const CONNECT_PAUSE: Duration = Duration::from_millis(20);

/// How long an engine may be out of reach before the relay gives up.
const ENGINE_PATIENCE: Duration = Duration::from_secs(20);

/// The other end of viewers' connections: API Gateway's, or the one-machine server's.
pub trait Connections: Send + Sync + 'static {
    /// Sends a text frame.
    fn post(
        &self,
        connection: &str,
        frame: String,
    ) -> impl Future<Output = Result<(), PostError>> + Send;

    /// Closes the connection. One that is gone already is success.
    fn close(&self, connection: &str) -> impl Future<Output = Result<(), PostError>> + Send;
}

/// Why a frame was not sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PostError {
    #[error("the viewer is gone")]
    Gone,
    #[error("the frame could not be sent: {0}")]
    Failed(String),
}

/// What is to be relayed, to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    pub connection: String,
    pub owner: Owner,
    pub lease: LeaseId,
    /// Go on after this.
    pub cursor: Cursor,
}

/// How a relay came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The lease has ended and the viewer was told.
    LeaseEnded,
    /// The viewer has left.
    ViewerGone,
    /// The relay's own time is over; a successor may go on after the cursor.
    TimeOver(Cursor),
}

/// Why a relay could not go on.
#[derive(Debug, Error)]
pub enum RelayError {
    #[error("there is no such lease")]
    NoLease,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error("{0}")]
    Post(String),
}

/// Carries the log to the viewer until the lease ends, the viewer leaves, or it is
/// `stop_at`. Closing the connection is the caller's.
pub async fn relay<C: Connections>(
    store: &Store,
    host: &Host,
    connections: &C,
    task: &Task,
    stop_at: Option<Time>,
) -> Result<Outcome, RelayError> {
    let mut relay = Relay {
        store,
        host,
        viewer: Viewer {
            connections,
            connection: &task.connection,
            last_post: Instant::now(),
            not_there_until: Some(Instant::now() + CONNECT_PATIENCE),
        },
        task,
        cursor: task.cursor,
        stop_at: stop_at.map(|at| Instant::now() + Time::now().until(at)),
    };
    match relay.run().await {
        Err(Stop::Gone) => Ok(Outcome::ViewerGone),
        Err(Stop::TimeOver) => Ok(Outcome::TimeOver(relay.cursor)),
        Err(Stop::Error(error)) => Err(error),
        Ok(()) => Ok(Outcome::LeaseEnded),
    }
}

struct Relay<'r, C> {
    store: &'r Store,
    host: &'r Host,
    viewer: Viewer<'r, C>,
    task: &'r Task,
    cursor: Cursor,
    stop_at: Option<Instant>,
}

/// Why a relay stops before its lease's end.
enum Stop {
    Gone,
    TimeOver,
    Error(RelayError),
}

impl<E: Into<RelayError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

impl<C: Connections> Relay<'_, C> {
    async fn run(&mut self) -> Result<(), Stop> {
        let mut pause = Duration::from_millis(100);
        let mut engine_away_since = None;
        loop {
            let lease = self.store.get(&self.task.owner, &self.task.lease).await?;
            let lease = lease.ok_or(RelayError::NoLease)?;
            match &lease.state {
                State::Ended(receipt) => {
                    return self.viewer.post(ended_event(receipt)).await;
                }
                State::Provisioning => {}
                State::Running | State::Ending(_) | State::Quarantined(_) => {
                    let before = self.cursor;
                    match self.follow(&lease).await {
                        Ok(()) | Err(Stop::Error(RelayError::Host(HostError::NotFound { .. }))) => {
                            engine_away_since = None;
                        }
                        Err(Stop::Error(RelayError::Host(error))) => {
                            let since = *engine_away_since.get_or_insert_with(Instant::now);
                            if since.elapsed() > ENGINE_PATIENCE {
                                return Err(error.into());
                            }
                            tracing::debug!(lease = %lease.id, %error, "follows again");
                        }
                        Err(stop) => return Err(stop),
                    }
                    if self.cursor != before {
                        pause = Duration::from_millis(100);
                        engine_away_since = None;
                    }
                }
            }
            // The log ends a moment before the receipt is written; and a program that has
            // ended by itself waits for the reaper's next run.
            self.rest(pause).await?;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    /// Follows the container's log until it ends.
    async fn follow(&mut self, lease: &Lease) -> Result<(), Stop> {
        let name = ContainerName::of_lease(&lease.id);
        let mut pieces = self.host.follow(&name, self.cursor.since_second()).await?;
        let mut assembler = Assembler::after(self.cursor);
        let mut frame = String::new();
        loop {
            let flush_at = self.viewer.last_post + FRAME_PAUSE;
            let beat_at = self.viewer.last_post + HEARTBEAT;
            let stop_at = self.stop_at.unwrap_or_else(far_away);
            tokio::select! {
                biased;
                () = sleep_until(stop_at) => {
                    self.flush(&mut frame, &assembler).await?;
                    return Err(Stop::TimeOver);
                }
                piece = pieces.next(), if frame.len() < FRAME_BYTES => match piece {
                    Some(Ok(piece)) => {
                        let stream = if piece.stderr { Stream::Stderr } else { Stream::Stdout };
                        if let Some(entry) = assembler.take(stream, &piece.bytes) {
                            push(&mut frame, &entry);
                        }
                    }
                    Some(Err(error)) => {
                        self.flush(&mut frame, &assembler).await?;
                        return Err(error.into());
                    }
                    None => {
                        for entry in assembler.finish() {
                            push(&mut frame, &entry);
                        }
                        return self.flush(&mut frame, &assembler).await;
                    }
                },
                () = sleep_until(flush_at), if !frame.is_empty() && frame.len() < FRAME_BYTES => {
                    self.flush(&mut frame, &assembler).await?;
                }
                () = sleep_until(beat_at), if frame.is_empty() => {
                    self.viewer.post(heartbeat_event()).await?;
                }
                () = std::future::ready(()), if frame.len() >= FRAME_BYTES => {
                    self.flush(&mut frame, &assembler).await?;
                }
            }
        }
    }

    /// Posts what has gathered. Only what was posted moves the cursor.
    async fn flush(&mut self, frame: &mut String, assembler: &Assembler) -> Result<(), Stop> {
        if !frame.is_empty() {
            self.viewer.post(std::mem::take(frame)).await?;
            self.cursor = assembler.cursor();
        }
        Ok(())
    }

    async fn rest(&mut self, pause: Duration) -> Result<(), Stop> {
        if self.viewer.last_post.elapsed() > HEARTBEAT {
            self.viewer.post(heartbeat_event()).await?;
        }
        let stop_at = self.stop_at.unwrap_or_else(far_away);
        tokio::select! {
            () = sleep_until(stop_at) => Err(Stop::TimeOver),
            () = sleep(pause) => Ok(()),
        }
    }
}

struct Viewer<'r, C> {
    connections: &'r C,
    connection: &'r str,
    last_post: Instant,
    /// Until a first post has arrived: when to believe that the viewer is gone.
    not_there_until: Option<Instant>,
}

impl<C: Connections> Viewer<'_, C> {
    async fn post(&mut self, frame: String) -> Result<(), Stop> {
        loop {
            match self.connections.post(self.connection, frame.clone()).await {
                Ok(()) => {
                    self.last_post = Instant::now();
                    self.not_there_until = None;
                    return Ok(());
                }
                Err(PostError::Gone) => match self.not_there_until {
                    Some(until) if Instant::now() < until => sleep(CONNECT_PAUSE).await,
                    _ => return Err(Stop::Gone),
                },
                Err(PostError::Failed(message)) => return Err(RelayError::Post(message).into()),
            }
        }
    }
}

fn push(frame: &mut String, entry: &Entry) {
    if !frame.is_empty() {
        frame.push('\n');
    }
    frame.push_str(&entry.to_line());
}

/// A line that is not the container's but ours. It has the fields that every line has.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventLine<'e> {
    event: &'static str,
    timestamp: Time,
    level: Level,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<&'e Receipt>,
}

fn ended_event(receipt: &Receipt) -> String {
    let why = match receipt.reason {
        Reason::Expired => "its time was over",
        Reason::Deleted => "it was deleted",
        Reason::Failed => "its program ended or could not be started",
        Reason::Lost => "its container vanished",
        Reason::Orphaned => "nobody had leased it",
        Reason::Evicted => "the host needed the place",
    };
    event_line(&EventLine {
        event: StateName::Ended.as_str(),
        timestamp: receipt.removed_at,
        level: Level::Info,
        message: format!("The lease has ended: {why}."),
        reason: Some(receipt.reason),
        receipt: Some(receipt),
    })
}

fn heartbeat_event() -> String {
    event_line(&EventLine {
        event: "heartbeat",
        timestamp: Time::now(),
        level: Level::Trace,
        message: String::new(),
        reason: None,
        receipt: None,
    })
}

fn event_line(line: &EventLine<'_>) -> String {
    serde_json::to_string(line).expect("an event is made of texts and numbers")
}

/// An instant that does not come: tokio's own way to say never.
fn far_away() -> Instant {
    Instant::now() + Duration::from_secs(86_400 * 365)
}
