//! Whether the engine's machine has firewall rules that protect it from its containers.
//!
//! Only root can check this, so whoever starts the server tells it the result.

use super::{Reader, SettingsError};

const VARIABLE: &str = "CONTAINERLEASE_FIREWALL";

/// The state of the rules of `infra/docker-host/firewall.sh` on the engine's machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firewall {
    Up,
    Missing,
    /// Nobody has checked.
    Unknown,
}

impl Firewall {
    pub(super) fn read<L>(read: &Reader<L>) -> Result<Self, SettingsError>
    where
        L: Fn(&str) -> Option<String>,
    {
        match read.optional(VARIABLE).as_deref() {
            None => Ok(Self::Unknown),
            Some("up") => Ok(Self::Up),
            Some("missing") => Ok(Self::Missing),
            Some(value) => Err(SettingsError {
                variable: VARIABLE,
                value: value.to_owned(),
                problem: "it must be up or missing; leave it out if nobody has checked".to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_has_looked_at_is_not_known() {
        let read = |value: &'static str| Firewall::read(&Reader(move |_: &str| Some(value.into())));
        assert_eq!(read("up").unwrap(), Firewall::Up);
        assert_eq!(read("missing").unwrap(), Firewall::Missing);
        assert_eq!(read("").unwrap(), Firewall::Unknown);
        assert!(read("yes").unwrap_err().to_string().contains(VARIABLE));
    }
}
