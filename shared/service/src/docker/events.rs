//! The engine's events about our containers.

use bollard::{
    models::{EventMessage, PortSummary},
    query_parameters::EventsOptionsBuilder,
};
use containerlease_domain::container::{Binding, LEASE_LABEL, OWNER_LABEL};
use containerlease_domain::{
    names::{ContainerName, LeaseId, Owner},
    time::Time,
};
use futures_util::{Stream, StreamExt as _};

use super::{Host, HostError, error, find::in_seconds};

/// An event of a lease's container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostEvent {
    pub owner: Owner,
    pub lease: LeaseId,
    /// The engine's own id.
    pub container: ContainerName,
    pub happened: Happened,
    pub at: Time,
}

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// It was started, perhaps again.
    Started,
    /// Its program has ended.
    Died,
    /// It was removed.
    Removed,
}

impl Host {
    /// Our containers' events from `since` on, as far as the engine remembers them, until the
    /// connection ends.
    pub async fn events(
        &self,
        since: Time,
    ) -> Result<impl Stream<Item = Result<HostEvent, HostError>> + use<>, HostError> {
        let docker = self.client.docker().await?;
        let mut filters = self.only_ours();
        filters.insert("type", vec!["container".to_owned()]);
        let kinds = ["start", "die", "destroy"].map(str::to_owned);
        filters.insert("event", kinds.to_vec());
        let options = EventsOptionsBuilder::new()
            .since(&in_seconds(since))
            .filters(&filters)
            .build();
        let told = docker.events(Some(options));
        Ok(told.filter_map(|message| async {
            match message {
                Ok(message) => HostEvent::of(&message).map(Ok),
                Err(error) => Some(Err(error::translate("listening to the engine", error))),
            }
        }))
    }
}

impl HostEvent {
    /// Parses the engine's event; none if it is not about a lease.
    fn of(message: &EventMessage) -> Option<Self> {
        let happened = match message.action.as_deref()? {
            "start" => Happened::Started,
            "die" => Happened::Died,
            "destroy" => Happened::Removed,
            _ => return None,
        };
        let actor = message.actor.as_ref()?;
        let attributes = actor.attributes.as_ref()?;
        Some(Self {
            owner: Owner::try_from(attributes.get(OWNER_LABEL)?.clone()).ok()?,
            lease: attributes.get(LEASE_LABEL)?.parse().ok()?,
            container: ContainerName::listed_by_engine(actor.id.as_deref()?)?,
            happened,
            at: Time::from_millis(message.time_nano? / 1_000_000),
        })
    }
}

/// Where a port of a container is published; none where it is not.
pub(super) fn binding(port: &PortSummary) -> Option<Binding> {
    Some(Binding {
        container_port: port.private_port,
        protocol: port.typ.as_ref()?.to_string(),
        host_port: port.public_port?,
    })
}

#[cfg(test)]
mod tests {
    use bollard::models::EventActor;

    use super::*;

    fn message(action: &str, labels: &[(&str, &str)]) -> EventMessage {
        let labels = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        EventMessage {
            action: Some(action.to_owned()),
            actor: Some(EventActor {
                id: Some("0a1b".to_owned()),
                attributes: Some(labels.collect()),
            }),
            time_nano: Some(1_500_000_000),
            ..EventMessage::default()
        }
    }

    #[test]
    fn only_what_happens_to_a_lease_is_an_event() {
        let lease = LeaseId::generate();
        let id = lease.to_string();
        let labels = [(OWNER_LABEL, "local"), (LEASE_LABEL, id.as_str())];
        let event = HostEvent::of(&message("die", &labels)).unwrap();
        assert_eq!((event.lease, event.happened), (lease, Happened::Died));
        assert_eq!(event.at, Time::from_millis(1_500));
        assert_eq!(event.container.as_str(), "0a1b");
        for (action, labels) in [
            ("exec_die", &labels[..]),
            ("die", &labels[..1]),
            ("die", &[(OWNER_LABEL, "local"), (LEASE_LABEL, "../x")][..]),
        ] {
            assert_eq!(HostEvent::of(&message(action, labels)), None, "{action}");
        }
    }
}
