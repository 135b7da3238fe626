//! Chooses the engine's runtime for a container.

use std::collections::BTreeSet;

use bollard::Docker;
use containerlease_domain::{
    catalogue::{Catalogue, Image},
    runtime::Runtime,
};

use super::{Host, HostError, LOOK_LIMIT};

/// Prefix of runtime names that an engine need not list: containerd looks for their programs when a
/// container is created.
const OF_CONTAINERD: &str = "io.containerd.";

impl Host {
    /// Sets the `runtime` of containers whose image type names none; none means the engine's own
    /// default.
    #[must_use]
    pub fn under(self, runtime: Option<Runtime>) -> Self {
        Self { runtime, ..self }
    }

    /// The runtime of a container of this image; none means the engine's own default.
    pub(super) fn runtime_of<'r>(&'r self, image: &'r Image) -> Option<&'r Runtime> {
        image.runtime.as_ref().or(self.runtime.as_ref())
    }

    /// The runtimes named in the catalogue that the engine lacks. If the catalogue names any, the
    /// engine is asked each time: its runtimes can change while it runs.
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
