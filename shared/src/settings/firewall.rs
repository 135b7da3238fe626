//! Whether the engine's machine keeps its containers away from itself.
//!
//! Only root can look, so a server is told by what started it.

use super::{Reader, SettingsError};

const VARIABLE: &str = "CONTAINERLEASE_FIREWALL";

/// What is known of the rules of `infra/docker-host/firewall.sh` on the engine's machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firewall {
    Up,
    Missing,
    /// Nobody has looked.
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
                problem: "it is up or missing; leave it out where nobody has looked".to_owned(),
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
