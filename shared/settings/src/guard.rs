//! What only the guard on a Docker host reads.

use std::{path::PathBuf, time::Duration};

use containerlease_domain::names::{Deployment, NotADeployment};

use super::{EngineAddress, SettingsError, environment, reader::Reader};

/// The settings that only the guard on a Docker host reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardSettings {
    /// The engine's socket: the guard needs no network.
    pub socket: PathBuf,
    /// The deployments that it guards; empty: all.
    pub deployments: Vec<Deployment>,
    /// How long after its hard deadline the guard leaves a container to the reaper.
    pub grace: Duration,
    /// How often it looks for new containers, at the least.
    pub look_every: Duration,
    /// The age at which the guard ends a container whose deadline it cannot read; none: never.
    pub longest_lease: Option<Duration>,
}

impl GuardSettings {
    /// Reads the process's environment.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::parse(environment)
    }

    /// Reads the settings from `lookup`, which gives a variable's value.
    pub fn parse(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        const DEPLOYMENTS: &str = "CONTAINERLEASE_GUARD_DEPLOYMENTS";
        let read = Reader(lookup);
        let EngineAddress::Unix(socket) = read.engine()? else {
            return Err(SettingsError {
                variable: "DOCKER_HOST",
                value: read.text("DOCKER_HOST", ""),
                problem: "the guard runs on the Docker host itself and uses the engine's socket \
                          only, such as unix:///var/run/docker.sock"
                    .to_owned(),
            });
        };
        let names = read.text(DEPLOYMENTS, "");
        let names = names.split(',').map(str::trim).filter(|n| !n.is_empty());
        let deployments = names.map(str::parse).collect::<Result<_, _>>();
        Ok(Self {
            socket,
            deployments: deployments.map_err(|error: NotADeployment| SettingsError {
                variable: DEPLOYMENTS,
                value: read.text(DEPLOYMENTS, ""),
                problem: error.to_string(),
            })?,
            // Together, both limits leave the engine half of the 60 s after a deadline.
            grace: read.seconds("CONTAINERLEASE_GUARD_GRACE_SECONDS", 20, 0..=20)?,
            look_every: read.seconds("CONTAINERLEASE_GUARD_LOOK_SECONDS", 10, 1..=10)?,
            longest_lease: match read.optional("CONTAINERLEASE_MAX_MINUTES") {
                None => None,
                Some(_) => Some(Duration::from_secs(
                    60 * read.number::<u64>("CONTAINERLEASE_MAX_MINUTES", 0, 1..=525_600)?,
                )),
            },
        })
    }
}
