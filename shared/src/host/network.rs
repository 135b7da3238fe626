//! The network that leased containers are on, and on which they do not reach each other.
//!
//! Where the engine keeps the containers on its default bridge apart (`"icc": false` in its
//! settings, as on engines that our scripts start or set up), that bridge is used: a start costs
//! 44 ms less there than on a network of our own, where the engine sets up a name server for each
//! container, and no name server tells neighbours each other's names. On any other engine
//! containers are on a network of the deployment's own.
//!
//! Containers that are to open no connections are on a network apart. Its bridge has a name by
//! which the firewall on the engine's machine knows it, and lets through only answers from there;
//! an engine whose machine has that firewall says so by a label.

use std::{collections::HashMap, time::Duration};

use bollard::{
    Docker,
    models::{EndpointSettings, Network, NetworkCreateRequest, NetworkingConfig},
    query_parameters::ListNetworksOptionsBuilder,
};

use super::{CHANGE_LIMIT, DEPLOYMENT_LABEL, Host, HostError, LOOK_LIMIT};
use crate::{egress::Egress, settings::NetworkChoice};

/// The options of a bridge by which the engine says, and is told, what it is.
const APART: (&str, &str) = ("com.docker.network.bridge.enable_icc", "false");
const KNOWN_BRIDGE: (&str, &str) = (BRIDGE_NAME, "docker0");
const DEFAULT_BRIDGE: (&str, &str) = ("com.docker.network.bridge.default_bridge", "true");

/// The label of an engine behind the rules of `infra/docker-host/firewall.sh`.
const CLOSES_EGRESS: &str = "containerlease.firewall=closes-egress";

/// The option with the name of a bridge, and how the names begin that the firewall knows. A name
/// has 15 characters at the most.
const BRIDGE_NAME: &str = "com.docker.network.bridge.name";
const CLOSED: &str = "clc-";

/// Where names are looked up from which nothing is to be reached: an address that is nobody's
/// (RFC 5737). An engine may otherwise ask its machine's own name server for the container.
const NO_NAME_SERVER: &str = "192.0.2.1";

/// How often it is looked for a network that another process makes, and how long after one another:
/// an engine lists it some time after it has taken its name.
const LOOKS: u32 = 10;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// What a container is attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Attachment {
    DefaultBridge,
    /// The deployment's own network, by its id.
    Own(String),
    /// The deployment's network from which nothing is reached, by its id.
    Closed(String),
}

impl Attachment {
    fn of(egress: Egress, id: String) -> Self {
        match egress {
            Egress::Open => Self::Own(id),
            Egress::None => Self::Closed(id),
        }
    }

    /// The network mode of a container on it.
    pub(super) fn mode(&self) -> String {
        match self {
            Self::DefaultBridge => "bridge".to_owned(),
            Self::Own(id) | Self::Closed(id) => id.clone(),
        }
    }

    /// What has to be said of it beside the mode: given that alone, the engine turns the id of a
    /// network into its name and looks that up.
    pub(super) fn endpoints(&self) -> Option<NetworkingConfig> {
        let (Self::Own(id) | Self::Closed(id)) = self else {
            return None;
        };
        let settings = EndpointSettings {
            network_id: Some(id.clone()),
            ..EndpointSettings::default()
        };
        Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([(id.clone(), settings)])),
        })
    }

    /// The name servers of a container on it; none for the engine's choice.
    pub(super) fn name_servers(&self) -> Option<Vec<String>> {
        matches!(self, Self::Closed(_)).then(|| vec![NO_NAME_SERVER.to_owned()])
    }
}

