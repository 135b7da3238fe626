//! `POST /api/containers/{id}/renew`: for how long a lease is renewed.

use std::time::Duration;

use super::{Refused, fields::Fields};

/// A checked `POST /api/containers/{id}/renew`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renew {
    pub duration: Duration,
}

impl Renew {
    /// Parses the body of a renewal. `longest` is the maximum lifetime of a lease.
    pub fn parse(body: &[u8], longest: Duration) -> Result<Self, Refused> {
        let mut fields = Fields::parse(body)?;
        let duration = fields.duration(longest);
        fields.finish()?;
        let Some(duration) = duration else {
            unreachable!("a duration that is missing is a fault")
        };
        Ok(Self { duration })
    }
}
