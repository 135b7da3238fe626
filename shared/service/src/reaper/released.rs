//! Claims of a process that is known to be dead.

use containerlease_domain::time::Time;

use crate::store::{ChangeError, Store, StoreError};

/// Makes all ends that other processes have claimed due at once, and returns their number. For a
/// machine that has one server: when it starts, no other process can still hold a claim.
pub async fn release_claims(store: &Store) -> Result<usize, StoreError> {
    let mut released = 0;
    for lease in store.active().await?.items {
        let held = lease.ending().is_some_and(|ending| ending.holder.is_some());
        if !held || store.holds(&lease) {
            continue;
        }
        match store.release(&lease, Time::now()).await {
            Ok(_) => released += 1,
            Err(ChangeError::Changed(_)) => {}
            Err(ChangeError::Store(error)) => return Err(error),
        }
    }
    Ok(released)
}
