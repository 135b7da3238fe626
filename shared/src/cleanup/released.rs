//! Claims of a process that is known to be no more.

use crate::{
    store::{ChangeError, Store, StoreError},
    time::Time,
};

/// Lets all ends fall due at once that other processes have claimed, and says how many. It is
/// for a machine that has one server: when that starts, what another has claimed nobody holds
/// any more.
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
