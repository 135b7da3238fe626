//! The runtime with which the engine runs a container.

use std::{fmt, str::FromStr};

use serde::Deserialize;
use thiserror::Error;

/// The longest name of a runtime, in characters.
const LONGEST: usize = 64;

/// The name of a runtime that the engine knows, such as `runsc`. The engine's own configuration
/// says which program and options the name stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Runtime(String);

/// The text is not a runtime's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "it must be 1 to 64 letters, digits and characters of `.`, `_` and `-`, a letter or digit first"
)]
pub struct NotARuntime;

impl Runtime {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Runtime {
    type Err = NotARuntime;

    fn from_str(name: &str) -> Result<Self, NotARuntime> {
        let starts_well = name.starts_with(|first: char| first.is_ascii_alphanumeric());
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if starts_well && name.len() <= LONGEST && name.chars().all(allowed) {
            Ok(Self(name.to_owned()))
        } else {
            Err(NotARuntime)
        }
    }
}

impl TryFrom<String> for Runtime {
    type Error = NotARuntime;

    fn try_from(name: String) -> Result<Self, NotARuntime> {
        name.parse()
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_path_and_no_sentence() {
        for name in ["runsc", "kata-qemu", "io.containerd.runsc.v1"] {
            assert_eq!(
                name.parse::<Runtime>().map(|it| it.to_string()),
                Ok(name.to_owned())
            );
        }
        let long = "r".repeat(LONGEST + 1);
        for name in [
            "",
            "/usr/bin/runsc",
            "-runsc",
            ".",
            "run sc",
            "läuft",
            &long,
        ] {
            assert_eq!(name.parse::<Runtime>(), Err(NotARuntime), "{name}");
        }
    }
}
