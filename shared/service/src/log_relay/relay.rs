//! Carries one log to one viewer: from the follow while the viewer keeps up, and by itself while
//! it does not.

use std::time::Duration;

use containerlease_domain::{
    logs::{self, Assembler, Cursor, Entry},
    names::ContainerName,
    time::Time,
};
use futures_util::StreamExt;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    Connections, Follows, Outcome, RelayError, Skip, Task, ViewerControls,
    events::ViewerEvent,
    follow::{Counted, End, Reader},
    frame::Frame,
    ring::{Ahead, Line, Taken},
    start,
    viewer::Viewer,
};
use crate::docker::{HostError, Read};

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

/// How far the follow is ahead while a viewer reads by itself.
struct Lead {
    /// Lines after this are counted.
    from: Cursor,
    /// The number, in the follow's count, of the line that the viewer takes next.
    next: u64,
}

impl Lead {
    fn count(&mut self, entry: &Entry) {
        if self.from.pass(entry.stream, entry.position) {
            self.next += 1;
        }
    }
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

    /// Reads from the engine until the viewer has what the follow has lost.
    async fn catch_up(&mut self, ahead: Ahead) -> Result<(), Stop> {
        self.lead.get_or_insert(Lead {
            from: ahead.cursor,
            next: ahead.lines,
        });
        let read = Read::Since(self.cursor.since_second());
        let _one = Counted::one(&self.follows.counts().reads);
        let mut pieces = match self.follows.host().read_log(&self.name, read).await {
            Ok(pieces) => pieces,
            Err(error) => return self.cannot_catch_up(error).await,
        };
        let mut assembler = Assembler::after(self.cursor);
        loop {
            let piece = tokio::select! {
                biased;
                () = sleep_until(self.stop_at) => {
                    self.flush().await?;
                    return Err(Stop::TimeOver);
                }
                () = changed(&mut self.controls) => {
                    self.flush().await?;
                    if self.apply_controls().await? {
                        return Ok(());
                    }
                    continue;
                }
                piece = pieces.next() => piece,
            };
            match piece {
                Some(Ok(piece)) => {
                    if piece.anew {
                        assembler.begin_anew();
                    }
                    let stream = logs::stream_of(piece.stderr);
                    let Some(entry) = assembler.take(stream, &piece.bytes) else {
                        continue;
                    };
                    if let Some(lead) = &mut self.lead {
                        lead.count(&entry);
                    }
                    if self.frame.take(&Line::from(&entry), &mut self.skip) {
                        continue;
                    }
                    self.finish_skip().await?;
                    self.flush().await?;
                    self.say_how_far_behind().await?;
                    if self.reader.take_place(&self.cursor).is_ok() {
                        self.lead = None;
                        return Ok(());
                    }
                }
                Some(Err(error)) => {
                    self.flush().await?;
                    return self.cannot_catch_up(error).await;
                }
                None => {
                    // The follow took an incomplete line for the last one, so take it too.
                    for entry in assembler.finish() {
                        if ahead.cursor.has(entry.stream, entry.position) {
                            self.frame.take(&Line::from(&entry), &mut self.skip);
                        }
                    }
                    self.flush().await?;
                    // Everything the follow had read was in the log. Rotated lines are gone; skip
                    // past them.
                    return self.pass_over_gap(ahead).await;
                }
            }
        }
    }

    /// The engine does not return the lines that the viewer lacks. If it never will, because the
    /// container is gone, the viewer continues with what the follow still has.
    async fn cannot_catch_up(&mut self, error: HostError) -> Result<(), Stop> {
        if !matches!(
            error,
            HostError::NotFound { .. } | HostError::RemovalInProgress
        ) {
            return Err(error.into());
        }
        let oldest = self.reader.oldest();
        self.pass_over_gap(oldest).await
    }

    /// Continues where the follow was, and tells the viewer if lines before that are missing.
    async fn pass_over_gap(&mut self, to: Ahead) -> Result<(), Stop> {
        let reached = self.frame.cursor;
        self.cursor = reached.joined(to.cursor);
        self.frame.go_on_after(self.cursor);
        // Lines are counted from where the follow was when the viewer lost it.
        let lead = self.lead.take();
        let next = lead.filter(|lead| reached.covers(&lead.from));
        let lines = next.as_ref().map(|lead| to.lines.saturating_sub(lead.next));
        self.lead = Some(Lead {
            from: self.cursor,
            next: next.map_or(to.lines, |lead| lead.next.max(to.lines)),
        });
        if reached.covers(&to.cursor) {
            return Ok(());
        }
        let cursor = self.cursor;
        self.viewer
            .tell(&ViewerEvent::Skipped { lines, cursor })
            .await
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

    /// Keeps the number of the next line, for when the viewer holds no place that has it.
    fn remember_place(&mut self, next: Option<u64>) {
        self.lead = next.map(|next| Lead {
            from: self.cursor,
            next,
        });
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
