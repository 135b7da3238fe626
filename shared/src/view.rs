//! The JSON of a receipt, as the API's callers and the viewers of a log see it.
//!
//! It is here and not among the other views because the last line of a log carries it too.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    lease::{Lease, Reason, Receipt},
    time::Time,
};

/// Why a lease ended, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Receipt)]
pub struct ReceiptView {
    pub reason: Reason,
    pub requested_at: Time,
    /// When its program ended, by the engine's clock where that can be right, else when it was seen
    /// stopped; none where no container was there to stop.
    #[schema(required)]
    pub stopped_at: Option<Time>,
    /// When the container was seen to be gone.
    pub removed_at: Time,
    pub attempts: u32,
    /// Milliseconds from `expiresAt` to `removedAt`; only where the lease expired, and where it
    /// is known when the container was gone.
    #[schema(required)]
    pub overshoot_ms: Option<i64>,
    #[schema(required)]
    pub exit_code: Option<i64>,
    /// More on why it failed or was evicted, as `out of memory, limit 64 MB`; there where more is
    /// known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The end of its log, where its program ended by itself.
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
