//! What each error of the service is to a caller.

use std::time::Duration;

use containerlease_domain::{
    capacity::{Resource, Shortage, Whose},
    lease::RenewRefused,
    request::Refused,
    time::Time,
};
use containerlease_service::{
    docker::HostError,
    leasing::{
        delete::DeleteError, inside::InsideError, log_page::LogPageError,
        provision::ProvisionError, renew::RenewError,
    },
    store::{StoreError, StoreErrorKind},
};
use serde_json::json;

use super::{Kind, Problem};

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotAnObject(sentence) => {
                Self::new(Kind::InvalidBody, "The body cannot be read", sentence)
            }
            Refused::Fields(fields) => {
                Self::of_fields(Kind::InvalidRequest, "Some fields are wrong", &fields)
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let problem = match error.kind {
            StoreErrorKind::Busy => Self::store_busy(),
            StoreErrorKind::Unwritable | StoreErrorKind::NoRoom(_) => Self::storage_full(),
            // A retry does not help.
            StoreErrorKind::Corrupt => Self::internal(),
            _ => Self::store_unavailable(),
        };
        problem.caused_by(format_args!("{error} ({:?})", error.kind))
    }
}

impl From<HostError> for Problem {
    fn from(error: HostError) -> Self {
        let problem = match &error {
            HostError::ImageMissing { image } => Self::new(
                Kind::ImageMissing,
                "The image is not on the Docker host",
                format!("Nothing was leased; the operator must pull {image} there first."),
            ),
            HostError::RuntimeMissing { .. } => Self::new(
                Kind::RuntimeMissing,
                "The Docker host does not have the runtime",
                "Nothing was leased; the operator must install the runtime that this image type \
                 needs. GET /readyz tells the operator more.",
            ),
            HostError::EgressStaysOpen => Self::new(
                Kind::EgressStaysOpen,
                "The Docker host cannot restrict egress",
                "Nothing was leased; leave out egress, or have the operator set up the host's \
                 firewall.",
            ),
            HostError::EgressListMissing { list } => Self::new(
                Kind::EgressStaysOpen,
                "The Docker host's firewall does not have this list",
                format!(
                    "Nothing was leased; choose another egress than {list}, or have the operator \
                     add the list to the host's firewall."
                ),
            ),
            // The engine's message is about the caller's own command, but may name paths of
            // the host. The caller learns only the kind of fault.
            HostError::CannotRun { .. } => Self::new(
                Kind::CannotRun,
                "The container could not be started as asked",
                "Nothing was leased; check that the command exists in the image, and the \
                 memory and CPU asked for.",
            ),
            _ => Self::engine_unavailable(),
        };
        problem.caused_by(error)
    }
}

impl From<ProvisionError> for Problem {
    fn from(error: ProvisionError) -> Self {
        match error {
            ProvisionError::Full(shortage) => Self::full(&shortage, Time::now()),
            ProvisionError::KeyConflict => Self::new(
                Kind::IdempotencyConflict,
                "This idempotency key was used for another request",
                "Send each new request with a new Idempotency-Key; this one belongs to its \
                 first request for a day.",
            ),
            ProvisionError::StillProvisioning => Self::new(
                Kind::LeaseNotRunning,
                "The lease's container does not run yet",
                "An earlier request with this Idempotency-Key is still in progress; send this \
                 one again.",
            )
            .retry_after(5),
            ProvisionError::Purged => Self::lease_not_found(),
            ProvisionError::Contended => Self::contended(),
            ProvisionError::Host(error) => error.into(),
            ProvisionError::Store(error) => error.into(),
            ProvisionError::EndedMeanwhile => Self::new(
                Kind::LeaseOver,
                "The lease was ended while it was being provisioned",
                "Lease again.",
            ),
        }
    }
}

impl From<RenewError> for Problem {
    fn from(error: RenewError) -> Self {
        match error {
            RenewError::NotFound => Self::lease_not_found(),
            RenewError::Refused(RenewRefused::Over) => Self::new(
                Kind::LeaseOver,
                "The lease is over",
                "It cannot be renewed any more; lease again.",
            ),
            RenewError::Refused(RenewRefused::NotYetRunning) => Self::not_yet_running(),
            RenewError::Contended => Self::contended(),
            RenewError::Store(error) => error.into(),
        }
    }
}

impl From<DeleteError> for Problem {
    fn from(error: DeleteError) -> Self {
        match error {
            DeleteError::NotFound => Self::lease_not_found(),
            DeleteError::Contended => Self::contended(),
            DeleteError::Store(error) => error.into(),
        }
    }
}

