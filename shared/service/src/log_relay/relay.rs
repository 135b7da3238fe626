//! Carries one log to one viewer: from the follow while the viewer keeps up, and by itself
//! ([`catch_up`]) while it does not.

mod catch_up;

use std::time::Duration;

use containerlease_domain::{logs::Cursor, names::ContainerName, time::Time};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    Connections, Follows, Outcome, RelayError, Skip, Task, ViewerControls,
    events::ViewerEvent,
    follow::{Counted, End, Reader},
    frame::Frame,
    ring::Taken,
    start,
    viewer::Viewer,
};
use crate::docker::HostError;
use catch_up::Lead;

/// A viewer that has not caught up for this long is told that it is behind.
const BEHIND_AFTER: Duration = Duration::from_secs(20);

/// How often a viewer is told that it is behind.
const BEHIND_AGAIN: Duration = Duration::from_secs(5);

/// How long to wait for a post in progress when the relay's time is over.
const POST_PATIENCE: Duration = Duration::from_secs(2);

/// Carries the log to one viewer until the lease ends, the viewer leaves, or `stop_at`. The caller
/// closes the connection.
pub async fn relay<C: Connections>(
    follows: &Follows,
    connections: &C,
    task: &Task,
    controls: watch::Receiver<ViewerControls>,
    stop_at: Option<Time>,
) -> Result<Outcome, RelayError> {
    let counts = follows.counts();
    let _one = Counted::one(&counts.viewers);
    let stop_at = stop_at.map_or_else(far_away, |at| Instant::now() + Time::now().until(at));
    let viewer = Viewer::new(
        connections,
        counts,
        &task.connection,
        stop_at + POST_PATIENCE,
    );
    let name = ContainerName::of_lease(&task.lease);
    let cursor = match start::resolve(follows.host(), &name, &task.start).await {
        // A lease may have no container yet, or none any more.
        Err(HostError::NotFound { .. }) => match follows.kept(&task.lease).await {
            Some(kept) => kept.resolve(&task.start),
            None => task.start.without_a_log(),
        },
        resolved => resolved?,
    };
    // Earlier skips were carried out by an earlier relay.
    let granted = ViewerControls {
        skips: controls.borrow().skips,
        ..ViewerControls::default()
    };
    let mut relay = ViewerRelay {
        follows,
        name,
        viewer,
        reader: follows.join(&task.owner, task.lease, cursor).reader(),
        cursor,
        frame: Frame::after(cursor, C::FRAME_LIMIT),
        controls,
        granted,
        skip: None,
        stop_at,
        lead: None,
        last_caught_up: Instant::now(),
        told_behind: None,
    };
    match relay.run().await {
        Err(Stop::Gone) => Ok(Outcome::ViewerGone),
        Err(Stop::TimeOver) => Ok(Outcome::TimeOver(relay.cursor)),
        Err(Stop::Error(error)) => Err(error),
        Ok(()) => Ok(Outcome::LeaseEnded),
    }
}

struct ViewerRelay<'r, C> {
    follows: &'r Follows,
    name: ContainerName,
    viewer: Viewer<'r, C>,
    reader: Reader,
    /// After the last line posted.
    cursor: Cursor,
    frame: Frame,
    controls: watch::Receiver<ViewerControls>,
    /// The controls applied so far.
    granted: ViewerControls,
    /// A skip in progress.
    skip: Option<Skip>,
    stop_at: Instant,
    lead: Option<Lead>,
    last_caught_up: Instant,
    /// When the viewer was last told that it is behind.
    told_behind: Option<Instant>,
}

/// Why a relay stops before its lease's end.
pub(super) enum Stop {
    Gone,
    TimeOver,
    Error(RelayError),
}

impl<E: Into<RelayError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

