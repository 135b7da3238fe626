//! Containers' use of the host's disk, and their limits.
//!
//! A container writes into its own layer and its volumes. If the engine's storage has quotas, the
//! engine itself bounds the layer: with overlay2 on XFS with `pquota`, with btrfs, and with ZFS.
//! Volumes have no quotas, nor do layers on other storage; [`Host::disk_usage`] measures those.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use bollard::{
    Docker,
    models::{ContainerSummary, MountPoint, SystemInfo},
    query_parameters::InspectContainerOptionsBuilder,
};
use containerlease_domain::container::{DISK_LABEL, LEASE_LABEL, OWNER_LABEL};
use containerlease_domain::{
    capacity::MEBIBYTE,
    names::{ContainerName, LeaseId, Owner},
};
use serde::Deserialize;
use tokio::time::Instant;

use super::{CHANGE_LIMIT, Host, HostError};

/// Time limit for listing all layers and volumes: the engine counts every file.
pub(crate) const DISK_LIMIT: Duration = Duration::from_secs(20);

/// The sizes of volumes by name, in bytes; none for one that could not be measured.
pub(super) type Sizes = HashMap<String, Option<u64>>;

/// How long a measurement is recent enough to show.
const RECENT: Duration = Duration::from_secs(5);

/// Pause before a measurement is requested again after the engine was busy with another.
const BETWEEN_MEASUREMENTS: Duration = Duration::from_millis(200);

/// The type of a mount that is a volume.
const VOLUME: &str = "volume";

/// What the engine's storage bounds when a container writes into its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quota {
    /// Nothing.
    None,
    /// The layer alone.
    OfLayer,
    /// The layer and the image below it together.
    WithImage,
}

/// The disk use of a lease's container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskUse {
    pub owner: Owner,
    pub lease: LeaseId,
    /// The engine's own id.
    pub container: ContainerName,
    /// Bytes, in its layer and its volumes together; none if the engine could not count them, for
    /// instance because a path is too long.
    pub used: Option<u64>,
    /// Its limit in bytes; none for a container made by an earlier program.
    pub limit: Option<u64>,
}

/// Whether the engine has refused a quota that its storage seemed to support.
#[derive(Debug, Default)]
pub(super) struct QuotaRefused(AtomicBool);

