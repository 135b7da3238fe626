//! Provision: a new lease with its container.
//!
//! The record is written before the container is created, under a name derived from the lease's id.
//! Wherever a provision is interrupted after that, the reaper finds the record and ends the lease.
//!
//! A caller may name a request with an idempotency key. The use of the key is written with the
//! record, both or neither, so of all requests with one key one makes a lease, and the others
//! answer with that lease. A lease that failed before it ever ran frees its key: the next request
//! with it makes another lease.

use std::time::Duration;

use containerlease_domain::{
    capacity::{Limits, Shortage, Whose},
    idempotency::{Fingerprint, IdempotencyKey},
    lease::{Lease, Placement, Reason, State},
    names::{LeaseId, Owner},
    policy::Policy,
    request::{self, Notify},
    time::Time,
};
use thiserror::Error;

use crate::{
    docker::{HostError, Recipe},
    leasing::end::{self, ClaimError, Deps, EndError, EndOutcome},
    store::{ChangeError, CreateError, KeyUse, NewKeyUse, Recount, StoreError},
};

/// A caller's own command may not exist in the image, which shows right after the start. The
/// catalogue's commands are tested, so nobody waits for them.
const COMMAND_TRIAL: Duration = Duration::from_millis(100);

/// Time limit for creating and starting a container. With the table's limits it keeps a provision
/// under [`PROVISION_LIMIT`](containerlease_domain::lease::PROVISION_LIMIT).
const PLACE_LIMIT: Duration = Duration::from_secs(20);

/// How long a request waits for an earlier one with its key that is still running. API Gateway
/// gives up after 30 s, and the function is stopped after 29.
const EARLIER_LIMIT: Duration = Duration::from_secs(25);

/// How often a request starts again after a race with other requests of its key, or with leases
/// that end.
const TRIES: u32 = 8;

/// Why there is no new lease. Nothing of it remains, or the reaper removes it.
#[derive(Debug, Error)]
pub enum ProvisionError {
    /// The owner's limit is reached, or the host is full.
    #[error("there is no room for the lease: {0:?}")]
    Full(Shortage),
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyConflict,
    /// An earlier request with the key has not finished yet.
    #[error("an earlier request with the idempotency key is still running")]
    StillProvisioning,
    /// The record of the lease made with the key is no longer kept.
    #[error("the lease of the idempotency key was purged")]
    Purged,
    /// Other requests kept coming first.
    #[error("other requests kept taking the idempotency key or the room")]
    Contended,
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The owner deleted it, or the reaper gave it up, before its container ran.
    #[error("the lease was ended while it was being provisioned")]
    EndedMeanwhile,
}

/// Makes a lease for `owner` from `asked`, beginning at `now`. If this `key` made one before,
/// returns that lease.
pub async fn provision(
    deps: Deps<'_>,
    policy: &Policy,
    owner: &Owner,
    asked: &request::Provision,
    key: Option<&IdempotencyKey>,
    now: Time,
) -> Result<Lease, ProvisionError> {
    let wanted = NewLease {
        policy,
        owner,
        asked,
        key: key.map(|key| (key, key.fingerprint(asked.canonical.as_str()))),
    };
    match reserve(deps, &wanted, now).await? {
        Reserved::New(lease) => carry_out(deps, lease, asked).await,
        Reserved::Earlier(lease) => Ok(lease),
    }
}

/// What a request asks for.
struct NewLease<'w> {
    policy: &'w Policy,
    owner: &'w Owner,
    asked: &'w request::Provision,
    key: Option<(&'w IdempotencyKey, Fingerprint)>,
}

/// The result of writing a lease's record.
enum Reserved {
    /// The record is written, and the container has to be made.
    New(Lease),
    /// The key made this lease before.
    Earlier(Lease),
}

impl NewLease<'_> {
    /// The lease, created at `now`.
    fn lease(&self, now: Time) -> Lease {
        let asked = self.asked;
        Lease {
            id: LeaseId::generate(),
            owner: self.owner.clone(),
            version: 1,
            image_type: asked.image.image_type.clone(),
            name: asked.name.clone(),
            labels: asked.labels.clone(),
            created_at: now,
            expires_at: now.plus(asked.duration),
            hard_deadline: now.plus(self.policy.longest_lease),
            cpu_milli: asked.cpu_milli,
            memory_mb: asked.memory_mb,
            disk_mb: Some(asked.disk_mb),
            egress: asked.egress.clone(),
            amounts_counted: true,
            webhook: asked.notify.as_ref().map(Notify::webhook),
            placement: None,
            state: State::Provisioning,
        }
    }

    /// The earlier use of the key; none without a key.
    async fn key_use(&self, deps: Deps<'_>) -> Result<Option<KeyUse>, StoreError> {
        match &self.key {
            Some((key, _)) => deps.store.key_use(self.owner, key, Time::now()).await,
            None => Ok(None),
        }
    }
}

