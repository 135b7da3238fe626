//! Renew: a later end for a running lease.

use std::time::Duration;

use thiserror::Error;

use crate::{
    lease::{Lease, RenewRefused},
    names::{LeaseId, Owner},
    store::{ChangeError, Store, StoreError},
    time::Time,
};

/// How often a renewal that met another change reads the lease again. Two renewals at once
/// are both right; only an end is final.
const TRIES: u32 = 5;

/// Why a lease was not renewed.
#[derive(Debug, Error)]
pub enum RenewError {
    #[error("the owner has no such lease")]
    NotFound,
    #[error(transparent)]
    Refused(#[from] RenewRefused),
    /// Others kept changing the lease.
    #[error("others kept changing the lease")]
    Contended,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Renews the owner's lease by `duration` from now on.
pub async fn renew(
    store: &Store,
    owner: &Owner,
    id: &LeaseId,
    duration: Duration,
) -> Result<Lease, RenewError> {
    for _ in 0..TRIES {
        let lease = store.get(owner, id).await?.ok_or(RenewError::NotFound)?;
        let now = Time::now();
        let expires_at = lease.renewed_until(duration, now)?;
        if expires_at == lease.expires_at {
            return Ok(lease);
        }
        match store.renew(&lease, expires_at, now).await {
            Ok(renewed) => return Ok(renewed),
            Err(ChangeError::Changed(_)) => {}
            Err(ChangeError::Store(error)) => return Err(error.into()),
        }
    }
    Err(RenewError::Contended)
}
