//! The small writes of a lease: those of a claim's holder, and where ports are published.

use super::{ChangeError, Changed, Store, change::Guard};
use crate::{
    lease::{Event, Facts, Lease, PublishedPort},
    time::Time,
};

impl Store {
    /// Whether this process is the one that holds the lease's claim.
    pub fn holds(&self, lease: &Lease) -> bool {
        let holder = lease.ending().and_then(|ending| ending.holder.as_ref());
        holder == Some(&self.holder)
    }

    /// Writes that the holder of the lease's claim is alive at `now`, and what it has found of
    /// the container, where that is something new.
    pub async fn hold(
        &self,
        lease: &Lease,
        facts: Option<&Facts>,
        now: Time,
    ) -> Result<Lease, ChangeError> {
        let held = lease.held(facts, now).ok_or(Changed)?;
        self.update(lease, Event::Held, held, Guard::None).await
    }

    /// Writes that whoever has claimed the lease's end is no more, so that it is due at `now`.
    pub async fn release(&self, lease: &Lease, now: Time) -> Result<Lease, ChangeError> {
        let released = lease.released(now).ok_or(Changed)?;
        self.update(lease, Event::Released, released, Guard::None)
            .await
    }

    /// Writes that the engine was away when the lease's end was claimed, so that it is due at
    /// `now` and nothing was attempted.
    pub async fn postpone(&self, lease: &Lease, now: Time) -> Result<Lease, ChangeError> {
        let postponed = lease.postponed(now).ok_or(Changed)?;
        self.update(lease, Event::Postponed, postponed, Guard::None)
            .await
    }

    /// Writes where the ports of a running lease are published now.
    pub async fn move_ports(
        &self,
        lease: &Lease,
        ports: Vec<PublishedPort>,
    ) -> Result<Lease, ChangeError> {
        let moved = lease.moved(ports).ok_or(Changed)?;
        self.update(lease, Event::Moved, moved, Guard::None).await
    }
}