impl From<InsideError> for Problem {
    fn from(error: InsideError) -> Self {
        match error {
            InsideError::NotFound => Self::lease_not_found(),
            InsideError::NotYetRunning => Self::not_yet_running(),
            InsideError::Over => Self::new(
                Kind::LeaseOver,
                "The lease is over",
                "Its container is gone or being removed; lease again.",
            ),
            InsideError::Stopped => Self::new(
                Kind::LeaseOver,
                "The lease's program has ended",
                "The lease ends with it; GET /api/containers/{id}/logs has its last lines.",
            ),
            InsideError::Paused => Self::new(
                Kind::ContainerPaused,
                "The container is paused",
                "Nothing can be run in it until the operator has unpaused it.",
            ),
            // As with a provision, the runtime's message may name paths of the host.
            InsideError::CannotRun(message) => Self::new(
                Kind::CannotRun,
                "The command could not be run as asked",
                "Check that the program exists in the image and may be executed, and that \
                     the container is not at its limit of processes.",
            )
            .caused_by(message),
            InsideError::Store(error) => error.into(),
            InsideError::Host(error) => Self::cannot_reach_inside(error),
        }
    }
}

impl From<LogPageError> for Problem {
    fn from(error: LogPageError) -> Self {
        match error {
            LogPageError::NotFound => Self::lease_not_found(),
            LogPageError::Store(error) => error.into(),
            LogPageError::Host(error) => Self::cannot_reach_inside(error),
        }
    }
}

impl Problem {
    /// There is no room for a lease, in its owner's quota or on the host.
    fn full(shortage: &Shortage, now: Time) -> Self {
        let short: Vec<_> = shortage
            .full
            .iter()
            .map(|it| amount(shortage, *it))
            .collect();
        let short = short.join(" and ");
        let advice = if shortage.never {
            "this request exceeds that: ask for less."
        } else {
            "delete a lease, ask for less, or wait until one ends."
        };
        let problem = match shortage.whose {
            Whose::Owner => Self::new(
                Kind::QuotaReached,
                "Your quota leaves no room for this lease",
                format!("At most {short} at once; {advice}"),
            ),
            Whose::Host => Self::new(
                Kind::HostFull,
                "The Docker host has no room for this lease",
                format!("It has {short} for all leases together; {advice}"),
            ),
        };
        let wait = match shortage.frees_up_at {
            // Two seconds more, since the room is free only once the container is gone.
            Some(end) => Some(now.until(end) + Duration::from_secs(2)),
            None if shortage.never => None,
            None => Some(Duration::from_secs(15)),
        };
        Self {
            retry_after: wait,
            members: vec![
                ("full", json!(shortage.full)),
                ("freesUpAt", json!(shortage.frees_up_at)),
            ],
            ..problem
        }
    }

    /// The engine could not carry out a request other than a provision.
    fn cannot_reach_inside(error: HostError) -> Self {
        let problem = Self {
            detail: "Try again in a moment; GET /readyz tells the operator more.".to_owned(),
            ..Self::engine_unavailable()
        };
        problem.caused_by(error)
    }

    fn not_yet_running() -> Self {
        Self::new(
            Kind::LeaseNotRunning,
            "The lease's container does not run yet",
            "Try again when its state is running.",
        )
        .retry_after(2)
    }

    fn contended() -> Self {
        Self::new(
            Kind::LeaseContended,
            "Others were changing the lease at the same moment",
            "Try again.",
        )
        .retry_after(1)
    }

    fn store_unavailable() -> Self {
        Self::new(
            Kind::StoreUnavailable,
            "The leases cannot be read or written just now",
            "Try again in a moment; existing leases stay, and end on time.",
        )
        .retry_after(5)
    }

    fn storage_full() -> Self {
        Self::new(
            Kind::StorageFull,
            "The server's disk cannot be written",
            "Nothing was changed; try again once the operator has made room. Existing leases \
             end on time.",
        )
        .retry_after(30)
    }

    fn store_busy() -> Self {
        Self {
            detail: "The table is busy; try again in a moment. Existing leases stay, and end on \
                     time."
                .to_owned(),
            ..Self::store_unavailable()
        }
        .retry_after(2)
    }

    fn engine_unavailable() -> Self {
        Self::new(
            Kind::EngineUnavailable,
            "The Docker engine cannot be used just now",
            "Nothing was leased; try again in a moment. GET /readyz tells the operator more.",
        )
        .retry_after(10)
    }
}

/// The limit of a resource, in words.
fn amount(shortage: &Shortage, resource: Resource) -> String {
    let bound = shortage.bounds.of(resource).unwrap_or_default();
    match resource {
        Resource::Leases if shortage.whose == Whose::Host => {
            format!("places for {bound} containers")
        }
        Resource::Leases if bound == 1 => "1 lease".to_owned(),
        Resource::Leases => format!("{bound} leases"),
        Resource::CpuMilli => format!("{bound} thousandths of a CPU"),
        Resource::MemoryMb => format!("{bound} MiB of memory"),
        Resource::DiskMb => format!("{bound} MiB of disk"),
    }
}
