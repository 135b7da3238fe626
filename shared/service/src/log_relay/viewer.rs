//! The viewer's end: posts and their retries.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::time::{Instant, sleep};

use super::{Connections, Counts, HEARTBEAT, PostError, RelayError, Stop, ViewerEvent};

/// How long to wait for the viewer's connection to exist. Until `$connect` returns, API Gateway
/// answers posts with `Gone`, and a relay is started before that.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// Pause between tries while the connection does not exist yet.
const CONNECT_PAUSE: Duration = Duration::from_millis(20);

/// How long posts are retried while the connections are throttled. A client that hears nothing for
/// 30 s reconnects, which would make it worse.
const BUSY_PATIENCE: Duration = Duration::from_secs(20);

/// The first pause while throttled; each pause is twice the one before.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause.
const BUSY_PAUSE_LIMIT: Duration = Duration::from_secs(2);

pub(super) struct Viewer<'r, C> {
    connections: &'r C,
    counts: &'r Counts,
    connection: &'r str,
    pub(super) last_post: Option<Instant>,
    /// When a heartbeat is due, unless something else is posted first.
    pub(super) beat_at: Instant,
    /// Until the first post arrives: when to believe that the viewer is gone.
    not_there_until: Option<Instant>,
    /// The deadline for any wait.
    give_up_at: Instant,
}

impl<'r, C: Connections> Viewer<'r, C> {
    /// A viewer to which nothing was posted yet.
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

    pub(super) async fn tell(&mut self, event: &ViewerEvent<'_>) -> Result<(), Stop> {
        self.post(event.to_frame(), 0).await
    }

    /// Posts a frame, and retries it unchanged after transient refusals.
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
                    // Jitter, so that viewers refused together do not retry together.
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
    use crate::log_relay::Closing;

    /// Connections that are always throttled.
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

        // A relay whose time is over hands over the viewer, with the unposted lines.
        let begun = Instant::now();
        let mut viewer = Viewer::new(&Busy, &counts, "c", begun + BUSY_PATIENCE / 4);
        let posted = viewer.post("{}".to_owned(), 1).await;
        assert!(matches!(posted, Err(Stop::TimeOver)));
        assert!(begun.elapsed() <= BUSY_PATIENCE / 4);
    }
}