impl Host {
    /// What the next container is attached to. The deployment's own network is made if it is
    /// needed and not there.
    ///
    /// Engines before version 25 let two networks have one name, and take that name for
    /// neither of them then. So it is only ever named by its id, and of several that
    /// processes made at the same moment any is good.
    pub(super) async fn attachment(&self, egress: Egress) -> Result<Attachment, HostError> {
        if egress == Egress::None && !self.closes_egress().await? {
            return Err(HostError::EgressStaysOpen);
        }
        let _one_at_a_time = self.network.lock().await;
        if let Some((attachment, _)) = self.present_attachment(egress).await? {
            return Ok(attachment);
        }
        let labels = [(DEPLOYMENT_LABEL, self.deployment.as_str())];
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let name = self.network_name(egress);
        let bridge = (egress == Egress::None).then(|| (BRIDGE_NAME.to_owned(), bridge_of(&name)));
        let request = &NetworkCreateRequest {
            name,
            driver: Some("bridge".to_owned()),
            options: Some([owned(APART)].into_iter().chain(bridge).collect()),
            labels: Some(labels.map(owned).into()),
            ..NetworkCreateRequest::default()
        };
        let make = |docker: Docker| async move { docker.create_network(request.clone()).await };
        let attempted = "making our network";
        match self.client.call(attempted, CHANGE_LIMIT, make).await {
            Ok(made) => Ok(Attachment::of(egress, made.id)),
            // Another process has made it between our look and our call: of its name, or of that of
            // its bridge, there can be only one.
            Err(error) if error.is_answer() => {
                for _ in 0..LOOKS {
                    if let Some((attachment, _)) = self.present_attachment(egress).await? {
                        return Ok(attachment);
                    }
                    tokio::time::sleep(BETWEEN_LOOKS).await;
                }
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the engine's machine has the firewall that keeps in who is to open no connection.
    /// It is asked each time: the engine may have been started anew without.
    async fn closes_egress(&self) -> Result<bool, HostError> {
        let info = |docker: Docker| async move { docker.info().await };
        let attempted = "asking the engine for its labels";
        let info = self.client.call(attempted, LOOK_LIMIT, info).await?;
        let labels = info.labels.unwrap_or_default();
        Ok(labels.iter().any(|label| label == CLOSES_EGRESS))
    }

    /// What the next container is attached to, and the network that this is; none where that
    /// network has to be made first. The engine is asked each time, since one that was started
    /// anew may have other settings.
    pub(super) async fn present_attachment(
        &self,
        egress: Egress,
    ) -> Result<Option<(Attachment, Network)>, HostError> {
        let bridges = HashMap::from([("driver", vec!["bridge"])]);
        let options = &ListNetworksOptionsBuilder::new().filters(&bridges).build();
        let list = |docker: Docker| async move {
            let options = Some(options.clone());
            docker.list_networks(options).await
        };
        let attempted = "looking for our network";
        let mut listed = self.client.call(attempted, LOOK_LIMIT, list).await?;
        // Of several of one name it is always the same.
        listed.sort_by(|one, other| one.id.cmp(&other.id));
        let default = match (self.choice, egress) {
            (NetworkChoice::Auto, Egress::Open) => listed
                .iter()
                .find(|network| keeps_apart_by_default(network)),
            (NetworkChoice::Own, _) | (_, Egress::None) => None,
        };
        if let Some(network) = default {
            return Ok(Some((Attachment::DefaultBridge, network.clone())));
        }
        let name = self.network_name(egress);
        let own = listed.into_iter().find_map(|network| {
            let id = network
                .id
                .clone()
                .filter(|_| self.is_own(&network, &name))?;
            Some((Attachment::of(egress, id), network))
        });
        Ok(own)
    }

    fn is_own(&self, network: &Network, name: &str) -> bool {
        let labels = network.labels.as_ref();
        let deployment = labels.and_then(|labels| labels.get(DEPLOYMENT_LABEL));
        network.name.as_deref() == Some(name)
            && deployment.map(String::as_str) == Some(self.deployment.as_str())
    }

    fn network_name(&self, egress: Egress) -> String {
        let deployment = self.deployment.as_str();
        match egress {
            Egress::Open => deployment.to_owned(),
            Egress::None => format!("{deployment}-closed"),
        }
    }
}

/// The name of the bridge of a closed network: always the same for one network, and another for
/// each.
fn bridge_of(network: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, network.as_bytes());
    let digits = digest
        .as_ref()
        .iter()
        .take(5)
        .map(|byte| format!("{byte:02x}"));
    format!("{CLOSED}{}", digits.collect::<String>())
}

/// Whether this is the engine's default bridge, and containers on it do not reach each other.
fn keeps_apart_by_default(network: &Network) -> bool {
    let options = network.options.as_ref();
    let has = |(name, value): (&str, &str)| {
        options
            .and_then(|options| options.get(name))
            .map(String::as_str)
            == Some(value)
    };
    // The firewall knows this bridge by its name, and an engine keeps apart by IPv4 what it may not
    // by IPv6.
    has(DEFAULT_BRIDGE) && has(APART) && has(KNOWN_BRIDGE) && network.enable_ipv6 != Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(options: &[(&str, &str)]) -> Network {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Network {
            options: Some(options.iter().map(owned).collect()),
            ..Network::default()
        }
    }

    #[test]
    fn a_closed_bridge_has_a_name_that_the_kernel_takes_and_the_firewall_knows() {
        let name = bridge_of("containerlease-closed");
        assert!(name.len() <= 15 && name.starts_with(CLOSED), "{name}");
        assert_eq!(name, bridge_of("containerlease-closed"));
        assert_ne!(name, bridge_of("other-closed"));
        let firewall = include_str!("../../../infra/docker-host/firewall.sh");
        assert!(firewall.contains(&format!("CLOSED={CLOSED}+")));
    }

    #[test]
    fn only_a_default_bridge_that_keeps_containers_apart_is_taken() {
        let all = network(&[DEFAULT_BRIDGE, APART, KNOWN_BRIDGE]);
        assert!(keeps_apart_by_default(&all));
        let with_ipv6 = Network {
            enable_ipv6: Some(true),
            ..all
        };
        assert!(!keeps_apart_by_default(&with_ipv6));
        let together = ("com.docker.network.bridge.enable_icc", "true");
        let elsewhere = (BRIDGE_NAME, "lan0");
        for options in [
            &[DEFAULT_BRIDGE, KNOWN_BRIDGE, together][..],
            &[DEFAULT_BRIDGE, APART, elsewhere],
            &[DEFAULT_BRIDGE, KNOWN_BRIDGE],
            &[APART, KNOWN_BRIDGE],
            &[],
        ] {
            assert!(!keeps_apart_by_default(&network(options)), "{options:?}");
        }
        assert!(!keeps_apart_by_default(&Network::default()));
    }
}
