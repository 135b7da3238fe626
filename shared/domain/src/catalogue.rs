//! The catalogue: the image types that can be leased. Nothing else can be.
//!
//! The source is `infra/images/catalogue.json`, which is built into the program. The scripts that
//! prepare the images read the same file.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{egress::Egress, runtime::Runtime};

/// All image types, in display order.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    images: Vec<Image>,
}

/// One image type.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Image {
    pub image_type: ImageType,
    /// One or two sentences for people.
    pub description: String,
    /// The image's name in its registry.
    pub image: String,
    /// The image that stands in when the engine does not have the one above.
    pub stand_in: String,
    /// The command to run; none for the image's own.
    pub command: Option<Vec<String>>,
    pub env: BTreeMap<String, String>,
    pub ports: Vec<Port>,
    /// How to set the password of its service, if it takes one.
    pub password: Option<PasswordRecipe>,
    /// The capabilities that the container keeps; it loses all others.
    pub capabilities: Vec<String>,
    /// The user that its command, and commands run in it later, run as; none for the image's own.
    #[serde(default)]
    pub user: Option<String>,
    /// Whether only its volumes and its paths in memory can be written to.
    #[serde(default)]
    pub read_only: bool,
    /// The runtime that the engine runs it with; none for the one in the settings.
    #[serde(default)]
    pub runtime: Option<Runtime>,
    /// Paths in memory, each with its mount options.
    #[serde(default)]
    pub tmpfs: BTreeMap<String, String>,
    /// The egress values that this image type takes, among those of the deployment. The first is
    /// the default. Empty: all of them.
    #[serde(default)]
    pub egress: Vec<Egress>,
    /// Thousandths of a CPU.
    pub cpu_milli: Range,
    /// Mebibytes.
    #[serde(rename = "memoryMB")]
    pub memory_mb: Range,
    /// Mebibytes of the host's disk.
    #[serde(rename = "diskMB")]
    pub disk_mb: Range,
    /// Sizes by name, the smallest first.
    pub presets: Vec<Preset>,
    /// The greatest number of processes and threads at once.
    pub processes: i64,
    stop_grace_seconds: u64,
}

/// How to set the password of an image's service. It is for the first of the image's ports.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PasswordRecipe {
    /// The user that signs in with it.
    pub user: String,
    /// The environment variable with which a caller may name another user.
    pub user_variable: Option<String>,
    /// The environment variable for the password. It is not an argument, because every user of a
    /// host can read a program's arguments.
    pub variable: String,
    /// The command that uses the variable. None: the image's own command uses it, and so does every
    /// command that a caller gives.
    pub command: Option<Vec<String>>,
}

/// A port of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    pub container_port: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// The scheme of the URL that reaches the port, if there is one.
    #[schema(required)]
    pub scheme: Option<String>,
}

/// The default, and the maximum that a caller may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Range {
    pub default: u32,
    pub maximum: u32,
}

/// A size with a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Preset {
    pub name: String,
    /// Thousandths of a CPU.
    pub cpu_milli: u32,
    /// Mebibytes.
    #[serde(rename = "memoryMB")]
    pub memory_mb: u32,
}

/// The name of an image in the catalogue, such as `redis`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(example = "redis")]
pub struct ImageType(String);

impl Catalogue {
    /// The catalogue that is built into the program.
    pub fn embedded() -> Self {
        serde_json::from_str(include_str!("../../../infra/images/catalogue.json"))
            .expect("the built-in catalogue is read by a test")
    }

    /// The image type of that name.
    pub fn get(&self, image_type: &str) -> Option<&Image> {
        self.images
            .iter()
            .find(|image| image.image_type.as_str() == image_type)
    }

    /// All image types, in display order.
    pub fn images(&self) -> &[Image] {
        &self.images
    }
}

impl Image {
    /// The size of that name.
    pub fn preset(&self, name: &str) -> Option<&Preset> {
        self.presets.iter().find(|preset| preset.name == name)
    }

    /// How long a container of this image type may take to stop by itself.
    pub fn stop_grace(&self) -> Duration {
        Duration::from_secs(self.stop_grace_seconds)
    }
}

impl ImageType {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name that need not be in the catalogue.
    #[cfg(any(test, feature = "sample"))]
    pub fn for_tests(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl fmt::Display for ImageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_catalogue_has_what_users_expect_by_name() {
        let catalogue = Catalogue::embedded();
        for name in ["ubuntu", "alpine", "redis", "nginx", "python", "postgres"] {
            let image = catalogue.get(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(image.image_type.as_str(), name);
        }
        assert!(catalogue.get("windows").is_none());
    }

    #[test]
    fn every_image_is_bounded_and_can_be_ended_within_seconds() {
        for image in Catalogue::embedded().images() {
            let name = &image.image_type;
            for range in [image.cpu_milli, image.memory_mb, image.disk_mb] {
                assert!(
                    0 < range.default && range.default <= range.maximum,
                    "{name}"
                );
            }
            // The engine refuses less than 6 MiB.
            assert!(image.memory_mb.default >= 6, "{name}");
            assert!(image.processes > 0, "{name}");
            assert!(image.stop_grace() <= Duration::from_secs(5), "{name}");
            assert!(
                image.ports.iter().all(|port| port.protocol == "tcp"),
                "{name}"
            );
        }
    }

    #[test]
    fn every_image_comes_in_three_sizes_of_which_the_middle_one_is_the_default() {
        for image in Catalogue::embedded().images() {
            let name = &image.image_type;
            let names: Vec<_> = image
                .presets
                .iter()
                .map(|size| size.name.as_str())
                .collect();
            assert_eq!(names, ["small", "medium", "large"], "{name}");
            let medium = image.preset("medium").unwrap();
            assert_eq!(medium.cpu_milli, image.cpu_milli.default, "{name}");
            assert_eq!(medium.memory_mb, image.memory_mb.default, "{name}");
            for pair in image.presets.windows(2) {
                assert!(pair[0].cpu_milli < pair[1].cpu_milli, "{name}");
                assert!(pair[0].memory_mb < pair[1].memory_mb, "{name}");
            }
            let large = image.preset("large").unwrap();
            assert!(large.cpu_milli <= image.cpu_milli.maximum, "{name}");
            assert!(large.memory_mb <= image.memory_mb.maximum, "{name}");
        }
    }

    #[test]
    fn no_image_is_given_a_capability_that_opens_the_host() {
        let harmless = [
            "CHOWN",
            "DAC_OVERRIDE",
            "DAC_READ_SEARCH",
            "FOWNER",
            "FSETID",
            "KILL",
            "NET_BIND_SERVICE",
            "SETGID",
            "SETUID",
        ];
        for image in Catalogue::embedded().images() {
            for capability in &image.capabilities {
                assert!(
                    harmless.contains(&capability.as_str()),
                    "{}: {capability}",
                    image.image_type
                );
            }
        }
    }
}
