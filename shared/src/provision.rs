//! Provision: a new lease with its container.
//!
//! The record is written before the container exists, under a name that follows from the
//! lease's id. Whatever is cut off after that, the reaper finds the record and ends it.
//!
//! A caller may give the request a name of his own, an idempotency key. What it was used for
//! is written with the record, both or neither, so of all requests under one key one makes a
//! lease, and the others answer with it. A lease that never ran since it failed has used
//! nothing up: the next request under its key makes another.

use std::time::Duration;

use thiserror::Error;

use crate::{
    capacity::{Limits, Shortage, Whose},
    end::{self, ClaimError, EndError, EndOutcome, Tools},
    host::{HostError, Recipe},
    idempotency::{Fingerprint, IdempotencyKey},
    lease::{Lease, Placement, Reason, State},
    names::{LeaseId, Owner},
    request::{self, Notify},
    settings::Policy,
    store::{ChangeError, CreateError, KeyUse, NewKeyUse, Recount, StoreError},
    time::Time,
};

/// A command of the caller's own may not exist in the image, which shows right after the
/// start. The catalogue's commands are tried, and nobody waits for them.
const COMMAND_TRIAL: Duration = Duration::from_millis(100);

/// How long making and starting a container may take in all. With the table's limits it
/// keeps a provision under [`PROVISION_LIMIT`](crate::lease::PROVISION_LIMIT).
const PLACE_LIMIT: Duration = Duration::from_secs(20);

/// How long a request waits for an earlier one under its key that is still at it. API Gateway
/// gives up after 30 s, and the function is cut off after 29.
const EARLIER_LIMIT: Duration = Duration::from_secs(25);

/// How often a request looks again when others under its key, or leases that end, were
/// quicker than it.
const TRIES: u32 = 8;

/// Why there is no new lease. Nothing is left of it, or the reaper sees to what is.
#[derive(Debug, Error)]
pub enum ProvisionError {
    /// Its owner may not hold more, or the host has no more.
    #[error("there is no room for the lease: {0:?}")]
    Full(Shortage),
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyConflict,
    /// An earlier request under the key has not come to an end yet.
    #[error("an earlier request under the idempotency key is still at it")]
    StillProvisioning,
    /// The record of the lease that was made under the key is not kept any more.
    #[error("the lease of the idempotency key was purged")]
    Purged,
    /// Others kept being quicker.
    #[error("others kept using the idempotency key or the room")]
    Contended,
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The owner deleted it, or the reaper gave it up, before its container ran.
    #[error("the lease was ended while it was being provisioned")]
    EndedMeanwhile,
}

/// Makes a lease for `owner` from `asked`, beginning at `now`. Where that was done under this
/// `key` before, it is the lease that was made then.
pub async fn provision(
    tools: Tools<'_>,
    policy: &Policy,
    owner: &Owner,
    asked: &request::Provision,
    key: Option<&IdempotencyKey>,
    now: Time,
) -> Result<Lease, ProvisionError> {
    let wanted = Wanted {
        policy,
        owner,
        asked,
        key: key.map(|key| (key, key.fingerprint(asked.canonical.as_str()))),
    };
    match reserve(tools, &wanted, now).await? {
        Reserved::New(lease) => carry_out(tools, lease, asked).await,
        Reserved::Earlier(lease) => Ok(lease),
    }
}

/// What a request wants.
struct Wanted<'w> {
    policy: &'w Policy,
    owner: &'w Owner,
    asked: &'w request::Provision,
    key: Option<(&'w IdempotencyKey, Fingerprint)>,
}

/// What came of writing a lease down.
enum Reserved {
    /// It is on record, and its container is to be made.
    New(Lease),
    /// This one was made under the key before.
    Earlier(Lease),
}

impl Wanted<'_> {
    /// The lease, made at `now`.
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

    /// What the key was used for; none where there is no key.
    async fn key_use(&self, tools: Tools<'_>) -> Result<Option<KeyUse>, StoreError> {
        match &self.key {
            Some((key, _)) => tools.store.key_use(self.owner, key, Time::now()).await,
            None => Ok(None),
        }
    }
}

/// Writes the lease down, unless its key was used before.
async fn reserve(
    tools: Tools<'_>,
    wanted: &Wanted<'_>,
    now: Time,
) -> Result<Reserved, ProvisionError> {
    let until = now.plus(EARLIER_LIMIT);
    let mut made_at = now;
    for _ in 0..TRIES {
        let mut replaces = None;
        if let (Some((_, request)), Some(used)) = (&wanted.key, wanted.key_use(tools).await?) {
            match earlier(tools, wanted.owner, &used, request, until).await? {
                Some(earlier) => return Ok(Reserved::Earlier(earlier)),
                None => replaces = Some(used.lease),
            }
            // It may have waited for long.
            made_at = Time::now();
        }
        let limits = limits(tools, wanted.policy).await?;
        let lease = wanted.lease(made_at);
        let new_use = wanted.key.as_ref().map(|(key, request)| NewKeyUse {
            key,
            request,
            replaces,
        });
        let created = tools.store.create(&lease, &limits, new_use.as_ref()).await;
        let whose = match created {
            Ok(()) => return Ok(Reserved::New(lease)),
            Err(CreateError::KeyUsed) => continue,
            Err(CreateError::Full(whose)) => whose,
            Err(CreateError::Store(error)) => return Err(error.into()),
        };
        // What has filled the place may be the lease of this very key.
        let used = wanted.key_use(tools).await?.map(|used| used.lease);
        if used.is_some() && used != replaces {
            continue;
        }
        // Where there is room after all, something has ended since.
        if let Some(shortage) = shortage(tools, &limits, whose, &lease).await? {
            return Err(ProvisionError::Full(shortage));
        }
    }
    Err(ProvisionError::Contended)
}

