//! Renew: gives a running lease a later end.

use std::time::Duration;

use containerlease_domain::{
    lease::{Lease, RenewRefused},
    names::{LeaseId, Owner},
    time::Time,
};
use thiserror::Error;

use crate::store::{ChangeError, Store, StoreError};

/// How often a renewal reads the lease again after a concurrent change. Two simultaneous renewals
/// are both valid; only an end is final.
const TRIES: u32 = 5;

/// Why a lease was not renewed.
#[derive(Debug, Error)]
pub enum RenewError {
    #[error("the owner has no such lease")]
    NotFound,
    #[error(transparent)]
    Refused(#[from] RenewRefused),
    /// Other changes kept coming first.
    #[error("others kept changing the lease")]
    Contended,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A renewed lease, and the time it gained.
#[derive(Clone, Debug, PartialEq)]
pub struct Renewed {
    pub lease: Lease,
    /// From the renewal to the lease's end.
    pub granted: Duration,
    /// How much later its end is than before.
    pub added: Duration,
    /// Whether the request exceeded the maximum lifetime.
    pub capped: bool,
}

/// Renews the owner's lease by `duration` from now.
pub async fn renew(
    store: &Store,
    owner: &Owner,
    id: &LeaseId,
    duration: Duration,
) -> Result<Renewed, RenewError> {
    for _ in 0..TRIES {
        let lease = store.get(owner, id).await?.ok_or(RenewError::NotFound)?;
        let now = Time::now();
        let expires_at = lease.renewed_until(duration, now)?;
        let renewed = |renewed: Lease| Renewed {
            granted: now.until(expires_at),
            added: lease.expires_at.until(expires_at),
            capped: now.plus(duration) > renewed.hard_deadline,
            lease: renewed,
        };
        if expires_at == lease.expires_at {
            return Ok(renewed(lease.clone()));
        }
        match store.renew(&lease, expires_at, now).await {
            Ok(lease) => return Ok(renewed(lease)),
            Err(ChangeError::Changed(_)) => {}
            Err(ChangeError::Store(error)) => return Err(error.into()),
        }
    }
    Err(RenewError::Contended)
}