impl QuotaRefused {
    pub(super) fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn was(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Quota {
    /// The quota support, from the engine's description of its storage.
    pub(super) fn of(info: &SystemInfo) -> Self {
        let said = |name: &str| {
            let mut status = info.driver_status.iter().flatten();
            status.find_map(|pair| match &pair[..] {
                [this, value] if this == name => Some(value.as_str()),
                _ => None,
            })
        };
        // containerd's snapshotters accept a size but ignore it.
        if said("driver-type").is_some_and(|it| it.starts_with("io.containerd.snapshotter")) {
            return Self::None;
        }
        match (info.driver.as_deref(), said("Backing Filesystem")) {
            (Some("btrfs"), _) => Self::WithImage,
            (Some("zfs"), _) | (Some("overlay2"), Some("xfs")) => Self::OfLayer,
            _ => Self::None,
        }
    }
}

impl Host {
    /// The engine's options that bound a container's layer to `limit` mebibytes; none if it cannot.
    pub(super) async fn storage_options(
        &self,
        image: &str,
        limit: Option<u32>,
    ) -> Result<Option<HashMap<String, String>>, HostError> {
        let Some(limit) = limit.map(|limit| u64::from(limit) * MEBIBYTE) else {
            return Ok(None);
        };
        let below = match self.facts().await?.quota {
            _ if self.quota_refused.was() => return Ok(None),
            Quota::None => return Ok(None),
            Quota::OfLayer => 0,
            // The quota counts blocks, but an image's size is the sum of its files.
            Quota::WithImage => {
                let image = self.size_of(image).await?;
                image + image / 10 + 16 * MEBIBYTE
            }
        };
        let size = (limit + below).to_string();
        Ok(Some(HashMap::from([("size".to_owned(), size)])))
    }

    async fn size_of(&self, image: &str) -> Result<u64, HostError> {
        let inspect = |docker: Docker| async move { docker.inspect_image(image).await };
        let attempted = "looking at an image";
        match self.client.call(attempted, CHANGE_LIMIT, inspect).await {
            Ok(image) => Ok(image.size.map_or(0, i64::unsigned_abs)),
            Err(HostError::NotFound { .. }) => Err(HostError::ImageMissing {
                image: image.to_owned(),
            }),
            Err(error) => Err(error),
        }
    }

    /// Each container's disk use.
    pub async fn disk_usage(&self) -> Result<Vec<DiskUse>, HostError> {
        let attempted = "measuring what our containers have written";
        let listed = match self.listed(attempted, DISK_LIMIT, true).await {
            // One container has too many files to count in time; measuring each alone shows which.
            Err(HostError::TimedOut { .. }) => return self.unmeasured().await,
            listed => listed?,
        };
        let has_volumes = listed.iter().any(|it| volumes_of(it).next().is_some());
        // Only this measures volumes. If it fails, only the layers are judged.
        let sizes = if has_volumes {
            self.volume_sizes(Duration::ZERO)
                .await
                .inspect_err(|error| {
                    tracing::warn!(%error, "could not measure volumes");
                })
        } else {
            Ok(Sizes::new())
        };
        let sizes = sizes.ok();
        Ok(listed
            .iter()
            .filter_map(|container| DiskUse::of(container, sizes.as_ref()))
            .collect())
    }

    /// Our containers, without measurements.
    async fn unmeasured(&self) -> Result<Vec<DiskUse>, HostError> {
        let attempted = "listing our containers, to measure each";
        let listed = self.listed(attempted, CHANGE_LIMIT, false).await?;
        let unmeasured = listed.iter().filter_map(|container| {
            let used = DiskUse::of(container, None)?;
            Some(DiskUse { used: None, ..used })
        });
        Ok(unmeasured.collect())
    }

    /// One container's disk use in bytes; none if the engine cannot tell. The volumes' sizes may be
    /// a few seconds old.
    pub async fn disk_used(&self, name: &ContainerName) -> Result<Option<u64>, HostError> {
        let options = &InspectContainerOptionsBuilder::new().size(true).build();
        let inspect = |docker: Docker| async move {
            let options = Some(options.clone());
            docker.inspect_container(name.as_str(), options).await
        };
        let attempted = "measuring what a container has written";
        let details = self.client.call(attempted, DISK_LIMIT, inspect).await?;
        let layer = details.size_rw.and_then(measured);
        let mounts = details.mounts.unwrap_or_default();
        let volumes: Vec<_> = volumes_among(&mounts).collect();
        let Some(layer) = layer.filter(|_| !volumes.is_empty()) else {
            return Ok(layer);
        };
        let sizes = self.volume_sizes(RECENT).await?;
        Ok(sum(volumes.into_iter(), &sizes).map(|volumes| layer + volumes))
    }

    /// The sizes of all volumes, measured within the last `age`.
    async fn volume_sizes(&self, age: Duration) -> Result<Sizes, HostError> {
        let mut last = self.volumes.lock().await;
        if let Some((at, sizes)) = &*last
            && at.elapsed() < age
        {
            return Ok(sizes.clone());
        }
        let sizes = self.ask_for_volume_sizes().await?;
        *last = Some((Instant::now(), sizes.clone()));
        Ok(sizes)
    }

    /// The sizes of all volumes. The client library understands only the newest engines' answer.
    /// Older ones answer with everything they have, whatever was asked.
    async fn ask_for_volume_sizes(&self) -> Result<Sizes, HostError> {
        let attempted = "measuring our containers' volumes";
        let path = "/system/df?type=volume&verbose=true";
        let begun = Instant::now();
        let answer = loop {
            match self.client.get(attempted, DISK_LIMIT, path).await {
                // Old engines refuse a measurement while another is running, whoever requested it.
                Err(HostError::Engine { message, .. })
                    if message.contains("already running") && begun.elapsed() < DISK_LIMIT =>
                {
                    tokio::time::sleep(BETWEEN_MEASUREMENTS).await;
                }
                answered => break answered?,
            }
        };
        let answer: Measured =
            serde_json::from_slice(&answer).map_err(|error| HostError::Client {
                attempted,
                message: format!("the engine's answer is not understood: {error}"),
            })?;
        Ok(answer.sizes())
    }
}

impl DiskUse {
    /// None for a container with invalid labels. Without `sizes` only the layer is measured.
    fn of(container: &ContainerSummary, sizes: Option<&Sizes>) -> Option<Self> {
        let labels = container.labels.as_ref()?;
        let limit = labels.get(DISK_LABEL);
        let limit = limit.and_then(|limit| limit.parse::<u64>().ok());
        // A listing omits a size of zero.
        let layer = container.size_rw.map_or(Some(0), measured);
        let volumes = sizes.map_or(Some(0), |sizes| sum(volumes_of(container), sizes));
        Some(Self {
            owner: Owner::try_from(labels.get(OWNER_LABEL)?.clone()).ok()?,
            lease: labels.get(LEASE_LABEL)?.parse().ok()?,
            container: ContainerName::listed_by_engine(container.id.as_deref()?)?,
            used: layer.zip(volumes).map(|(layer, volumes)| layer + volumes),
            limit: limit.map(|limit| limit * MEBIBYTE),
        })
    }

    /// Whether it exceeds its limit, or its use is unknown.
    pub fn is_suspect(&self) -> bool {
        self.limit
            .is_some_and(|limit| self.used.is_none_or(|used| used > limit))
    }
}

/// The engine reports -1 if it could not count the files.
fn measured(size: i64) -> Option<u64> {
    u64::try_from(size).ok()
}

fn volumes_of(container: &ContainerSummary) -> impl Iterator<Item = &str> {
    volumes_among(container.mounts.as_deref().unwrap_or_default())
}

fn volumes_among(mounts: &[MountPoint]) -> impl Iterator<Item = &str> {
    mounts
        .iter()
        .filter(|mount| mount.typ.as_deref() == Some(VOLUME))
        .filter_map(|mount| mount.name.as_deref())
}

/// The total size of these volumes; none if one could not be measured. An unknown volume was
/// created or removed just now.
fn sum<'n>(mut volumes: impl Iterator<Item = &'n str>, sizes: &Sizes) -> Option<u64> {
    volumes.try_fold(0, |all, name| match sizes.get(name) {
        Some(size) => size.map(|size| all + size),
        None => Some(all),
    })
}

/// The engine's answer: `VolumeUsage` from version 29 on, `Volumes` before.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Measured {
    volumes: Option<Vec<Volume>>,
    volume_usage: Option<VolumeUsage>,
}

impl Measured {
    fn sizes(self) -> Sizes {
        let newest = self.volume_usage.and_then(|usage| usage.items);
        let volumes = newest.or(self.volumes).unwrap_or_default();
        let sized = volumes.into_iter().map(|volume| {
            let size = volume.usage_data.and_then(|usage| measured(usage.size));
            (volume.name, size)
        });
        sized.collect()
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VolumeUsage {
    items: Option<Vec<Volume>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Volume {
    name: String,
    usage_data: Option<UsageData>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UsageData {
    size: i64,
}

#[cfg(test)]
mod tests;
