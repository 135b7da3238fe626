//! What must hold of the table, the engine and the receiver, whatever a test has done.

use containerlease_domain::{
    capacity::{Amounts, Whose},
    container::{LEASE_LABEL, OWNER_LABEL},
    lease::{Lease, StateName},
    names::Owner,
    notification::{DeliveryState, Event, Notification},
};

use super::TestApp;
use crate::receiver::Receiver;

impl TestApp {
    /// Asserts that every container has a record. The record is written before the container
    /// is made and stays; without it only the search for orphans would find the container.
    /// `what` goes into the message.
    ///
    /// # Panics
    ///
    /// If a container has no record.
    pub async fn assert_all_recorded(&self, what: &str) {
        let store = self.table.store();
        for container in self.place.containers().await {
            let labels = container.labels.unwrap_or_default();
            let owner = labels.get(OWNER_LABEL).cloned().unwrap_or_default();
            let owner = Owner::try_from(owner).expect("the label names an owner");
            let id = labels.get(LEASE_LABEL).and_then(|id| id.parse().ok());
            let id = id.expect("the label names a lease");
            let lease = store.get(&owner, &id).await;
            let lease = lease.expect("the table can be read");
            assert!(
                lease.is_some(),
                "{what}: the container of {id} has no record"
            );
        }
    }

    /// Asserts that nothing has leaked and nothing is stuck. Every container has an active
    /// lease, every active lease runs and has a container, the reaper looks at it at its end
    /// at the latest, and the counts of the owner and the host match the active leases.
    /// `what` goes into the message.
    ///
    /// # Panics
    ///
    /// If something has leaked or is stuck.
    pub async fn assert_nothing_leaked(&self, owner: &Owner, what: &str) {
        let store = self.table.store();
        let leases = store.active_of(owner).await.expect("the table can be read");
        let mut leased: Vec<_> = leases
            .iter()
            .map(|lease| format!("/containerlease-{}", lease.id))
            .collect();
        leased.sort();
        let mut there: Vec<_> = self
            .place
            .containers()
            .await
            .into_iter()
            .flat_map(|container| container.names.unwrap_or_default())
            .collect();
        there.sort();
        assert_eq!(there, leased, "{what}: containers and active leases differ");
        assert!(
            leases
                .iter()
                .all(|lease| lease.state_name() == StateName::Running),
            "{what}: {leases:?} are not running"
        );
        for lease in &leases {
            let due_at = lease.due_at();
            let in_bounds = due_at.is_some_and(|due| due <= lease.hard_deadline);
            assert!(in_bounds, "{what}: nothing moves {lease:?} on");
        }
        let mut ids: Vec<_> = leases.iter().map(|lease| lease.id).collect();
        let due = store.active().await.expect("the table can be read").items;
        let of_owner = due.iter().filter(|lease| lease.owner == *owner);
        let mut due: Vec<_> = of_owner.map(|lease| lease.id).collect();
        ids.sort();
        due.sort();
        assert_eq!(
            due, ids,
            "{what}: the reaper does not see what its owner does"
        );
        self.assert_counted(owner, what).await;
    }

    /// Asserts that the requested notifications were sent for every end and are planned for
    /// every active lease, and that `receiver` got one for each end. `what` goes into the
    /// message.
    ///
    /// # Panics
    ///
    /// If one is missing.
    pub async fn assert_told(&self, owner: &Owner, receiver: &Receiver, what: &str) {
        let store = self.table.store();
        let leases = store.page_of(owner, None, 100, |_| true).await;
        let heard: Vec<_> = receiver.messages();
        for lease in leases.expect("the table can be read").leases {
            let told = store.notifications_of(&lease.id).await;
            let told = told.expect("the table can be read");
            let what = format!("{what}: {:?} of {lease:?}", &told);
            let of = |event| told.iter().find(|told| told.event == event);
            if lease.webhook.is_none() || lease.placement.is_none() {
                assert!(told.is_empty(), "{what}");
                continue;
            }
            let (warning, ended) = (of(Event::Expiring), of(Event::Ended));
            if lease.state_name() == StateName::Ended {
                let ended = ended.unwrap_or_else(|| panic!("{what}"));
                assert_eq!(ended.state, DeliveryState::Delivered, "{what}");
                let id = ended.id();
                assert!(
                    heard.iter().any(|it| it.header("webhook-id") == id),
                    "{what}"
                );
                let warned = warning.is_some_and(|it| it.state == DeliveryState::Pending);
                assert!(!warned, "{what}");
            } else {
                assert!(ended.is_none(), "{what}");
                let warning = warning.map(|warning| warning.at);
                assert_eq!(
                    warning,
                    Notification::warning(&lease).map(|it| it.at),
                    "{what}"
                );
            }
        }
    }

    /// Asserts that the counts of the owner and the host match the active leases. `what` goes
    /// into the message.
    ///
    /// # Panics
    ///
    /// If they do not.
    pub async fn assert_counted(&self, owner: &Owner, what: &str) {
        let store = self.table.store();
        let leases = store.active_of(owner).await.expect("the table can be read");
        let counted = store.counted(owner).await.expect("the count can be read");
        let held = sum(Whose::Owner, &leases);
        assert_eq!(counted, held, "{what}: the owner's count is wrong");
        let all = store.active().await.expect("the table can be read").items;
        let counted = store.counted_on_host().await;
        let counted = counted.expect("the count can be read");
        let held = sum(Whose::Host, &all);
        assert_eq!(counted, held, "{what}: the host's count is wrong");
    }
}

fn sum(whose: Whose, leases: &[Lease]) -> Amounts {
    let counts = leases.iter().map(|lease| whose.counts(lease));
    counts.fold(Amounts::default(), Amounts::plus)
}
