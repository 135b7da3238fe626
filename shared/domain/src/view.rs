//! The JSON of a receipt, as the API's callers and the viewers of a log see it.
//!
//! It is not among the other views because the last line of a log carries it too.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    lease::{Lease, Reason, Receipt},
    time::Time,
};

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
        let detail = match (receipt.reason, lease.disk_mb) {
            (Reason::Evicted, Some(limit)) => Some(format!("out of disk, limit {limit} MB")),
            (Reason::Evicted, None) => Some("out of disk".to_owned()),
            _ if receipt.out_of_memory => {
                Some(format!("out of memory, limit {} MB", lease.memory_mb))
            }
            _ => None,
        };
        Self {
            reason: receipt.reason,
            requested_at: receipt.requested_at,
            stopped_at: receipt.stopped_at,
            removed_at: receipt.removed_at,
            attempts: receipt.attempts,
            overshoot_ms: receipt.overshoot_ms,
            exit_code: receipt.exit_code,
            detail,
            last_lines: receipt.last_lines.clone(),
        }
    }
}
