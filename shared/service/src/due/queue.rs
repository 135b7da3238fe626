//! One queue of SQS.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sqs::{
    Client, config::timeout::TimeoutConfig, error::DisplayErrorContext,
    types::SendMessageBatchRequestEntry,
};
use containerlease_domain::{notification::Notification, time::Time};
use futures_util::future::join_all;

use super::Due;

/// How far ahead a message can be sent: SQS holds one back for at most 15 minutes.
pub const REACH: Duration = Duration::from_secs(900);

/// How long before its time a message is handed out, at least. SQS counts whole seconds, and a
/// function may have to start first.
const EARLY: Duration = Duration::from_secs(1);

/// Maximum number of messages in a batch of SQS.
const IN_A_BATCH: usize = 10;

/// How many batches are sent at once.
const BATCHES_AT_ONCE: usize = 8;

/// A queue that hands out each message shortly before it is due.
#[derive(Debug)]
pub struct DueQueue {
    client: Client,
    url: String,
}

impl DueQueue {
    pub(super) fn new(config: &SdkConfig, url: &str) -> Self {
        // Callers wait for some of these messages, and none of them is essential.
        let time_limits = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(1))
            .operation_attempt_timeout(Duration::from_millis(1_500))
            .operation_timeout(Duration::from_secs(3))
            .build();
        let config = aws_sdk_sqs::config::Builder::from(config)
            .timeout_config(time_limits)
            .build();
        Self {
            client: Client::from_conf(config),
            url: url.to_owned(),
        }
    }

    /// Sends a message if it is within reach. Returns how many could not be sent.
    pub(super) async fn send(&self, due: Due, now: Time) -> usize {
        self.send_all(vec![due], now).await.len()
    }

    /// Sends the message of a notification, if there is one and it is within reach. Returns how
    /// many could not be sent.
    pub(super) async fn send_some(&self, of: Option<&Notification>, now: Time) -> usize {
        match of.and_then(Due::notification) {
            Some(due) => self.send(due, now).await,
            None => 0,
        }
    }

    /// Sends the messages that are within reach, and returns those that could not be sent.
    pub(super) async fn send_all(&self, all: Vec<Due>, now: Time) -> Vec<Due> {
        let within_reach: Vec<_> = all
            .into_iter()
            .filter_map(|due| Some((delay(due.due_at, now)?, due)))
            .collect();
        let mut unsent = Vec::new();
        for batches in within_reach.chunks(IN_A_BATCH * BATCHES_AT_ONCE) {
            let batches = batches.chunks(IN_A_BATCH).map(<[_]>::to_vec);
            let sending = batches.map(|batch| self.send_batch(batch));
            unsent.extend(join_all(sending).await.into_iter().flatten());
        }
        unsent
    }

    /// Sends at most ten messages, and returns those that could not be sent.
    async fn send_batch(&self, batch: Vec<(i32, Due)>) -> Vec<Due> {
        let entries = batch.iter().enumerate().map(|(number, (delay, due))| {
            SendMessageBatchRequestEntry::builder()
                .id(number.to_string())
                .delay_seconds(*delay)
                .message_body(serde_json::to_string(due).expect("it is made of texts"))
                .build()
                .expect("id and body are given")
        });
        let sent = self
            .client
            .send_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries.collect()))
            .send()
            .await;
        let unsent: Vec<_> = match sent {
            Ok(answer) => answer
                .failed()
                .iter()
                .filter_map(|failed| {
                    tracing::warn!(
                        code = failed.code(),
                        message = failed.message(),
                        "a queue refused a message"
                    );
                    batch.get(failed.id().parse::<usize>().ok()?)
                })
                .collect(),
            Err(error) => {
                let error = DisplayErrorContext(&error);
                tracing::warn!(%error, "a queue could not be used");
                batch.iter().collect()
            }
        };
        unsent
            .into_iter()
            .map(|(_, due)| {
                tracing::warn!(
                    lease = %due.lease_id,
                    due_at = %due.due_at,
                    "could not be sent ahead; the reaper handles it when it is overdue"
                );
                due.clone()
            })
            .collect()
    }
}

/// How many seconds the queue holds a message back; none if its time is out of reach.
fn delay(due_at: Time, now: Time) -> Option<i32> {
    let ahead = now.until(due_at);
    if ahead > REACH {
        return None;
    }
    i32::try_from(ahead.saturating_sub(EARLY).as_secs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_millis(1_800_000_000_000);

    #[test]
    fn a_message_is_given_out_one_to_two_seconds_before_its_time() {
        for (ahead_ms, expected) in [
            (-5_000, Some(0)),
            (0, Some(0)),
            (999, Some(0)),
            (1_999, Some(0)),
            (2_000, Some(1)),
            (60_000, Some(59)),
            (60_999, Some(59)),
            (900_000, Some(899)),
            (900_001, None),
        ] {
            let due_at = Time::from_millis(NOW.as_millis() + ahead_ms);
            assert_eq!(delay(due_at, NOW), expected, "{ahead_ms}");
        }
    }

    #[test]
    fn a_message_holds_owner_lease_and_time_and_nothing_else() {
        let text = r#"{"owner":"local","leaseId":"0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c","dueAt":"2026-11-24T09:30:00.000Z"}"#;
        let due: Due = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&due).unwrap(), text);
        let more = text.replace('}', r#","command":"id"}"#);
        assert!(serde_json::from_str::<Due>(&more).is_err());
    }
}
