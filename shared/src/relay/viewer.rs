//! The viewer's end: posts, and the patience that they need.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::time::{Instant, sleep};

use super::{Connections, Counts, Event, HEARTBEAT, PostError, RelayError, Stop};

/// How long the viewer's connection may take to be there. API Gateway refuses posts to a
/// connection until `$connect` has answered, in the same words as to one that is gone, and a
/// relay is started before that.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// How often a connection that is not there yet is tried.
const CONNECT_PAUSE: Duration = Duration::from_millis(20);

/// How long posts are tried where the connections want to be used less. A client that hears
/// nothing for 30 s connects again, which would make it worse.
const BUSY_PATIENCE: Duration = Duration::from_secs(20);

/// How long the first pause is then; each one is twice as long as the one before.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause.
const BUSY_PAUSE_LIMIT: Duration = Duration::from_secs(2);

pub(super) struct Viewer<'r, C> {
    connections: &'r C,
    counts: &'r Counts,
    connection: &'r str,
    pub(super) last_post: Option<Instant>,
    /// When a heartbeat is due if nothing else is posted.
    pub(super) beat_at: Instant,
    /// Until a first post has arrived: when to believe that the viewer is gone.
    not_there_until: Option<Instant>,
    /// When nothing can be waited for any more.
    give_up_at: Instant,
}

impl<'r, C: Connections> Viewer<'r, C> {
    /// A viewer that was posted nothing yet.
    pub(super) fn new(
        connections: &'r C,
        counts: &'r Counts,
        connection: &'r str,
        give_up_at: Instant,
    ) -> Self {
        Self {
            connections,
            counts,
            connection,
            last_post: None,
            beat_at: Instant::now() + HEARTBEAT,
            not_there_until: Some(Instant::now() + CONNECT_PATIENCE),
            give_up_at,
        }
    }

    pub(super) async fn tell(&mut self, event: &Event<'_>) -> Result<(), Stop> {
        self.post(event.to_frame(), 0).await
    }

    /// Posts a frame, as often as it takes: what was refused for a passing reason is posted
    /// again, unchanged.
    pub(super) async fn post(&mut self, frame: String, lines: u64) -> Result<(), Stop> {
        let busy_until = Instant::now() + BUSY_PATIENCE;
        let mut busy_pause = BUSY_PAUSE;
        loop {
            let posted = self.connections.post(self.connection, frame.clone()).await;
            match posted {
                Ok(()) => {
                    let now = Instant::now();
                    self.last_post = Some(now);
                    self.beat_at = now + HEARTBEAT;
                    self.not_there_until = None;
                    self.counts.posts.fetch_add(1, Ordering::Relaxed);
                    self.counts.lines.fetch_add(lines, Ordering::Relaxed);
                    return Ok(());
                }
                Err(PostError::Gone) => match self.not_there_until {
                    Some(until) if Instant::now() < until => sleep(CONNECT_PAUSE).await,
                    _ => return Err(Stop::Gone),
                },
                Err(PostError::Busy) => {
                    // Viewers that were refused together do not come again together.
                    let pause = busy_pause.mul_f64(0.5 + fastrand::f64() / 2.0);
                    let then = Instant::now() + pause;
                    if then >= self.give_up_at {
                        return Err(Stop::TimeOver);
                    }
                    if then >= busy_until {
                        return Err(RelayError::Busy.into());
                    }
                    sleep(pause).await;
                    busy_pause = (busy_pause * 2).min(BUSY_PAUSE_LIMIT);
                }
                Err(PostError::Failed(message)) => return Err(RelayError::Post(message).into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::Closing;

    /// Connections that always want to be used less.
    struct Busy;

    impl Connections for Busy {
        async fn post(&self, _: &str, _: String) -> Result<(), PostError> {
            Err(PostError::Busy)
        }

        async fn close(&self, _: &str, _: Option<Closing>) -> Result<(), PostError> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn connections_that_stay_busy_are_given_up_in_time() {
        let counts = Counts::default();
        let begun = Instant::now();
        let mut viewer = Viewer::new(&Busy, &counts, "c", begun + 5 * BUSY_PATIENCE);
        let posted = viewer.post("{}".to_owned(), 1).await;
        assert!(matches!(posted, Err(Stop::Error(RelayError::Busy))));
        assert!(begun.elapsed() > BUSY_PATIENCE / 2 && begun.elapsed() <= BUSY_PATIENCE);

        // A relay whose time is over hands the viewer over, with what was not posted.
        let begun = Instant::now();
        let mut viewer = Viewer::new(&Busy, &counts, "c", begun + BUSY_PATIENCE / 4);
        let posted = viewer.post("{}".to_owned(), 1).await;
        assert!(matches!(posted, Err(Stop::TimeOver)));
        assert!(begun.elapsed() <= BUSY_PATIENCE / 4);
    }
}
