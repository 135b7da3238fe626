//! Small writes of a lease: signs of life of a claim's holder, and where ports are published.

use containerlease_domain::{
    lease::{Facts, Lease, LeaseEvent, PublishedPort},
    time::Time,
};

use super::{ChangeError, Changed, Store, change::Guard};

impl Store {
    /// Whether this process holds the lease's claim.
    pub fn holds(&self, lease: &Lease) -> bool {
        let holder = lease.ending().and_then(|ending| ending.holder.as_ref());
        holder == Some(&self.holder)
    }

    /// Records that the holder of the lease's claim is alive at `now`, with any new facts about the
    /// container.
    pub async fn hold(
        &self,
        lease: &Lease,
        facts: Option<&Facts>,
        now: Time,
    ) -> Result<Lease, ChangeError> {
        let held = lease.held(facts, now).ok_or(Changed)?;
        self.update(lease, LeaseEvent::Held, held, Guard::None)
            .await
    }

    /// Records that the holder of the lease's claim is dead, so that the lease is due at `now`.
    pub async fn release(&self, lease: &Lease, now: Time) -> Result<Lease, ChangeError> {
        let released = lease.released(now).ok_or(Changed)?;
        self.update(lease, LeaseEvent::Released, released, Guard::None)
            .await
    }

    /// Records that the engine was away when the lease's end was claimed, so that the lease is due
    /// at `now` and no attempt is counted.
    pub async fn postpone(&self, lease: &Lease, now: Time) -> Result<Lease, ChangeError> {
        let postponed = lease.postponed(now).ok_or(Changed)?;
        self.update(lease, LeaseEvent::Postponed, postponed, Guard::None)
            .await
    }

    /// Records where the ports of a running lease are published now.
    pub async fn move_ports(
        &self,
        lease: &Lease,
        ports: Vec<PublishedPort>,
    ) -> Result<Lease, ChangeError> {
        let moved = lease.moved(ports).ok_or(Changed)?;
        self.update(lease, LeaseEvent::Moved, moved, Guard::None)
            .await
    }
}
