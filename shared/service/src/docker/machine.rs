//! The engine's machine, and how much of it can be leased.

use bollard::{Docker, models::Network};
use containerlease_domain::capacity::Machine;

use super::{Host, HostError, LOOK_LIMIT, disk::Quota};

/// The engine's facts about itself and its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EngineFacts {
    cpus: u32,
    /// Bytes.
    memory: u64,
    pub(super) quota: Quota,
}

impl Host {
    /// The machine as the engine sees it. Asks again only for our network's addresses, until the
    /// network exists.
    pub async fn machine(&self) -> Result<Machine, HostError> {
        let facts = self.facts().await?;
        let addresses = match self.addresses.get() {
            Some(addresses) => Some(*addresses),
            None => self.ask_for_addresses().await,
        };
        Ok(Machine {
            cpus: facts.cpus,
            memory: facts.memory,
            addresses,
        })
    }

    /// The engine's facts about itself and its machine. They rarely change, so they are requested
    /// once.
    pub(super) async fn facts(&self) -> Result<EngineFacts, HostError> {
        let asked = self.facts.get_or_try_init(async || {
            let info = |docker: Docker| async move { docker.info().await };
            let attempted = "asking the engine for its machine";
            let info = self.client.call(attempted, LOOK_LIMIT, info).await?;
            let quota = Quota::of(&info);
            match (info.ncpu, info.mem_total) {
                (Some(cpus), Some(memory)) if cpus > 0 && memory > 0 => Ok(EngineFacts {
                    cpus: u32::try_from(cpus).unwrap_or(u32::MAX),
                    memory: memory.unsigned_abs(),
                    quota,
                }),
                _ => Err(HostError::Client {
                    attempted,
                    message: "it does not say how many CPUs and how much memory".to_owned(),
                }),
            }
        });
        asked.await.copied()
    }

    /// How many containers their network has room for; none if it does not exist or the number is
    /// unknown. That fails no provision: the engine itself decides.
    async fn ask_for_addresses(&self) -> Option<u32> {
        let present = self.open_network().await;
        let present = present.inspect_err(|error| {
            tracing::warn!(%error, "could not see how many addresses our network has");
        });
        let (_, network) = present.ok()??;
        let addresses = addresses(&network)?;
        Some(*self.addresses.get_or_init(|| addresses))
    }
}

/// How many IPv4 addresses a network has for containers; none if it does not say. Its first and
/// last address are unusable, and one is the gateway's.
fn addresses(network: &Network) -> Option<u32> {
    let pools = network.ipam.as_ref()?.config.as_ref()?.iter();
    let pools = pools.filter_map(|pool| {
        let narrower = pool.ip_range.as_ref().filter(|range| !range.is_empty());
        let (address, bits) = narrower.or(pool.subnet.as_ref())?.split_once('/')?;
        let _: std::net::Ipv4Addr = address.parse().ok()?;
        let bits: u32 = bits.parse().ok().filter(|bits| *bits <= 32)?;
        let all = u32::try_from(1_u64 << (32 - bits)).unwrap_or(u32::MAX);
        Some(all.saturating_sub(3))
    });
    pools.reduce(u32::saturating_add)
}

#[cfg(test)]
mod tests {
    use bollard::models::{Ipam, IpamConfig};

    use super::*;

    fn network(subnets: &[(&str, &str)]) -> Network {
        let pool = |(subnet, range): &(&str, &str)| IpamConfig {
            subnet: Some((*subnet).to_owned()),
            ip_range: Some((*range).to_owned()),
            ..IpamConfig::default()
        };
        Network {
            ipam: Some(Ipam {
                config: Some(subnets.iter().map(pool).collect()),
                ..Ipam::default()
            }),
            ..Network::default()
        }
    }

    #[test]
    fn a_network_has_as_many_addresses_as_its_subnet_but_three() {
        for (subnets, expected) in [
            (&[("172.20.0.0/16", "")][..], Some(65_533)),
            (&[("10.0.0.0/29", "")], Some(5)),
            (&[("10.0.0.0/31", "")], Some(0)),
            (&[("0.0.0.0/0", "")], Some(u32::MAX - 3)),
            (&[("172.20.0.0/16", "172.20.1.0/24")], Some(253)),
            (&[("fd00::/64", ""), ("10.0.0.0/24", "")], Some(253)),
            (&[("fd00::/64", "")], None),
            (&[("nonsense", "")], None),
            (&[], None),
        ] {
            assert_eq!(addresses(&network(subnets)), expected, "{subnets:?}");
        }
        assert_eq!(addresses(&Network::default()), None);
    }
}
