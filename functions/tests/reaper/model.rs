//! A model of a lease and what can happen to it.
//!
//! A [`Spot`] has everything that decides what can happen to a lease next.
//!
//! - [`walk`]: a walk through every spot and every event finds no dead end.
//! - [`table`]: the table takes the changes that the transitions have, and no others.

mod table;
mod walk;

use std::time::Duration;

use containerlease_domain::{
    capacity::Limits,
    lease::{ATTEMPTS_BEFORE_QUARANTINE, Gone, Lease, Placement, Reason, State, StateName},
    names::Owner,
    time::Time,
};
use containerlease_service::store::Store;
use containerlease_testkit::engine::{Container, Status};

use crate::{MINUTE, lease};

/// The most attempts that the model counts; more make no difference.
const MOST_ATTEMPTS: u32 = ATTEMPTS_BEFORE_QUARANTINE + 1;

/// Everything that decides what can happen to a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Spot {
    /// The state as a number, in the order of [`StateName::ALL`].
    state: usize,
    attempts: u32,
    container: There,
    due: bool,
}

/// The state of the lease's container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum There {
    Nothing,
    Running,
    Exited,
}

impl Spot {
    fn state(self) -> StateName {
        StateName::ALL[self.state]
    }

    fn of(lease: &Lease, container: Option<&Container>) -> Self {
        let state = StateName::ALL.iter();
        let mut numbered = state.enumerate();
        let found = numbered.find(|(_, name)| **name == lease.state_name());
        let (state, _) = found.expect("all states are among all states");
        let attempts = match &lease.state {
            State::Ending(ending) | State::Quarantined(ending) => ending.attempts,
            _ => 0,
        };
        Self {
            state,
            attempts: attempts.min(MOST_ATTEMPTS),
            container: match container.map(|container| container.status) {
                None | Some(Status::Gone) => There::Nothing,
                Some(Status::Running) => There::Running,
                Some(_) => There::Exited,
            },
            due: lease.due_at().is_some_and(|due| due <= Time::now()),
        }
    }

    /// A lease in this spot, made by the lease's own methods.
    fn lease(self) -> Lease {
        let now = Time::now();
        let running = Lease {
            version: 20,
            ..lease(Owner::local())
        };
        let provisioning = Lease {
            state: State::Provisioning,
            ..running.clone()
        };
        let made = match self.state() {
            StateName::Provisioning => provisioning,
            StateName::Running => provisioning.started(placement()),
            StateName::Ending => claimed(&running, self.attempts, now),
            StateName::Quarantined => {
                // As after the claim for another attempt, or after that attempt's failure.
                let given_up = claimed(&running, ATTEMPTS_BEFORE_QUARANTINE, now);
                let given_up = given_up.attempt_failed(now, 1.0).expect("it is ending");
                if self.attempts > ATTEMPTS_BEFORE_QUARANTINE {
                    given_up
                        .claimed(Reason::Deleted, now)
                        .expect("it is ending")
                } else {
                    given_up
                }
            }
            StateName::Ended => {
                let ending = claimed(&running, 1, now);
                ending.ended(&gone()).expect("it is ending")
            }
        };
        match made.due_at() {
            Some(due_at) if self.due => earlier(made, now.until(due_at)),
            _ => made,
        }
    }
}

/// Writes the lease, and adds it to its owner's count.
async fn put(store: &Store, lease: &Lease) {
    let counted = Lease {
        state: State::Running,
        amounts_counted: true,
        ..lease.clone()
    };
    if lease.state_name() == StateName::Ended {
        // Only an end takes it off the count again.
        let running = Lease {
            version: counted.version - 2,
            ..counted
        };
        let created = store.create(&running, &Limits::default(), None).await;
        created.expect("it can be written");
        let claimed = store.claim(&running, Reason::Deleted, Time::now()).await;
        let claimed = claimed.expect("it can be claimed");
        let ended = store.end(&claimed, &gone(), MINUTE).await;
        ended.expect("it can be ended");
    } else {
        let created = store.create(lease, &Limits::default(), None).await;
        created.expect("it can be written");
    }
}

/// The lease after that many attempts, the last of them claimed and not finished.
fn claimed(lease: &Lease, attempts: u32, now: Time) -> Lease {
    let mut claimed = lease.claimed(Reason::Deleted, now).expect("it is alive");
    for _ in 1..attempts {
        let failed = claimed.attempt_failed(now, 1.0).expect("it is ending");
        claimed = failed.claimed(Reason::Deleted, now).expect("it is ending");
    }
    claimed
}

/// The lease as it is after that time has passed.
fn earlier(mut lease: Lease, by: Duration) -> Lease {
    for time in [
        &mut lease.created_at,
        &mut lease.expires_at,
        &mut lease.hard_deadline,
    ] {
        *time = time.minus(by);
    }
    if let State::Ending(ending) | State::Quarantined(ending) = &mut lease.state {
        ending.requested_at = ending.requested_at.minus(by);
        ending.next_attempt_at = ending.next_attempt_at.minus(by);
    }
    lease
}

fn placement() -> Placement {
    Placement {
        container: None,
        started_at: Time::now(),
        image: "alpine:3".to_owned(),
        stand_in: false,
        ports: vec![],
        credentials: None,
    }
}

fn gone() -> Gone {
    Gone::at(Time::now())
}
