//! Where a leased program may open connections to.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a leased program may open connections to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Egress {
    /// To all that the host reaches and its firewall lets pass.
    #[default]
    Open,
    /// To nothing outside of its container. Its published ports are reached all the same.
    None,
}

impl Egress {
    /// All that there are.
    pub const ALL: [Self; 2] = [Self::Open, Self::None];

    /// The name in requests and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::None => "none",
        }
    }

    /// Whether it is what a lease has that says nothing of it.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    pub(crate) fn is_open(&self) -> bool {
        *self == Self::Open
    }
}
