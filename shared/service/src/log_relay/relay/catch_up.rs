//! Reads the engine's log for one viewer alone, until the follow has the viewer's next line.

use containerlease_domain::logs::{self, Assembler, Cursor, Entry};
use futures_util::StreamExt;
use tokio::time::sleep_until;

use super::{Stop, ViewerRelay, changed};
use crate::{
    docker::{HostError, Read},
    log_relay::{
        Connections,
        events::ViewerEvent,
        follow::Counted,
        ring::{Ahead, Line},
    },
};

/// How far the follow is ahead while a viewer reads by itself.
pub(super) struct Lead {
    /// Lines after this are counted.
    from: Cursor,
    /// The number, in the follow's count, of the line that the viewer takes next.
    pub(super) next: u64,
}

impl Lead {
    fn count(&mut self, entry: &Entry) {
        if self.from.pass(entry.stream, entry.position) {
            self.next += 1;
        }
    }
}

impl<C: Connections> ViewerRelay<'_, C> {
    /// Reads from the engine until the viewer has what the follow has lost.
    pub(super) async fn catch_up(&mut self, ahead: Ahead) -> Result<(), Stop> {
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

    /// Keeps the number of the next line, for when the viewer holds no place that has it.
    pub(super) fn remember_place(&mut self, next: Option<u64>) {
        self.lead = next.map(|next| Lead {
            from: self.cursor,
            next,
        });
    }
}
