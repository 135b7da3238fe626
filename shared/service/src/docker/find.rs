//! Finds the container of a lease whose container id is not recorded, or whose container is gone.

use std::collections::HashMap;

use bollard::{
    Docker,
    models::ContainerState,
    query_parameters::{EventsOptionsBuilder, ListContainersOptionsBuilder},
};
use containerlease_domain::container::{DEPLOYMENT_LABEL, LEASE_LABEL, OWNER_LABEL, Stopped};
use containerlease_domain::{
    lease::Lease,
    names::{ContainerName, LeaseId},
    time::Time,
};
use futures_util::StreamExt as _;

use super::{Host, HostError, LOOK_LIMIT};

impl Host {
    /// The ids of all containers of the lease, by its immutable labels and by its name. If neither
    /// finds one, there is none.
    pub async fn find(&self, lease: &Lease) -> Result<Vec<ContainerName>, HostError> {
        let options = &ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&self.labels_of(&lease.id))
            .build();
        let list = |docker: Docker| async move {
            let options = Some(options.clone());
            docker.list_containers(options).await
        };
        let attempted = "looking for a lease's containers";
        let listed = self.client.call(attempted, LOOK_LIMIT, list).await?;
        let mut found: Vec<_> = listed
            .into_iter()
            .filter_map(|container| ContainerName::listed_by_engine(container.id.as_deref()?))
            .collect();
        match self.named(lease).await {
            Ok(Some(named)) if !found.contains(&named) => found.push(named),
            Ok(_) | Err(HostError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(found)
    }

    /// The id of the container with the lease's name, if it also has the lease's labels.
    pub(super) async fn named(&self, lease: &Lease) -> Result<Option<ContainerName>, HostError> {
        let details = self.inspect(&ContainerName::of_lease(&lease.id)).await?;
        let labels = details.config.and_then(|config| config.labels);
        let labels = labels.unwrap_or_default();
        let ours = [
            (DEPLOYMENT_LABEL, self.deployment.as_str().to_owned()),
            (LEASE_LABEL, lease.id.to_string()),
            (OWNER_LABEL, lease.owner.as_str().to_owned()),
        ];
        let ours = ours
            .iter()
            .all(|(label, value)| labels.get(*label) == Some(value));
        let id = details.id.as_deref().filter(|_| ours);
        Ok(id.and_then(ContainerName::listed_by_engine))
    }

    /// How a container stopped; none while it runs.
    pub async fn stopped(&self, container: &ContainerName) -> Result<Option<Stopped>, HostError> {
        let state = self.inspect(container).await?.state.unwrap_or_default();
        Ok((state.running == Some(false)).then(|| stopped(&state)))
    }

    /// When the engine removed the lease's container, if that was after `since` and the engine
    /// remembers it: it keeps its last 256 events until it is restarted.
    pub async fn removed_at(&self, lease: &LeaseId, since: Time) -> Option<Time> {
        let now = Time::now();
        let mut filters = self.labels_of(lease);
        filters.insert("type", vec!["container".to_owned()]);
        filters.insert("event", vec!["destroy".to_owned()]);
        let options = EventsOptionsBuilder::new()
            .since(&in_seconds(since))
            .until(&in_seconds(now))
            .filters(&filters)
            .build();
        let first = async {
            let docker = self.client.docker().await.ok()?;
            docker.events(Some(options)).next().await
        };
        let event = tokio::time::timeout(LOOK_LIMIT, first).await.ok()??;
        let removed_at = Time::from_millis(event.ok()?.time_nano? / 1_000_000);
        // The engine's clock may differ from ours.
        (since <= removed_at && removed_at <= now).then_some(removed_at)
    }

    fn labels_of(&self, lease: &LeaseId) -> HashMap<&'static str, Vec<String>> {
        let mut filters = self.only_ours();
        let labels = filters.entry("label").or_default();
        labels.push(format!("{LEASE_LABEL}={lease}"));
        filters
    }
}

/// A time in the engine's format: seconds with milliseconds.
pub(super) fn in_seconds(time: Time) -> String {
    let millis = time.as_millis();
    format!(
        "{}.{:03}",
        millis.div_euclid(1_000),
        millis.rem_euclid(1_000)
    )
}

/// How a container has stopped, as the engine describes its state.
pub(super) fn stopped(state: &ContainerState) -> Stopped {
    Stopped {
        exit_code: state.exit_code,
        out_of_memory: state.oom_killed.unwrap_or(false),
        at: state.finished_at.as_deref().and_then(finished_at),
    }
}

/// When a container stopped; none if it never ran, for which the engine reports the year 1.
fn finished_at(said: &str) -> Option<Time> {
    let at = said.parse::<jiff::Timestamp>().ok()?.as_millisecond();
    (at > 0).then(|| Time::from_millis(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_has_never_run_has_not_stopped_at_any_time() {
        let at = finished_at("2026-11-24T22:58:57.135601393Z");
        assert_eq!(at, Some(Time::from_millis(1_795_561_137_135)));
        assert_eq!(finished_at("0001-01-01T00:00:00Z"), None);
        assert_eq!(finished_at(""), None);
    }
}
