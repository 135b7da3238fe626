//! The engine's own events about the containers of a place.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bollard::{models::EventMessage, query_parameters::EventsOptionsBuilder};
use containerlease_domain::{
    container::DEPLOYMENT_LABEL,
    names::{ContainerName, LeaseId},
    time::Time,
};
use futures_util::StreamExt as _;
use tokio::task::JoinHandle;

use crate::place::Place;

/// Records the engine's events about a place's containers, until drop.
#[derive(Debug)]
pub struct Watch {
    events: Arc<Mutex<Vec<Event>>>,
    watching: JoinHandle<()>,
}

#[derive(Clone, Debug)]
struct Event {
    container: String,
    action: String,
    at: Time,
}

/// What happened to a container, according to the engine.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// When it was first told to stop, or ended by itself.
    pub touched_at: Option<Time>,
    /// When it was removed.
    pub removed_at: Option<Time>,
    /// Number of removals of containers of this name.
    pub removals: usize,
}

impl Watch {
    /// Begins to watch the place's containers.
    pub fn new(place: &Place) -> Self {
        let label = format!("{DEPLOYMENT_LABEL}={}", place.deployment().as_str());
        let filters = HashMap::from([
            ("label".to_owned(), vec![label]),
            ("type".to_owned(), vec!["container".to_owned()]),
        ]);
        let options = EventsOptionsBuilder::new().filters(&filters).build();
        let mut stream = Box::pin(place.docker().events(Some(options)));
        let events = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&events);
        let watching = tokio::spawn(async move {
            while let Some(Ok(event)) = stream.next().await {
                if let Some(event) = Event::of(event) {
                    let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
                    noted.push(event);
                }
            }
        });
        Self { events, watching }
    }

    /// What happened to the lease's container.
    pub fn of_lease(&self, id: &LeaseId) -> Seen {
        let name = ContainerName::of_lease(id);
        let mut seen = Seen::default();
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events
            .iter()
            .filter(|event| event.container == name.as_str())
        {
            match event.action.as_str() {
                "kill" | "die" | "stop" => {}
                "destroy" => {
                    seen.removals += 1;
                    seen.removed_at = Some(event.at);
                }
                _ => continue,
            }
            seen.touched_at.get_or_insert(event.at);
        }
        seen
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

impl Event {
    fn of(message: EventMessage) -> Option<Self> {
        let attributes = message.actor?.attributes?;
        Some(Self {
            container: attributes.get("name")?.clone(),
            action: message.action?,
            at: Time::from_millis(message.time_nano?.div_euclid(1_000_000)),
        })
    }
}
