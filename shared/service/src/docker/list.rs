//! Listing the containers of our deployment.

use std::{collections::HashMap, time::Duration};

use bollard::{
    Docker,
    models::{ContainerSummary, ContainerSummaryStateEnum},
    query_parameters::ListContainersOptionsBuilder,
};
use containerlease_domain::{
    container::{
        DEPLOYMENT_LABEL, HARD_DEADLINE_LABEL, LEASE_LABEL, ManagedContainer, OWNER_LABEL, Stopped,
    },
    names::{ContainerName, Owner},
    time::Time,
};

use super::{CHANGE_LIMIT, Host, HostError, events};

impl Host {
    /// All containers of our deployment, whatever their state.
    pub async fn list(&self) -> Result<Vec<ManagedContainer>, HostError> {
        let attempted = "listing our containers";
        let listed = self.listed(attempted, CHANGE_LIMIT, false).await?;
        let managed = listed.into_iter().filter_map(|container| {
            let labels = container.labels.unwrap_or_default();
            let lease = labels.get(LEASE_LABEL).and_then(|id| id.parse().ok());
            let owner = labels
                .get(OWNER_LABEL)
                .and_then(|owner| Owner::try_from(owner.clone()).ok());
            let hard_deadline = labels.get(HARD_DEADLINE_LABEL);
            Some(ManagedContainer {
                name: ContainerName::listed_by_engine(container.id.as_deref()?)?,
                lease: owner.zip(lease),
                created_at: Time::from_millis(container.created.unwrap_or(0).saturating_mul(1000)),
                hard_deadline: hard_deadline.and_then(|label| label.parse().ok()),
                stopped: matches!(
                    container.state,
                    Some(ContainerSummaryStateEnum::EXITED | ContainerSummaryStateEnum::DEAD)
                )
                .then(|| Stopped {
                    exit_code: container.status.as_deref().and_then(exit_code),
                    out_of_memory: false,
                    at: None,
                }),
                bindings: (container.ports.unwrap_or_default().iter())
                    .filter_map(events::binding)
                    .collect(),
            })
        });
        Ok(managed.collect())
    }

    /// The engine's list of our containers, with or without their sizes.
    pub(super) async fn listed(
        &self,
        attempted: &'static str,
        limit: Duration,
        size: bool,
    ) -> Result<Vec<ContainerSummary>, HostError> {
        let options = &ListContainersOptionsBuilder::new()
            .all(true)
            .size(size)
            .filters(&self.only_ours())
            .build();
        let list = |docker: Docker| async move {
            let options = Some(options.clone());
            docker.list_containers(options).await
        };
        self.client.call(attempted, limit, list).await
    }

    /// A listing filter for our deployment's containers.
    pub(super) fn only_ours(&self) -> HashMap<&'static str, Vec<String>> {
        let label = format!("{DEPLOYMENT_LABEL}={}", self.deployment.as_str());
        HashMap::from([("label", vec![label])])
    }
}

/// The exit code in a listing's status, as in `Exited (137) 2 minutes ago`: the listing has it
/// nowhere else.
fn exit_code(status: &str) -> Option<i64> {
    let (code, _) = status.strip_prefix("Exited (")?.split_once(')')?;
    code.parse().ok()
}
