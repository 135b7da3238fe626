//! The JSON of a receipt, as the API's callers and the viewers of a log see it.
//!
//! It is not among the other views because the last line of a log carries it too.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    lease::{Lease, Reason, Receipt},
    time::Time,
};

/// The exit code of a program that SIGKILL ended, as the kernel does when memory runs out.
const KILLED: i64 = 128 + 9;

/// Why and how a lease ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Receipt)]
pub struct ReceiptView {
    pub reason: Reason,
    pub requested_at: Time,
    /// When its program ended, by the engine's clock if that is plausible, else when we saw it
    /// stopped. None if there was no container to stop.
    #[schema(required)]
    pub stopped_at: Option<Time>,
    /// When we saw that the container was gone.
    pub removed_at: Time,
    pub attempts: u32,
    /// Milliseconds from `expiresAt` to `removedAt`. Only set if the lease expired and the time of
    /// the removal is known.
    #[schema(required)]
    pub overshoot_ms: Option<i64>,
    #[schema(required)]
    pub exit_code: Option<i64>,
    /// Details of a failure or an eviction, if known, such as `out of memory, limit 64 MB`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The last lines of its log, if its program ended by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub last_lines: Vec<String>,
}

impl ReceiptView {
    /// The receipt of this lease.
    pub fn of(receipt: &Receipt, lease: &Lease) -> Self {
        Self {
            reason: receipt.reason,
            requested_at: receipt.requested_at,
            stopped_at: receipt.stopped_at,
            removed_at: receipt.removed_at,
            attempts: receipt.attempts,
            overshoot_ms: receipt.overshoot_ms,
            exit_code: receipt.exit_code,
            detail: detail(receipt, lease),
            last_lines: receipt.last_lines.clone(),
        }
    }
}

fn detail(receipt: &Receipt, lease: &Lease) -> Option<String> {
    let memory_mb = lease.memory_mb;
    match receipt.reason {
        Reason::Evicted => Some(match lease.disk_mb {
            Some(limit) => format!("out of disk, limit {limit} MB"),
            None => "out of disk".to_owned(),
        }),
        Reason::Failed if receipt.out_of_memory => {
            Some(format!("out of memory, limit {memory_mb} MB"))
        }
        // A busy engine sometimes loses the kernel's event that memory ran out.
        Reason::Failed if receipt.exit_code == Some(KILLED) => Some(format!(
            "killed, perhaps out of memory, limit {memory_mb} MB"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_detail_says_no_more_than_the_engine_knew() {
        let now = Time::from_millis(1_000_000);
        let lease = Lease {
            memory_mb: 64,
            disk_mb: Some(100),
            ..Lease::sample("alpine", now)
        };
        let detail = |reason, exit_code, out_of_memory| {
            let receipt = Receipt {
                reason,
                requested_at: now,
                stopped_at: Some(now),
                removed_at: now,
                attempts: 1,
                overshoot_ms: None,
                exit_code: Some(exit_code),
                out_of_memory,
                last_lines: Vec::new(),
            };
            ReceiptView::of(&receipt, &lease).detail
        };
        let known = detail(Reason::Failed, 137, true);
        assert_eq!(known.as_deref(), Some("out of memory, limit 64 MB"));
        let guessed = detail(Reason::Failed, 137, false);
        let expected = "killed, perhaps out of memory, limit 64 MB";
        assert_eq!(guessed.as_deref(), Some(expected));
        assert_eq!(detail(Reason::Failed, 3, false), None);
        // The engine itself kills a program that does not stop in time.
        assert_eq!(detail(Reason::Deleted, 137, false), None);
        let evicted = detail(Reason::Evicted, 137, false);
        assert_eq!(evicted.as_deref(), Some("out of disk, limit 100 MB"));
    }
}
