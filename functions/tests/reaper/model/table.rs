//! The table takes what the transitions have, and only from who has read it last.

use containerlease_domain::{
    capacity::Limits,
    lease::{self, ATTEMPTS_BEFORE_QUARANTINE, Lease, Reason, StateName},
    names::Owner,
    time::Time,
};
use containerlease_service::store::ChangeError;
use containerlease_testkit::Table;

use super::{Spot, There, gone, placement, put};
use crate::{MINUTE, lease};

#[tokio::test]
async fn the_table_takes_what_the_transitions_have_and_from_who_has_read_it_last() {
    let table = Table::in_memory().await;
    let store = table.store();
    for state in StateName::ALL {
        for event in [
            lease::LeaseEvent::Started,
            lease::LeaseEvent::Renewed,
            lease::LeaseEvent::Moved,
            lease::LeaseEvent::Claimed,
            lease::LeaseEvent::Held,
            lease::LeaseEvent::Released,
            lease::LeaseEvent::AttemptFailed,
            lease::LeaseEvent::Postponed,
            lease::LeaseEvent::GivenUp,
            lease::LeaseEvent::Removed,
        ] {
            for stale in [false, true] {
                let what = format!("{state:?}, {event:?}, stale: {stale}");
                let spot = Spot {
                    state: (StateName::ALL.iter().position(|it| *it == state)).expect("it is one"),
                    attempts: match event {
                        lease::LeaseEvent::GivenUp => ATTEMPTS_BEFORE_QUARANTINE,
                        _ => 1,
                    },
                    container: There::Nothing,
                    due: false,
                };
                let lease = Lease {
                    owner: Owner::try_from(what.clone()).expect("it is short"),
                    ..spot.lease()
                };
                put(&store, &lease).await;
                let read = store.get(&lease.owner, &lease.id).await;
                let lying = read.expect("the table can be read").expect("it is there");
                let read = Lease {
                    version: lying.version - u64::from(stale),
                    ..lying.clone()
                };
                let now = Time::now();
                let written = match event {
                    lease::LeaseEvent::Started => store.start(&read, placement()).await,
                    lease::LeaseEvent::Renewed => {
                        store.renew(&read, read.expires_at.plus(MINUTE), now).await
                    }
                    lease::LeaseEvent::Moved => store.move_ports(&read, vec![]).await,
                    lease::LeaseEvent::Claimed => store.claim(&read, Reason::Deleted, now).await,
                    lease::LeaseEvent::Held => store.hold(&read, None, now).await,
                    lease::LeaseEvent::Released => store.release(&read, now).await,
                    lease::LeaseEvent::Postponed => store.postpone(&read, now).await,
                    lease::LeaseEvent::AttemptFailed | lease::LeaseEvent::GivenUp => {
                        store.attempt_failed(&read, now, 0.5).await
                    }
                    lease::LeaseEvent::Removed => store.end(&read, &gone(), MINUTE).await,
                };
                let after = store.get(&lease.owner, &lease.id).await;
                let after = after.expect("the table can be read").expect("it is there");
                // In quarantine failed attempts lead to the same spot, whatever their number.
                let event = match (state, event) {
                    (StateName::Quarantined, lease::LeaseEvent::GivenUp) => {
                        lease::LeaseEvent::AttemptFailed
                    }
                    _ => event,
                };
                if let Some(to) = state.after(event).filter(|_| !stale) {
                    assert_eq!(after.state_name(), to, "{what}");
                    assert_eq!(after.version, lying.version + 1, "{what}");
                    assert_eq!(written.expect("it was written"), after, "{what}");
                } else {
                    let refused = matches!(written, Err(ChangeError::Changed(_)));
                    assert!(refused, "{what}: {written:?}");
                    assert_eq!(after, lying, "{what}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_table_itself_refuses_a_renewal_too_late_and_an_end_too_early() {
    let table = Table::in_memory().await;
    let store = table.store();
    for (from_the_end, over) in [(-1, false), (0, true), (1, true)] {
        let lease = Lease {
            owner: Owner::try_from(format!("at {from_the_end}")).expect("it is short"),
            ..lease(Owner::local())
        };
        let created = store.create(&lease, &Limits::default(), None).await;
        created.expect("it can be written");
        let now = Time::from_millis(lease.expires_at.as_millis() + from_the_end);
        let later = lease.expires_at.plus(MINUTE);
        if over {
            let renewed = store.renew(&lease, later, now).await;
            let refused = matches!(renewed, Err(ChangeError::Changed(_)));
            assert!(
                refused,
                "renewed {from_the_end} ms from its end: {renewed:?}"
            );
            let claimed = store.claim(&lease, Reason::Expired, now).await;
            claimed.expect("one whose time is over can be ended");
        } else {
            let claimed = store.claim(&lease, Reason::Expired, now).await;
            let refused = matches!(claimed, Err(ChangeError::Changed(_)));
            assert!(refused, "ended {from_the_end} ms from its end: {claimed:?}");
            let renewed = store.renew(&lease, later, now).await;
            renewed.expect("one that lives can be renewed");
        }
    }
}