impl<C: Connections> ViewerRelay<'_, C> {
    async fn run(&mut self) -> Result<(), Stop> {
        loop {
            self.wait_while_paused().await?;
            match self.reader.take_place(&self.cursor) {
                Ok(()) => {
                    self.lead = None;
                    if let Some(end) = self.take_from_follow().await? {
                        return self.finish(end).await;
                    }
                }
                Err(ahead) => self.catch_up(ahead).await?,
            }
        }
    }

    /// Passes on what the follow reads, until the follow ends; none if the viewer has fallen behind
    /// or is paused.
    async fn take_from_follow(&mut self) -> Result<Option<End>, Stop> {
        loop {
            // Look at the head first: whatever comes after this look wakes us below.
            let end = self.reader.head().end;
            let (frame, skip) = (&mut self.frame, &mut self.skip);
            let taken = self.reader.take(|line| frame.take(line, skip));
            self.finish_skip().await?;
            match taken {
                Taken::FallenOut { next } => {
                    self.flush().await?;
                    self.remember_place(next);
                    return Ok(None);
                }
                Taken::Enough => {
                    self.flush().await?;
                    self.say_how_far_behind().await?;
                    continue;
                }
                Taken::All if end.is_some() => {
                    self.flush().await?;
                    return Ok(end);
                }
                Taken::All => self.caught_up().await?,
            }
            let flush_at = self.frame.flush_at(self.viewer.last_post);
            // Even an expired timer would delay the line by a millisecond.
            if !self.frame.is_empty() && flush_at <= Instant::now() {
                self.flush().await?;
                continue;
            }
            tokio::select! {
                biased;
                () = sleep_until(self.stop_at) => {
                    self.flush().await?;
                    return Err(Stop::TimeOver);
                }
                () = changed(&mut self.controls) => {
                    self.flush().await?;
                    if self.apply_controls().await? {
                        return Ok(None);
                    }
                }
                () = sleep_until(flush_at), if !self.frame.is_empty() => self.flush().await?,
                () = self.reader.farther() => {}
                () = sleep_until(self.viewer.beat_at), if self.frame.is_empty() => {
                    let cursor = self.cursor;
                    self.viewer.tell(&ViewerEvent::Heartbeat { cursor }).await?;
                }
            }
        }
    }

    async fn finish(&mut self, end: End) -> Result<(), Stop> {
        match end {
            End::LeaseEnded { receipt, gap } => {
                if gap {
                    let (lines, cursor) = (None, self.cursor);
                    self.viewer
                        .tell(&ViewerEvent::Skipped { lines, cursor })
                        .await?;
                }
                self.viewer.tell(&ViewerEvent::Ended(&receipt)).await
            }
            End::Failed(error) => Err(Stop::Error(error)),
        }
    }

    /// Posts the gathered lines. Only posted lines move the cursor.
    async fn flush(&mut self) -> Result<(), Stop> {
        while let Some(part) = self.frame.next_part() {
            tokio::select! {
                posted = self.viewer.post(part.text, part.lines) => posted?,
                () = left(&self.controls) => return Err(Stop::Gone),
                () = sleep_until(self.stop_at + POST_PATIENCE) => return Err(Stop::TimeOver),
            }
            self.cursor = part.cursor;
        }
        Ok(())
    }

    /// Waits while paused. The place at the follow is released, so nobody waits for this viewer.
    async fn wait_while_paused(&mut self) -> Result<(), Stop> {
        if !self.apply_controls().await? {
            return Ok(());
        }
        self.remember_place(self.reader.next());
        self.reader.leave();
        while self.granted.paused {
            tokio::select! {
                () = sleep_until(self.stop_at) => return Err(Stop::TimeOver),
                () = sleep_until(self.viewer.beat_at) => {
                    let cursor = self.cursor;
                    self.viewer.tell(&ViewerEvent::Heartbeat { cursor }).await?;
                }
                () = changed(&mut self.controls) => {
                    self.apply_controls().await?;
                }
            }
        }
        self.last_caught_up = Instant::now();
        Ok(())
    }

    /// Applies the viewer's latest controls. Returns whether it wants to be paused.
    async fn apply_controls(&mut self) -> Result<bool, Stop> {
        let controls = *self.controls.borrow_and_update();
        if controls.gone {
            return Err(Stop::Gone);
        }
        if controls.paused != self.granted.paused {
            let said = if controls.paused {
                ViewerEvent::Paused
            } else {
                ViewerEvent::Resumed
            };
            self.viewer.tell(&said).await?;
        }
        if controls.skips > self.granted.skips {
            let last = start::last_stamp(self.follows.host(), &self.name).await;
            let until = match last {
                // Without a log there is nothing to skip.
                Err(HostError::NotFound { .. }) => None,
                last => last?,
            };
            let lines = self.skip.take().map_or(0, |skip| skip.lines);
            self.skip = Some(Skip {
                until: until.unwrap_or(0),
                to: self.frame.cursor,
                lines,
            });
        }
        self.granted = controls;
        Ok(controls.paused)
    }

    /// Tells the viewer that its skip is done, once it is.
    async fn finish_skip(&mut self) -> Result<(), Stop> {
        let newest = self.frame.cursor.newest();
        let is_done = |skip: &mut Skip| newest.is_some_and(|newest| newest >= skip.until);
        let Some(skip) = self.skip.take_if(is_done) else {
            return Ok(());
        };
        let skipped = ViewerEvent::Skipped {
            lines: Some(skip.lines),
            cursor: skip.to,
        };
        self.viewer.tell(&skipped).await?;
        self.cursor = skip.to;
        Ok(())
    }

    /// The viewer has everything there is.
    async fn caught_up(&mut self) -> Result<(), Stop> {
        self.last_caught_up = Instant::now();
        if self.told_behind.take().is_some() {
            self.viewer.tell(&ViewerEvent::Behind { lines: 0 }).await?;
        }
        Ok(())
    }

    /// Tells a viewer now and then how far behind it is, if it has not caught up for long.
    async fn say_how_far_behind(&mut self) -> Result<(), Stop> {
        let was_told = |at: Instant| at.elapsed() < BEHIND_AGAIN;
        if self.last_caught_up.elapsed() < BEHIND_AFTER || self.told_behind.is_some_and(was_told) {
            return Ok(());
        }
        // From now on the follow does not wait for this viewer, so that the number stays right.
        self.reader.let_it_run();
        let next = self
            .reader
            .next()
            .or(self.lead.as_ref().map(|lead| lead.next));
        let lines = next.map_or(0, |next| self.reader.head().lines.saturating_sub(next));
        self.told_behind = Some(Instant::now());
        if lines > 0 {
            self.viewer.tell(&ViewerEvent::Behind { lines }).await?;
        }
        Ok(())
    }
}

/// Waits for a wish; forever if nobody can send one any more.
async fn changed(controls: &mut watch::Receiver<ViewerControls>) {
    if controls.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Waits until the viewer has left.
async fn left(controls: &watch::Receiver<ViewerControls>) {
    // A clone, so that the receiver itself still sees other changes as new.
    let mut controls = controls.clone();
    if controls.wait_for(|controls| controls.gone).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// An instant that never comes, in tokio's own way.
fn far_away() -> Instant {
    Instant::now() + Duration::from_secs(86_400 * 365)
}