/// Writes the lease's record, unless its key was used before.
async fn reserve(
    deps: Deps<'_>,
    wanted: &NewLease<'_>,
    now: Time,
) -> Result<Reserved, ProvisionError> {
    let until = now.plus(EARLIER_LIMIT);
    let mut made_at = now;
    for _ in 0..TRIES {
        let mut replaces = None;
        if let (Some((_, request)), Some(used)) = (&wanted.key, wanted.key_use(deps).await?) {
            match earlier(deps, wanted.owner, &used, request, until).await? {
                Some(earlier) => return Ok(Reserved::Earlier(earlier)),
                None => replaces = Some(used.lease),
            }
            // The wait may have been long.
            made_at = Time::now();
        }
        let limits = limits(deps, wanted.policy).await?;
        let lease = wanted.lease(made_at);
        let new_use = wanted.key.as_ref().map(|(key, request)| NewKeyUse {
            key,
            request,
            replaces,
        });
        let created = deps.store.create(&lease, &limits, new_use.as_ref()).await;
        let whose = match created {
            Ok(()) => return Ok(Reserved::New(lease)),
            Err(CreateError::KeyUsed) => continue,
            Err(CreateError::Full(whose)) => whose,
            Err(CreateError::Store(error)) => return Err(error.into()),
        };
        // The lease that filled the place may belong to this same key.
        let used = wanted.key_use(deps).await?.map(|used| used.lease);
        if used.is_some() && used != replaces {
            continue;
        }
        // If there is room after all, a lease has ended since.
        if let Some(shortage) = shortage(deps, &limits, whose, &lease).await? {
            return Err(ProvisionError::Full(shortage));
        }
    }
    Err(ProvisionError::Contended)
}

/// The lease that the key was used for, once its outcome is known; none if it failed before it ran,
/// so that the key is free again.
async fn earlier(
    deps: Deps<'_>,
    owner: &Owner,
    used: &KeyUse,
    request: &Fingerprint,
    until: Time,
) -> Result<Option<Lease>, ProvisionError> {
    if used.request != *request {
        return Err(ProvisionError::KeyConflict);
    }
    let mut pause = Duration::from_millis(50);
    loop {
        let earlier = deps.store.get(owner, &used.lease).await?;
        let earlier = earlier.ok_or(ProvisionError::Purged)?;
        let reason = match &earlier.state {
            State::Provisioning if Time::now().plus(pause) >= until => {
                return Err(ProvisionError::StillProvisioning);
            }
            State::Provisioning => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(500));
                continue;
            }
            State::Running => return Ok(Some(earlier)),
            State::Ending(ending) | State::Quarantined(ending) => ending.reason,
            State::Ended(receipt) => receipt.reason,
        };
        return match (reason, &earlier.placement) {
            (_, Some(_)) => Ok(Some(earlier)),
            (Reason::Failed, None) => Ok(None),
            (_, None) => Err(ProvisionError::EndedMeanwhile),
        };
    }
}

/// The limits for a new lease. The engine is asked only for those that the operator has not set.
async fn limits(deps: Deps<'_>, policy: &Policy) -> Result<Limits, HostError> {
    let said = policy.host_cpu_milli.is_some()
        && policy.host_memory_mb.is_some()
        && policy.host_containers.is_some();
    let machine = if said {
        None
    } else {
        Some(deps.host.machine().await?)
    };
    Ok(Limits::new(policy, machine))
}

/// How many leases are examined, those due first, for the time when there will be room again. Room
/// from any later lease would come too late to matter.
const LOOKED_AT: i32 = 200;

