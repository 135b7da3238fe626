//! Which of the engine's runtimes a container runs under.

use std::collections::BTreeSet;

use bollard::Docker;

use super::{Host, HostError, LOOK_LIMIT};
use crate::{
    catalogue::{Catalogue, Image},
    runtime::Runtime,
};

/// What the names of runtimes begin with that an engine need not list: containerd looks for their
/// programs when a container is made.
const OF_CONTAINERD: &str = "io.containerd.";

impl Host {
    /// Containers run under `runtime` where their image type names no other; none: under the
    /// engine's own default.
    #[must_use]
    pub fn under(self, runtime: Option<Runtime>) -> Self {
        Self { runtime, ..self }
    }

    /// What a container of this image runs under; none: the engine's own default.
    pub(super) fn runtime_of<'r>(&'r self, image: &'r Image) -> Option<&'r Runtime> {
        image.runtime.as_ref().or(self.runtime.as_ref())
    }

    /// Of the runtimes that images of the catalogue are to run under, those that the engine does
    /// not have. It is asked each time, where any is named at all: its runtimes can be changed
    /// while it runs.
    pub async fn runtimes_missing(
        &self,
        catalogue: &Catalogue,
    ) -> Result<BTreeSet<Runtime>, HostError> {
        let images = catalogue.images().iter();
        let named = images.filter_map(|image| self.runtime_of(image));
        let listed: BTreeSet<_> = named
            .filter(|runtime| !runtime.as_str().starts_with(OF_CONTAINERD))
            .cloned()
            .collect();
        if listed.is_empty() {
            return Ok(listed);
        }
        let info = |docker: Docker| async move { docker.info().await };
        let attempted = "asking the engine for its runtimes";
        let info = self.client.call(attempted, LOOK_LIMIT, info).await?;
        let there = info.runtimes.unwrap_or_default();
        let missing = listed.into_iter();
        Ok(missing
            .filter(|runtime| !there.contains_key(runtime.as_str()))
            .collect())
    }
}
