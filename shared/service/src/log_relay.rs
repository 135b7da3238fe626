//! Relay: carries a lease's log to its viewers' connections.
//!
//! A [`follow`](Follows) reads the engine once, however many viewers there are, and keeps the
//! latest lines for all of them. Each viewer has its own task ([`relay`]), cursor and pace:
//!
//! - If the follow still has the lines after the viewer's cursor, the viewer takes them from there.
//!   If not (it joins with a backlog, or could not keep up), it reads from the engine by itself
//!   until it has caught up. The two sources overlap, and the cursor ensures that each line is sent
//!   once.
//! - The first line goes out at once. Lines close together share a frame, so that a chatty
//!   container costs few posts. No line is taken while a post is in progress. This is
//!   back-pressure: a slow viewer slows its own reading and, if it is the fastest, the engine's
//!   stream.
//! - A viewer that is behind for long is told by how many lines, and may skip them.

mod events;
mod follow;
mod frame;
mod relay;
mod ring;
pub(crate) mod start;
mod viewer;

use std::{future::Future, sync::Arc, time::Duration};

use thiserror::Error;

pub use events::{Closing, ViewerEvent};
pub use follow::{Counts, Follows};
pub use relay::relay;

use containerlease_domain::{
    logs::{Cursor, Start},
    names::{LeaseId, Owner},
};
use relay::Stop;

use crate::{docker::HostError, store::StoreError};

/// After this long without a frame a heartbeat is posted. It keeps API Gateway from closing an idle
/// connection after ten minutes, and detects viewers that left silently.
pub const HEARTBEAT: Duration = Duration::from_secs(10);

/// The service that sends to viewers: API Gateway, or the one-machine server.
pub trait Connections: Send + Sync + 'static {
    /// The longest frame of lines that can be sent, in bytes. A single line that is longer is cut.
    const FRAME_LIMIT: usize = 128 * 1024;

    /// Sends a text frame.
    fn post(
        &self,
        connection: &str,
        frame: String,
    ) -> impl Future<Output = Result<(), PostError>> + Send;

    /// Closes the connection, with a code if the transport carries one; none is a normal close. An
    /// already closed connection is success.
    fn close(
        &self,
        connection: &str,
        why: Option<Closing>,
    ) -> impl Future<Output = Result<(), PostError>> + Send;
}

/// Why a frame was not sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PostError {
    #[error("the viewer is gone")]
    Gone,
    /// It was not sent; a later try may succeed.
    #[error("the connections are throttled")]
    Busy,
    #[error("the frame could not be sent: {0}")]
    Failed(String),
}

/// What to relay, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    pub connection: String,
    pub owner: Owner,
    pub lease: LeaseId,
    pub start: Start,
}

/// What a viewer has asked for since it connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ViewerControls {
    pub paused: bool,
    /// How often it has asked to skip lines that had not arrived yet.
    pub skips: u32,
    /// Whether it has left.
    pub gone: bool,
}

/// How a relay came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The lease has ended and the viewer was told.
    LeaseEnded,
    /// The viewer has left.
    ViewerGone,
    /// The relay's own time is over; a successor may resume after the cursor.
    TimeOver(Cursor),
}

/// Why a relay could not go on.
#[derive(Clone, Debug, Error)]
pub enum RelayError {
    #[error("there is no such lease")]
    NoLease,
    #[error(transparent)]
    Store(Arc<StoreError>),
    #[error(transparent)]
    Host(Arc<HostError>),
    #[error("{0}")]
    Post(String),
    #[error("the connections were throttled for too long")]
    Busy,
}

impl From<StoreError> for RelayError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<HostError> for RelayError {
    fn from(error: HostError) -> Self {
        Self::Host(Arc::new(error))
    }
}

impl RelayError {
    /// What to tell the viewer.
    pub fn closing(&self) -> Closing {
        match self {
            Self::NoLease => Closing::NoLease,
            Self::Store(_) | Self::Host(_) | Self::Busy => Closing::Unavailable,
            Self::Post(_) => Closing::Fault,
        }
    }
}

/// Lines to skip.
struct Skip {
    /// The engine's timestamp of the last line to skip.
    until: i64,
    /// After the last line skipped so far.
    to: Cursor,
    lines: u64,
}