/// Why there is no room for the lease, and when there may be; none if there is room by now.
async fn shortage(
    deps: Deps<'_>,
    limits: &Limits,
    whose: Whose,
    lease: &Lease,
) -> Result<Option<Shortage>, StoreError> {
    let (counted, leases) = match whose {
        Whose::Owner => {
            mend_count(deps, &lease.owner).await;
            let counted = deps.store.counted(&lease.owner).await?;
            (counted, deps.store.active_of(&lease.owner).await)
        }
        Whose::Host => {
            let counted = deps.store.counted_on_host().await?;
            let due = deps.store.due(lease.hard_deadline, LOOKED_AT).await;
            (counted, due.map(|found| found.items))
        }
    };
    // The refusal does not depend on the retry time that goes with it.
    let leases = leases.unwrap_or_else(|error| {
        tracing::warn!(%error, "could not see when there will be room");
        Vec::new()
    });
    let asked = whose.counts(lease);
    let bounds = limits.of(whose);
    Ok(Shortage::of(
        whose,
        bounds,
        counted,
        asked,
        &leases,
        Time::now(),
    ))
}

/// Corrects a wrong count before it refuses a request: the reaper's runs do not recount an owner
/// without leases.
async fn mend_count(deps: Deps<'_>, owner: &Owner) {
    match deps.store.recount_owner(owner).await {
        Ok(Recount::Mended { was, is }) => {
            tracing::warn!(owner = owner.as_str(), ?was, ?is, "mended an owner's count");
        }
        Ok(Recount::Right | Recount::Unsettled) => {}
        Err(error) => tracing::warn!(%error, "could not recount what an owner holds"),
    }
}

/// Makes the container of a recorded lease.
async fn carry_out(
    deps: Deps<'_>,
    lease: Lease,
    asked: &request::Provision,
) -> Result<Lease, ProvisionError> {
    let placed = tokio::time::timeout(PLACE_LIMIT, place(deps, &lease, asked)).await;
    let timed_out = HostError::TimedOut {
        attempted: "making and starting a container",
    };
    let placement = match placed.unwrap_or(Err(timed_out)) {
        Ok(placement) => placement,
        Err(error) => {
            let ours = give_up(deps, &lease).await;
            if ours {
                return Err(error.into());
            }
            // Whoever ended the lease removed the container under us.
            remove_what_came_late(deps, &lease).await;
            return Err(ProvisionError::EndedMeanwhile);
        }
    };
    match deps.store.start(&lease, placement).await {
        Ok(running) => Ok(running),
        Err(ChangeError::Changed(_)) => {
            remove_what_came_late(deps, &lease).await;
            Err(ProvisionError::EndedMeanwhile)
        }
        Err(ChangeError::Store(error)) => {
            give_up(deps, &lease).await;
            Err(error.into())
        }
    }
}

/// Creates and starts the lease's container.
async fn place(
    deps: Deps<'_>,
    lease: &Lease,
    asked: &request::Provision,
) -> Result<Placement, HostError> {
    let credentials = asked.credentials();
    let (command, env) = asked.with_password(credentials.as_ref());
    let recipe = Recipe {
        image: &asked.image,
        command,
        env: &env,
        ports: &asked.ports,
    };
    // Boxed: it is large.
    let made = Box::pin(deps.host.create(lease, &recipe)).await?;
    deps.host.start(&made.container).await?;
    let started_at = Time::now();
    if asked.command != asked.image.command {
        tokio::time::sleep(COMMAND_TRIAL).await;
    }
    let ports = deps.host.started(&made.container, &asked.ports).await?;
    Ok(Placement {
        container: Some(made.container),
        started_at,
        image: made.image,
        stand_in: made.stand_in,
        ports,
        credentials,
    })
}

/// Ends a lease that could not be provisioned. Its caller already has an answer; whatever fails
/// here, the reaper does on a later tick. Returns false if another process has already ended it.
async fn give_up(deps: Deps<'_>, lease: &Lease) -> bool {
    match end::claim_and_end(deps, lease, Reason::Failed).await {
        Ok(EndOutcome::Ended(_) | EndOutcome::EngineAway(_) | EndOutcome::TakenOver) => {}
        Ok(EndOutcome::Failed { error, .. }) => {
            tracing::warn!(lease = %lease.id, %error, "left a failed lease to the reaper");
        }
        Err(EndError::Claim(ClaimError::SomebodyElse)) => return false,
        Err(error) => {
            tracing::warn!(lease = %lease.id, %error, "left a failed lease to the reaper");
        }
    }
    true
}

/// Whoever ended the lease may have looked for the container before it existed.
async fn remove_what_came_late(deps: Deps<'_>, lease: &Lease) {
    let removed = async {
        for container in deps.host.find(lease).await? {
            deps.host.remove(&container).await?;
        }
        Ok::<_, HostError>(())
    };
    if let Err(error) = removed.await {
        tracing::warn!(lease = %lease.id, %error, "left a container to the reaper");
    }
}
