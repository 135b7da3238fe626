//! A claimed end, in the hands of its holder.
//!
//! The holder shows that it is alive: while it works, it postpones the time at which the claim
//! falls due, every [`CLAIM_BEAT`]. So the claim of a dead holder is taken over within
//! [`CLAIM_LIMIT`](containerlease_domain::lease::CLAIM_LIMIT), however long an end may take.

use std::{pin::pin, time::Duration};

use containerlease_domain::{
    lease::{CLAIM_BEAT, Facts, Gone, Lease, Reason, Receipt, State},
    time::Time,
};

use super::{ClaimError, Deps};
use crate::{
    docker::HostError,
    store::{ChangeError, StoreError, StoreErrorKind},
};

/// Time limit of a write that no end may wait for.
pub(super) const WRITE_LIMIT: Duration = Duration::from_secs(1);

/// Pause before the receipt is tried again: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// An end that is ours while we show that we are alive.
#[derive(Debug)]
pub struct Claim<'t> {
    pub(super) deps: Deps<'t>,
    pub(super) lease: Lease,
}

/// The result of a write to a lease whose claim was ours.
pub(super) enum Written {
    Done,
    /// The receipt existed already, and it is ours.
    EndedBefore(Receipt),
    TakenOver,
}

#[derive(Clone, Copy)]
pub(super) enum Write<'w> {
    Alive,
    Facts(&'w Facts),
    Failed,
    Postponed,
    Gone(&'w Gone),
}

impl<'t> Claim<'t> {
    /// Claims the lease's end for the caller alone.
    pub async fn of(deps: Deps<'t>, lease: &Lease, reason: Reason) -> Result<Self, ClaimError> {
        Self::begun(deps, lease, reason, Time::now()).await
    }

    /// Claims an end that began at `begun`. The claim lasts from now on.
    pub async fn begun(
        deps: Deps<'t>,
        lease: &Lease,
        reason: Reason,
        begun: Time,
    ) -> Result<Self, ClaimError> {
        let now = Time::now();
        match deps.store.claim_begun(lease, reason, begun, now).await {
            Ok(lease) => Ok(Self { deps, lease }),
            Err(ChangeError::Changed(_)) => Err(ClaimError::SomebodyElse),
            Err(ChangeError::Store(error)) => Err(ClaimError::Store(error)),
        }
    }

    /// A claim that is held in memory alone, because the table takes no write. None if the lease is not over
    /// yet, or has changed since it was read: then it belongs to another process.
    pub(crate) async fn unwritten(
        deps: Deps<'t>,
        lease: &Lease,
        reason: Reason,
        at: Time,
    ) -> Option<Self> {
        // Check the record if it can be read; if it cannot, nobody can have written it.
        if let Ok(found) = deps.store.get(&lease.owner, &lease.id).await
            && found.is_none_or(|found| found.version != lease.version)
        {
            return None;
        }
        if reason == Reason::Expired && !lease.is_expired(at) && lease.ending().is_none() {
            return None;
        }
        let lease = lease.claimed(reason, at)?;
        Some(Self { deps, lease })
    }

    /// The lease as it was last written.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Waits for `work`, and meanwhile shows that this process is alive.
    pub async fn alive_while<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = self.beat() => {}
            }
        }
    }

    /// Waits for a call to the engine while the engine answers anything at all, and meanwhile shows
    /// that this process is alive.
    pub(super) async fn at_the_engine<T>(
        &mut self,
        work: impl Future<Output = Result<T, HostError>>,
    ) -> Result<T, HostError> {
        let host = self.deps.host;
        let answered = async {
            tokio::select! {
                biased;
                done = work => done,
                () = host.fallen_silent() => Err(HostError::Away {
                    because: "it has fallen silent".to_owned(),
                }),
            }
        };
        self.alive_while(answered).await
    }

    /// One sign of life. It may be interrupted anywhere: the next write detects whether it was
    /// written.
    async fn beat(&mut self) {
        tokio::time::sleep(CLAIM_BEAT).await;
        self.write_quickly(Write::Alive).await;
    }

    /// Records the facts, if the table takes them in time: no end waits for this.
    pub(super) async fn note(&mut self, facts: &Facts) {
        if self.lease.ending().map(|ending| &ending.facts) != Some(facts) {
            self.write_quickly(Write::Facts(facts)).await;
        }
    }

    async fn write_quickly(&mut self, write: Write<'_>) {
        let id = self.lease.id;
        match tokio::time::timeout(WRITE_LIMIT, self.write(write)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::warn!(lease = %id, %error, "could not record the progress of an end");
            }
            Err(_) => tracing::warn!(lease = %id, "could not write in time how far an end is"),
        }
    }

    /// Retries the write while the claim lasts: only this process knows what the receipt says.
    pub(super) async fn write_persistently(
        &mut self,
        write: Write<'_>,
    ) -> Result<Written, StoreError> {
        let lasts_until = self.lease.due_at();
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.write(write).await {
                Ok(written) => return Ok(written),
                Err(error) => error,
            };
            // While the table takes no write, nobody else can take over either.
            let takes_no_write = error.kind == StoreErrorKind::Unwritable;
            let is_over = lasts_until.is_none_or(|until| Time::now().plus(pause) >= until);
            if is_over && !takes_no_write {
                return Err(error);
            }
            tracing::warn!(lease = %self.lease.id, %error, "tries again to write a receipt");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Writes to the lease, if its claim is still ours.
    pub(super) async fn write(&mut self, write: Write<'_>) -> Result<Written, StoreError> {
        // An earlier write of ours with an unknown outcome may have changed the version.
        for _ in 0..2 {
            match self.send(write).await {
                Ok(lease) => {
                    self.lease = lease;
                    return Ok(Written::Done);
                }
                Err(ChangeError::Store(error)) => return Err(error),
                Err(ChangeError::Changed(_)) => {}
            }
            let (owner, id) = (&self.lease.owner, &self.lease.id);
            let Some(found) = self.deps.store.get(owner, id).await? else {
                break;
            };
            let ours = self.lease.ending().map(|ending| ending.attempts);
            match &found.state {
                State::Ended(receipt) if Some(receipt.attempts) == ours => {
                    return Ok(Written::EndedBefore(receipt.clone()));
                }
                State::Ending(ending) | State::Quarantined(ending)
                    if Some(ending.attempts) == ours && self.deps.store.holds(&found) =>
                {
                    self.lease = found;
                }
                _ => break,
            }
        }
        Ok(Written::TakenOver)
    }

    async fn send(&self, write: Write<'_>) -> Result<Lease, ChangeError> {
        let (store, lease, now) = (self.deps.store, &self.lease, Time::now());
        match write {
            Write::Alive => store.hold(lease, None, now).await,
            Write::Facts(facts) => store.hold(lease, Some(facts), now).await,
            Write::Failed => store.attempt_failed(lease, now, crate::jitter()).await,
            Write::Postponed => store.postpone(lease, now).await,
            Write::Gone(gone) => store.end(lease, gone, self.deps.history).await,
        }
    }
}
