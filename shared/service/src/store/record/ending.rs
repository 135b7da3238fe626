//! The shape of an end and of a receipt in a lease's item.

use serde::{Deserialize, Deserializer, Serialize};

use containerlease_domain::{
    lease::{Ending, Facts, Reason, Receipt},
    names::Holder,
    time::Time,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EndingItem {
    #[serde(deserialize_with = "reason")]
    reason: Reason,
    requested_at: Time,
    attempts: u32,
    next_attempt_at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    holder: Option<Holder>,
    stopped_at: Option<Time>,
    exit_code: Option<i64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    out_of_memory: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    last_lines: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    removal_began_at: Option<Time>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReceiptItem {
    #[serde(deserialize_with = "reason")]
    reason: Reason,
    requested_at: Time,
    stopped_at: Option<Time>,
    removed_at: Time,
    attempts: u32,
    overshoot_ms: Option<i64>,
    exit_code: Option<i64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    out_of_memory: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    last_lines: Vec<String>,
}

/// Reads a reason. Earlier programs knew one more, which they never gave to a lease. A record that
/// holds it all the same is read as failed.
fn reason<'de, D: Deserializer<'de>>(from: D) -> Result<Reason, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Retired {
        Orphaned,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OnRecord {
        Known(Reason),
        Retired(Retired),
    }
    Ok(match OnRecord::deserialize(from)? {
        OnRecord::Known(reason) => reason,
        OnRecord::Retired(Retired::Orphaned) => Reason::Failed,
    })
}

impl From<&Ending> for EndingItem {
    fn from(ending: &Ending) -> Self {
        Self {
            reason: ending.reason,
            requested_at: ending.requested_at,
            attempts: ending.attempts,
            next_attempt_at: ending.next_attempt_at,
            holder: ending.holder.clone(),
            stopped_at: ending.facts.stopped_at,
            exit_code: ending.facts.exit_code,
            out_of_memory: ending.facts.out_of_memory,
            last_lines: ending.facts.last_lines.clone(),
            removal_began_at: ending.facts.removal_began_at,
        }
    }
}

impl From<EndingItem> for Ending {
    fn from(item: EndingItem) -> Self {
        Self {
            reason: item.reason,
            requested_at: item.requested_at,
            attempts: item.attempts,
            next_attempt_at: item.next_attempt_at,
            holder: item.holder,
            facts: Facts {
                stopped_at: item.stopped_at,
                exit_code: item.exit_code,
                out_of_memory: item.out_of_memory,
                last_lines: item.last_lines,
                removal_began_at: item.removal_began_at,
            },
        }
    }
}

impl From<&Receipt> for ReceiptItem {
    fn from(receipt: &Receipt) -> Self {
        Self {
            reason: receipt.reason,
            requested_at: receipt.requested_at,
            stopped_at: receipt.stopped_at,
            removed_at: receipt.removed_at,
            attempts: receipt.attempts,
            overshoot_ms: receipt.overshoot_ms,
            exit_code: receipt.exit_code,
            out_of_memory: receipt.out_of_memory,
            last_lines: receipt.last_lines.clone(),
        }
    }
}

impl From<ReceiptItem> for Receipt {
    fn from(item: ReceiptItem) -> Self {
        Self {
            reason: item.reason,
            requested_at: item.requested_at,
            stopped_at: item.stopped_at,
            removed_at: item.removed_at,
            attempts: item.attempts,
            overshoot_ms: item.overshoot_ms,
            exit_code: item.exit_code,
            out_of_memory: item.out_of_memory,
            last_lines: item.last_lines,
        }
    }
}
