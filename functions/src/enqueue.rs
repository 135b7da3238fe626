//! Sends due ends and notifications ahead of time to the queues, if there are any, and counts
//! failed sends. A failed send fails no request: the reaper handles whatever is overdue.

use containerlease_domain::{lease::Lease, time::Time};

use crate::{app::App, metrics};

/// Sends the end and the notifications of a lease that was made or renewed.
pub async fn lease_runs(app: &App, lease: &Lease) {
    if let Some(queues) = &app.queues {
        count(app, Box::pin(queues.lease_runs(lease, Time::now())).await);
    }
}

/// Sends the notification of a lease that has ended.
pub async fn lease_ended(app: &App, lease: &Lease, removed_at: Time) {
    if let Some(queues) = &app.queues {
        count(app, Box::pin(queues.lease_ended(lease, removed_at)).await);
    }
}

/// Sends what a queue's delay can reach since the reaper's last run.
pub async fn ahead(app: &App) {
    let Some(queues) = &app.queues else { return };
    match Box::pin(queues.ahead(&app.store, Time::now())).await {
        Ok(sent) => {
            if sent.ends + sent.notifications > 0 {
                let (ends, notifications) = (sent.ends, sent.notifications);
                tracing::info!(ends, notifications, "sent ahead what falls due soon");
            }
            count(app, sent.unsent);
        }
        Err(error) => {
            tracing::warn!(%error, "could not see what is to be sent ahead");
            count(app, 1);
        }
    }
}

fn count(app: &App, unsent: usize) {
    if unsent > 0 {
        metrics::write(&[metrics::of_unsent(unsent, &app.deployment, Time::now())]);
    }
}