/// The lease that the key was used for, once it is known what came of it; none where it
/// failed before it ran, and the key is free again.
async fn earlier(
    tools: Tools<'_>,
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
        let earlier = tools.store.get(owner, &used.lease).await?;
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

/// The limits that hold for a new lease. The engine is asked only for what the operator has
/// not said.
async fn limits(tools: Tools<'_>, policy: &Policy) -> Result<Limits, HostError> {
    let said = policy.host_cpu_milli.is_some()
        && policy.host_memory_mb.is_some()
        && policy.host_containers.is_some();
    let machine = if said {
        None
    } else {
        Some(tools.host.machine().await?)
    };
    Ok(Limits::new(policy, machine))
}

/// How many leases, the first due first, are looked at for the time at which there is room
/// again. What the host holds besides would not be free soon.
const LOOKED_AT: i32 = 200;

/// Why there is no room for the lease, and when there may be; none where there is by now.
async fn shortage(
    tools: Tools<'_>,
    limits: &Limits,
    whose: Whose,
    lease: &Lease,
) -> Result<Option<Shortage>, StoreError> {
    let (counted, leases) = match whose {
        Whose::Owner => {
            mend_count(tools, &lease.owner).await;
            let counted = tools.store.counted(&lease.owner).await?;
            (counted, tools.store.active_of(&lease.owner).await)
        }
        Whose::Host => {
            let counted = tools.store.counted_on_host().await?;
            let due = tools.store.due(lease.hard_deadline, LOOKED_AT).await;
            (counted, due.map(|found| found.items))
        }
    };
    // The refusal does not hang on the time that goes with it.
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

/// Nobody is refused by a count that is wrong: where the owner holds no lease at all, no run of
/// the reaper would come upon it.
async fn mend_count(tools: Tools<'_>, owner: &Owner) {
    match tools.store.recount_owner(owner).await {
        Ok(Recount::Mended { was, is }) => {
            tracing::warn!(owner = owner.as_str(), ?was, ?is, "mended an owner's count");
        }
        Ok(Recount::Right | Recount::Unsettled) => {}
        Err(error) => tracing::warn!(%error, "could not count anew what an owner holds"),
    }
}

/// Makes the container of a lease that is on record.
async fn carry_out(
    tools: Tools<'_>,
    lease: Lease,
    asked: &request::Provision,
) -> Result<Lease, ProvisionError> {
    let placed = tokio::time::timeout(PLACE_LIMIT, place(tools, &lease, asked)).await;
    let timed_out = HostError::TimedOut {
        attempted: "making and starting a container",
    };
    let placement = match placed.unwrap_or(Err(timed_out)) {
        Ok(placement) => placement,
        Err(error) => {
            let ours = give_up(tools, &lease).await;
            if ours {
                return Err(error.into());
            }
            // Whoever ended the lease took the container from under our hands.
            remove_what_came_late(tools, &lease).await;
            return Err(ProvisionError::EndedMeanwhile);
        }
    };
    match tools.store.start(&lease, placement).await {
        Ok(running) => Ok(running),
        Err(ChangeError::Changed(_)) => {
            remove_what_came_late(tools, &lease).await;
            Err(ProvisionError::EndedMeanwhile)
        }
        Err(ChangeError::Store(error)) => {
            give_up(tools, &lease).await;
            Err(error.into())
        }
    }
}

/// Makes and starts the lease's container.
async fn place(
    tools: Tools<'_>,
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
    let made = Box::pin(tools.host.create(lease, &recipe)).await?;
    tools.host.start(&made.container).await?;
    let started_at = Time::now();
    if asked.command != asked.image.command {
        tokio::time::sleep(COMMAND_TRIAL).await;
    }
    let ports = tools.host.started(&made.container, &asked.ports).await?;
    Ok(Placement {
        container: Some(made.container),
        started_at,
        image: made.image,
        stand_in: made.stand_in,
        ports,
        credentials,
    })
}

/// Ends a lease that could not be provisioned. The caller has his answer already; what
/// fails here, the reaper does on a later tick. Returns false where somebody else has
/// ended it already.
async fn give_up(tools: Tools<'_>, lease: &Lease) -> bool {
    match end::claim_and_end(tools, lease, Reason::Failed).await {
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

/// Whoever ended the lease may have looked for the container before it was there.
async fn remove_what_came_late(tools: Tools<'_>, lease: &Lease) {
    let removed = async {
        for container in tools.host.find(lease).await? {
            tools.host.remove(&container).await?;
        }
        Ok::<_, HostError>(())
    };
    if let Err(error) = removed.await {
        tracing::warn!(lease = %lease.id, %error, "left a container to the reaper");
    }
}
