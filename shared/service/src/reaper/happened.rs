//! Handles the engine's events as they happen, on a machine that listens to them.

use std::time::Duration;

use containerlease_domain::{
    lease::{Lease, PROVISION_LIMIT, Reason, State},
    time::Time,
};
use tokio::sync::Semaphore;

use super::{Reaper, Report, ends::Done, moved::note_ports};
use crate::{
    docker::{Happened, HostError, HostEvent},
    leasing::end::{Claim, Deps},
    wait::acquire_permit,
};

/// Delay before looking at a container whose program has ended: a restart by hand stops and starts
/// the container.
const RESTART_GRACE: Duration = Duration::from_millis(750);

/// Handles an event of a container at once instead of at the next run. Our own actions are recorded
/// before they happen and need nothing more; failures here are left to the next run. A place in
/// `places` is held only while reading or acting.
pub async fn happened(reaper: &Reaper, event: &HostEvent, places: &Semaphore) -> Report {
    let mut report = Report::default();
    if event.happened == Happened::Died && !is_to_be_looked_at(reaper, event, places).await {
        return report;
    }
    let _place = acquire_permit(places).await;
    let Some(lease) = lease_of(reaper, event).await else {
        return report;
    };
    if !is_about(event, &lease) {
        return report;
    }
    let reason = match event.happened {
        Happened::Started => {
            read_ports(reaper, &lease).await;
            None
        }
        Happened::Removed => Some(Reason::Lost),
        Happened::Died => match reaper.host.stopped(&event.container).await {
            Ok(None) => None,
            Ok(Some(stopped)) => Some(Reason::of_exit(stopped.exit_code)),
            Err(HostError::NotFound { .. }) => Some(Reason::Lost),
            Err(error) => {
                tracing::warn!(lease = %lease.id, %error, "left an event to the next run");
                None
            }
        },
    };
    if let Some(reason) = reason {
        report.due = 1;
        report.count(end(reaper, &lease, reason).await);
    }
    report
}

/// Waits out the grace of a program that has ended. If it ended before its lease was recorded as
/// running, waits for that first. Returns whether there is anything to do. Our own ends, the most
/// frequent ones, need no grace.
async fn is_to_be_looked_at(reaper: &Reaper, event: &HostEvent, places: &Semaphore) -> bool {
    let until = Time::now().plus(PROVISION_LIMIT);
    while Time::now() < until {
        let place = acquire_permit(places).await;
        let lease = lease_of(reaper, event).await;
        drop(place);
        let Some(lease) = lease else { return false };
        let runs = is_about(event, &lease);
        if !runs && lease.state != State::Provisioning {
            return false;
        }
        tokio::time::sleep(RESTART_GRACE).await;
        if runs {
            return true;
        }
    }
    false
}

/// The lease named in an event.
async fn lease_of(reaper: &Reaper, event: &HostEvent) -> Option<Lease> {
    match reaper.store.get(&event.owner, &event.lease).await {
        Ok(lease) => lease,
        Err(error) => {
            tracing::warn!(lease = %event.lease, %error, "left an event to the next run");
            None
        }
    }
}

/// Whether an event is about the lease's container. A copy of the container has the same labels.
fn is_about(event: &HostEvent, lease: &Lease) -> bool {
    let on_record = lease.placement.as_ref();
    let on_record = on_record.and_then(|placement| placement.container.as_ref());
    lease.state == State::Running
        && !lease.is_expired(Time::now())
        && on_record.is_some_and(|container| *container == event.container)
}

async fn read_ports(reaper: &Reaper, lease: &Lease) {
    let Some(placement) = &lease.placement else {
        return;
    };
    let asked: Vec<_> = placement.ports.iter().map(|it| it.port.clone()).collect();
    match reaper.host.started(&lease.container(), &asked).await {
        Ok(ports) if ports != placement.ports && ports.len() == asked.len() => {
            note_ports(&reaper.store, lease, ports).await;
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(lease = %lease.id, %error, "left new ports to the next run"),
    }
}

async fn end(reaper: &Reaper, lease: &Lease, reason: Reason) -> Done {
    let deps = Deps {
        store: &reaper.store,
        host: &reaper.host,
        catalogue: &reaper.catalogue,
        history: reaper.history,
    };
    match Claim::of(deps, lease, reason).await {
        Ok(claim) => Done::of(lease.id, claim.carry_out().await),
        Err(error) => Done::unclaimed(lease.id, error),
    }
}
