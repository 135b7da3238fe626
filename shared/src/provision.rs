//! Provision: a new lease with its container.
//!
//! The record is written before the container exists, under a name that follows from the
//! lease's id. Whatever is cut off after that, the reaper finds the record and ends it.

use std::time::Duration;

use thiserror::Error;

use crate::{
    end::{self, ClaimError, EndError, EndOutcome, Tools},
    host::{HostError, Recipe},
    lease::{Lease, Placement, Reason, State},
    names::{ContainerName, LeaseId, Owner},
    request,
    settings::Policy,
    store::{ChangeError, CreateError, StoreError},
    time::Time,
};

/// A command of the caller's own may not exist in the image, which shows right after the
/// start. The catalogue's commands are tried, and nobody waits for them.
const COMMAND_TRIAL: Duration = Duration::from_millis(100);

/// How long making and starting a container may take in all. With the table's limits it
/// keeps a provision under [`PROVISION_LIMIT`](crate::lease::PROVISION_LIMIT).
const PLACE_LIMIT: Duration = Duration::from_secs(20);

/// Why there is no new lease. Nothing is left of it, or the reaper sees to what is.
#[derive(Debug, Error)]
pub enum ProvisionError {
    #[error("the owner holds {quota} leases, as many as allowed")]
    QuotaReached { quota: u32 },
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The owner deleted it, or the reaper gave it up, before its container ran.
    #[error("the lease was ended while it was being provisioned")]
    EndedMeanwhile,
}

/// Makes a lease for `owner` from `asked`, beginning at `now`.
pub async fn provision(
    tools: Tools<'_>,
    policy: &Policy,
    owner: Owner,
    asked: &request::Provision,
    now: Time,
) -> Result<Lease, ProvisionError> {
    let lease = Lease {
        id: LeaseId::generate(),
        owner,
        version: 1,
        image_type: asked.image.image_type.clone(),
        name: asked.name.clone(),
        labels: asked.labels.clone(),
        created_at: now,
        expires_at: now.plus(asked.duration),
        hard_deadline: now.plus(policy.longest_lease),
        cpu_milli: asked.cpu_milli,
        memory_mb: asked.memory_mb,
        placement: None,
        state: State::Provisioning,
    };
    let quota = policy.leases_per_owner;
    match tools.store.create(&lease, quota).await {
        Ok(()) => {}
        Err(CreateError::QuotaReached) => return Err(ProvisionError::QuotaReached { quota }),
        Err(CreateError::Store(error)) => return Err(error.into()),
    }

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
    let name = ContainerName::of_lease(&lease.id);
    let recipe = Recipe {
        image: &asked.image,
        command: asked.command.as_deref(),
        env: &asked.env,
        ports: &asked.ports,
    };
    let chosen = tools.host.create(lease, &recipe).await?;
    tools.host.start(&name).await?;
    let started_at = Time::now();
    if asked.command != asked.image.command {
        tokio::time::sleep(COMMAND_TRIAL).await;
    }
    let ports = tools.host.started(&name, &asked.ports).await?;
    Ok(Placement {
        started_at,
        image: chosen.image,
        stand_in: chosen.stand_in,
        ports,
    })
}

/// Ends a lease that could not be provisioned. The caller has his answer already; what
/// fails here, the reaper does on a later tick. Returns false where somebody else has
/// ended it already.
async fn give_up(tools: Tools<'_>, lease: &Lease) -> bool {
    match end::claim_and_end(tools, lease, Reason::Failed).await {
        Ok(EndOutcome::Ended(_) | EndOutcome::TakenOver) => {}
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
    if let Err(error) = tools.host.remove(&ContainerName::of_lease(&lease.id)).await {
        tracing::warn!(lease = %lease.id, %error, "left a container to the reaper");
    }
}
