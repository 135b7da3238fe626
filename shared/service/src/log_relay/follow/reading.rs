//! The task that reads a log into the ring, once for all of its viewers.

use std::{sync::Arc, time::Duration};

use containerlease_domain::{
    lease::State,
    logs::{self, Assembler, Cursor},
    names::{ContainerName, LeaseId, Owner},
    view::ReceiptView,
};
use futures_util::StreamExt;
use tokio::time::{Instant, sleep};

use super::{Counted, Counts, ENGINE_PATIENCE, End, PIECES_AT_ONCE, Shared, kept, lock};
use crate::{
    docker::{Host, HostError, Read},
    log_relay::{RelayError, ring::Line},
    store::Store,
};

/// The task that reads.
pub(super) struct Reading {
    pub(super) store: Arc<Store>,
    pub(super) host: Arc<Host>,
    pub(super) counts: Arc<Counts>,
    pub(super) owner: Owner,
    pub(super) lease: LeaseId,
    pub(super) shared: Arc<Shared>,
}

impl Reading {
    pub(super) async fn run(self) {
        let end = match self.to_the_end().await {
            Ok((receipt, gap)) => End::LeaseEnded {
                receipt: Arc::new(receipt),
                gap,
            },
            Err(error) => End::Failed(error),
        };
        self.shared.head.send_modify(|head| head.end = Some(end));
    }

    /// Reads until the lease has ended, then what was kept of its log. Returns whether lines after
    /// the last one may be missing.
    async fn to_the_end(&self) -> Result<(ReceiptView, bool), RelayError> {
        let mut had_an_end = false;
        let mut pause = Duration::from_millis(100);
        let mut engine_away_since = None;
        loop {
            let lease = self.store.get(&self.owner, &self.lease).await?;
            let lease = lease.ok_or(RelayError::NoLease)?;
            match &lease.state {
                State::Ended(receipt) => {
                    let gap = self.push_kept(had_an_end).await;
                    return Ok((ReceiptView::of(receipt, &lease), gap));
                }
                State::Provisioning => {}
                State::Running | State::Ending(_) | State::Quarantined(_) => {
                    let before = self.after();
                    match self.follow(&lease.container(), before).await {
                        Ok(()) => {
                            had_an_end = true;
                            engine_away_since = None;
                        }
                        Err(HostError::NotFound { .. }) => engine_away_since = None,
                        Err(error) => {
                            if self.after() != before {
                                engine_away_since = None;
                            }
                            let since = *engine_away_since.get_or_insert_with(Instant::now);
                            if since.elapsed() > ENGINE_PATIENCE {
                                return Err(error.into());
                            }
                            tracing::debug!(lease = %self.lease, %error, "follows again");
                        }
                    }
                    if self.after() != before {
                        pause = Duration::from_millis(100);
                    }
                }
            }
            // The log ends a moment before the receipt is written, and a program that ended by
            // itself waits for the reaper's next run.
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    /// Follows the container's log until it ends.
    async fn follow(&self, name: &ContainerName, after: Cursor) -> Result<(), HostError> {
        let read = Read::Follow {
            since: after.since_second(),
        };
        let pieces = self.host.read_log(name, read).await?;
        let _one = Counted::one(&self.counts.reads);
        let mut pieces = pieces.ready_chunks(PIECES_AT_ONCE);
        let mut assembler = Assembler::after(after);
        while let Some(chunk) = pieces.next().await {
            let mut lines = Vec::with_capacity(chunk.len());
            let mut failure = None;
            for piece in chunk {
                match piece {
                    Ok(piece) => {
                        if piece.anew {
                            assembler.begin_anew();
                        }
                        let stream = logs::stream_of(piece.stderr);
                        lines.extend(
                            assembler
                                .take(stream, &piece.bytes)
                                .as_ref()
                                .map(Line::from),
                        );
                    }
                    Err(error) => {
                        failure = Some(error);
                        break;
                    }
                }
            }
            self.push(lines).await;
            if let Some(error) = failure {
                return Err(error);
            }
        }
        let unfinished = assembler.finish();
        self.push(unfinished.map(|entry| Line::from(&entry)).collect())
            .await;
        Ok(())
    }

    /// Adds the kept lines that were not read before the container was gone. Returns whether lines
    /// after the last one may be missing. If the log had reached its own end, none are missing as
    /// far as anyone can know.
    async fn push_kept(&self, had_an_end: bool) -> bool {
        let Some(kept) = kept(&self.store, &self.lease).await else {
            return !had_an_end;
        };
        let mut after = self.after();
        let gap = kept.has_gap_after(&after);
        let missing = kept.entries.iter();
        let missing = missing.filter(|entry| after.pass(entry.stream, entry.position));
        let mut missing: Vec<_> = missing.map(Line::from).collect();
        let Some(first) = missing.first_mut() else {
            return gap;
        };
        first.after_gap = gap;
        self.push(missing).await;
        false
    }

    /// Adds lines to the ring as room becomes available.
    async fn push(&self, lines: Vec<Line>) {
        let mut lines = lines.into_iter().peekable();
        while lines.peek().is_some() {
            let before = self.shared.head.borrow().lines;
            let after = {
                let mut state = lock(&self.shared.state);
                while lines.peek().is_some() && state.make_room() {
                    state
                        .ring
                        .push(lines.next().expect("it was there a moment ago"));
                }
                state.ring.end()
            };
            if after > before {
                self.shared.head.send_modify(|head| head.lines = after);
            }
            if lines.peek().is_some() {
                self.shared.taken.notified().await;
            }
        }
    }

    fn after(&self) -> Cursor {
        lock(&self.shared.state).ring.after
    }
}
