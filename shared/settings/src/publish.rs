//! The address at which containers' ports are published, and the one that callers receive.
//!
//! The two differ if a host has a public address that its network card does not have, as on EC2:
//! ports are bound to the private address, and callers connect to the public one.

use std::net::IpAddr;

use super::{Reader, SettingsError};

const ADDRESS: &str = "CONTAINERLEASE_PUBLISH_ADDRESS";
const ADVERTISED: &str = "CONTAINERLEASE_ADVERTISED_HOST";

/// Where containers' ports are published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// The address on the Docker host that ports are bound to.
    pub address: IpAddr,
    /// The host name or IP address in answers, at which callers reach those ports. An IPv6
    /// address has no brackets.
    pub advertised_host: String,
}

impl Publish {
    /// Ports are bound to `address`, and callers reach them there.
    pub fn at(address: IpAddr) -> Self {
        Self {
            address,
            advertised_host: address.to_string(),
        }
    }

    pub(super) fn read<L>(read: &Reader<L>) -> Result<Self, SettingsError>
    where
        L: Fn(&str) -> Option<String>,
    {
        let publish = Self::at(read.parsed(ADDRESS, "127.0.0.1")?);
        let Some(value) = read.optional(ADVERTISED) else {
            return if publish.address.is_unspecified() {
                Err(SettingsError {
                    variable: ADDRESS,
                    value: publish.advertised_host,
                    problem: format!(
                        "this stands for all addresses of the Docker host, and callers need one; \
                         set {ADVERTISED} to the host's name or address too"
                    ),
                })
            } else {
                Ok(publish)
            };
        };
        let Some(advertised_host) = host(&value) else {
            return Err(SettingsError {
                variable: ADVERTISED,
                value,
                problem: "it must be a host name or an IP address, without a port, such as \
                          docker.example.org or 192.0.2.7"
                    .to_owned(),
            });
        };
        Ok(Self {
            advertised_host,
            ..publish
        })
    }
}

/// Parses a host name or an IP address; none if callers cannot connect to it.
fn host(text: &str) -> Option<String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return (!address.is_unspecified()).then(|| address.to_string());
    }
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let labels = || text.split('.');
    // A last label of only digits is a mistyped IPv4 address: no such domain exists.
    let last_is_number = labels()
        .next_back()
        .is_some_and(|label| label.parse::<u64>().is_ok());
    (text.len() <= 253 && labels().all(is_label) && !last_is_number)
        .then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(address: &str, advertised: &str) -> Result<Publish, SettingsError> {
        Publish::read(&Reader(|variable: &str| match variable {
            ADDRESS => Some(address.to_owned()),
            ADVERTISED => Some(advertised.to_owned()),
            _ => None,
        }))
    }

    #[test]
    fn callers_are_told_the_address_that_ports_are_bound_to_where_nothing_else_is_set() {
        for (address, host) in [("", "127.0.0.1"), ("10.0.0.4", "10.0.0.4"), ("::1", "::1")] {
            let publish = read(address, "").unwrap();
            assert_eq!(publish.advertised_host, host);
            assert_eq!(publish.address.to_string(), host);
        }
    }

    #[test]
    fn a_host_can_be_advertised_that_ports_are_not_bound_to() {
        for (advertised, told) in [
            ("203.0.113.9", "203.0.113.9"),
            ("2001:db8::7", "2001:db8::7"),
            ("Docker.Example.org", "docker.example.org"),
            ("localhost", "localhost"),
            ("host-1", "host-1"),
        ] {
            for address in ["10.0.0.4", "0.0.0.0"] {
                let publish = read(address, advertised).unwrap();
                assert_eq!(publish.advertised_host, told);
                assert_eq!(publish.address.to_string(), address);
            }
        }
    }

    #[test]
    fn what_nobody_can_connect_to_is_not_advertised() {
        let long_label = "a".repeat(64);
        let long_name = "a.".repeat(127);
        for wrong in [
            "https://docker.example.org",
            "docker.example.org:8080",
            "[2001:db8::7]",
            "docker.example.org.",
            "docker..example.org",
            "-docker.example.org",
            "docker-.example.org",
            "docker_1.example.org",
            "user@docker.example.org",
            "docker example",
            "300.1.1.1",
            "10.0.0.0/8",
            "0.0.0.0",
            "::",
            ".",
            &long_label,
            &long_name,
        ] {
            let error = read("10.0.0.4", wrong).expect_err(wrong);
            assert_eq!(error.variable, ADVERTISED);
            assert!(
                error.problem.contains("host name or an IP address"),
                "{error}"
            );
        }
    }

    #[test]
    fn all_addresses_of_a_host_need_one_that_callers_are_told() {
        for address in ["0.0.0.0", "::"] {
            let error = read(address, "").unwrap_err();
            assert_eq!(error.variable, ADDRESS);
            assert!(error.problem.contains(ADVERTISED), "{error}");
        }
    }
}
