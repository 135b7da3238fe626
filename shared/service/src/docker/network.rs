//! The network of leased containers, on which they cannot reach each other.
//!
//! If the engine isolates the containers on its default bridge (`"icc": false` in its settings, as
//! on engines that our scripts start or set up), that bridge is used. Starting there is
//! 44 ms faster: on our own network the engine sets up a name server per container. Without a name
//! server, neighbours' names stay hidden. On any other engine the deployment has its own network.
//!
//! Containers with no egress, or only to a list, have separate networks. The firewall on the
//! engine's machine recognises each one's bridge by its name. From there it lets through only
//! answers and what the list names. An engine whose machine has that firewall says so in labels.

use std::{collections::HashMap, time::Duration};

use bollard::{
    Docker,
    models::{EndpointSettings, Network, NetworkCreateRequest, NetworkingConfig},
    query_parameters::ListNetworksOptionsBuilder,
};
use containerlease_domain::container::DEPLOYMENT_LABEL;
use containerlease_domain::egress::Egress;
use containerlease_settings::NetworkChoice;

use super::{CHANGE_LIMIT, Host, HostError, LOOK_LIMIT};

/// The bridge options by which the engine describes a bridge, and is told how to make one.
const APART: (&str, &str) = ("com.docker.network.bridge.enable_icc", "false");
const KNOWN_BRIDGE: (&str, &str) = (BRIDGE_NAME, "docker0");
const DEFAULT_BRIDGE: (&str, &str) = ("com.docker.network.bridge.default_bridge", "true");

/// The label of an engine behind the rules of `infra/docker-host/firewall.sh`.
const CLOSES_EGRESS: &str = "containerlease.firewall=closes-egress";

/// The label with this firewall's lists: comma-separated names, each followed by `@` and the
/// address of its name server if it has one.
const LISTS: &str = "containerlease.firewall.lists=";

/// The option with a bridge's name, and the prefix of a closed bridge's name. That of a list begins
/// with `cl` and four hexadecimal digits of the list's. A name has at most 15 characters.
const BRIDGE_NAME: &str = "com.docker.network.bridge.name";
const CLOSED: &str = "clc-";

/// The name server when none may be reached: an unassigned address (RFC 5737). Otherwise an engine
/// may ask its machine's own name server for the container.
const NO_NAME_SERVER: &str = "192.0.2.1";

/// How often to look for a network that another process is making, and the pause between: an engine
/// lists a network some time after it has reserved its name.
const LOOKS: u32 = 10;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// The network attachment of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Attachment {
    DefaultBridge,
    /// The deployment's own network, by its id.
    Own(String),
    /// A network of the deployment whose egress the firewall restricts, by its id, and the name
    /// server reachable from it, if any.
    Kept {
        id: String,
        name_server: Option<String>,
    },
}

impl Attachment {
    /// The network mode of a container on it.
    pub(super) fn mode(&self) -> String {
        match self {
            Self::DefaultBridge => "bridge".to_owned(),
            Self::Own(id) | Self::Kept { id, .. } => id.clone(),
        }
    }

    /// The settings needed in addition to the mode: with the mode alone, the engine turns the id of
    /// a network into its name and looks that up.
    pub(super) fn endpoints(&self) -> Option<NetworkingConfig> {
        let (Self::Own(id) | Self::Kept { id, .. }) = self else {
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

    /// The name servers of a container on it; none leaves the choice to the engine.
    pub(super) fn name_servers(&self) -> Option<Vec<String>> {
        let Self::Kept { name_server, .. } = self else {
            return None;
        };
        let address = name_server.as_deref().unwrap_or(NO_NAME_SERVER);
        Some(vec![address.to_owned()])
    }
}

/// A network of the deployment that can be created.
#[derive(Debug, PartialEq, Eq)]
struct NetworkSpec {
    name: String,
    /// The name of its bridge, by which the firewall recognises it; none if egress is open.
    bridge: Option<String>,
    name_server: Option<String>,
}

impl NetworkSpec {
    fn new(deployment: &str, egress: &Egress) -> Self {
        let (name, begins) = match egress {
            Egress::Open => (deployment.to_owned(), None),
            Egress::None => (format!("{deployment}-closed"), Some(CLOSED.to_owned())),
            Egress::List(list) => {
                let list = list.as_str();
                let begins = format!("cl{:04x}-", digest(list) >> 16);
                (format!("{deployment}-egress-{list}"), Some(begins))
            }
        };
        // Always the same for one network, and different for each.
        let bridge = begins.map(|begins| format!("{begins}{:08x}", digest(&name)));
        Self {
            name,
            bridge,
            name_server: None,
        }
    }

    fn attachment(&self, id: String) -> Attachment {
        match self.bridge {
            None => Attachment::Own(id),
            Some(_) => Attachment::Kept {
                id,
                name_server: self.name_server.clone(),
            },
        }
    }
}

/// What the firewall on the engine's machine can enforce, according to the engine's labels.
#[derive(Debug, PartialEq, Eq)]
struct Firewall {
    closes: bool,
    /// The lists' names and name servers.
    lists: Vec<(String, Option<String>)>,
}

impl Firewall {
    fn of(labels: &[String]) -> Self {
        let lists = labels.iter().find_map(|label| label.strip_prefix(LISTS));
        let lists = lists.unwrap_or_default().split(',');
        let lists = lists.map(|list| match list.split_once('@') {
            None => (list.to_owned(), None),
            Some((name, address)) => (name.to_owned(), Some(address.to_owned())),
        });
        Self {
            closes: labels.iter().any(|label| label == CLOSES_EGRESS),
            lists: lists.filter(|(name, _)| !name.is_empty()).collect(),
        }
    }

    /// The name server of a list; none if the firewall lacks the list.
    fn list(&self, name: &str) -> Option<Option<&str>> {
        let mut lists = self.lists.iter();
        let found = lists.find(|(known, _)| self.closes && known == name);
        found.map(|(_, name_server)| name_server.as_deref())
    }
}

impl Host {
    /// The attachment of the next container. Creates the deployment's own network if it is needed
    /// and missing.
    ///
    /// Engines before version 25 let two networks have the same name, and then resolve that name to
    /// neither. So the network is only named by its id. If several processes created one at the
    /// same moment, any of them will do.
    pub(super) async fn attachment(&self, egress: &Egress) -> Result<Attachment, HostError> {
        let spec = self.spec(egress).await?;
        let _one_at_a_time = self.network.lock().await;
        if let Some((attachment, _)) = self.present(&spec).await? {
            return Ok(attachment);
        }
        let labels = [(DEPLOYMENT_LABEL, self.deployment.as_str())];
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let bridge = spec.bridge.iter();
        let bridge = bridge.map(|bridge| (BRIDGE_NAME.to_owned(), bridge.clone()));
        let request = &NetworkCreateRequest {
            name: spec.name.clone(),
            driver: Some("bridge".to_owned()),
            options: Some([owned(APART)].into_iter().chain(bridge).collect()),
            labels: Some(labels.map(owned).into()),
            ..NetworkCreateRequest::default()
        };
        let make = |docker: Docker| async move { docker.create_network(request.clone()).await };
        let attempted = "making our network";
        match self.client.call(attempted, CHANGE_LIMIT, make).await {
            Ok(made) => Ok(spec.attachment(made.id)),
            Err(error @ HostError::NoAddresses { .. }) => Err(error),
            // Another process has created it between our look and our call: its name, or its
            // bridge's name, must be unique.
            Err(error) if error.is_answer() => {
                for _ in 0..LOOKS {
                    if let Some((attachment, _)) = self.present(&spec).await? {
                        return Ok(attachment);
                    }
                    tokio::time::sleep(BETWEEN_LOOKS).await;
                }
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// The deployment's own network for these leases, if the firewall on the engine's machine can
    /// enforce their egress. Checked each time: the engine may have been restarted without the
    /// firewall.
    async fn spec(&self, egress: &Egress) -> Result<NetworkSpec, HostError> {
        let mut spec = NetworkSpec::new(self.deployment.as_str(), egress);
        match egress {
            Egress::Open => {}
            Egress::None if self.firewall().await?.closes => {}
            Egress::None => return Err(HostError::EgressStaysOpen),
            Egress::List(list) => {
                let firewall = self.firewall().await?;
                let Some(name_server) = firewall.list(list.as_str()) else {
                    return Err(HostError::EgressListMissing {
                        list: list.as_str().to_owned(),
                    });
                };
                spec.name_server = name_server.map(str::to_owned);
            }
        }
        Ok(spec)
    }

    async fn firewall(&self) -> Result<Firewall, HostError> {
        let info = |docker: Docker| async move { docker.info().await };
        let attempted = "asking the engine for its labels";
        let info = self.client.call(attempted, LOOK_LIMIT, info).await?;
        Ok(Firewall::of(&info.labels.unwrap_or_default()))
    }

    /// The network with open egress for the next container; none if it must be created first. The
    /// engine is asked each time, since a restarted one may have other settings.
    pub(super) async fn open_network(&self) -> Result<Option<(Attachment, Network)>, HostError> {
        let spec = NetworkSpec::new(self.deployment.as_str(), &Egress::Open);
        self.present(&spec).await
    }

    async fn present(
        &self,
        spec: &NetworkSpec,
    ) -> Result<Option<(Attachment, Network)>, HostError> {
        let bridges = HashMap::from([("driver", vec!["bridge"])]);
        let options = &ListNetworksOptionsBuilder::new().filters(&bridges).build();
        let list = |docker: Docker| async move {
            let options = Some(options.clone());
            docker.list_networks(options).await
        };
        let attempted = "looking for our network";
        let mut listed = self.client.call(attempted, LOOK_LIMIT, list).await?;
        // Of several with the same name, always pick the same.
        listed.sort_by(|one, other| one.id.cmp(&other.id));
        if self.choice == NetworkChoice::Auto && spec.bridge.is_none() {
            let default = listed
                .iter()
                .find(|network| keeps_apart_by_default(network));
            if let Some(network) = default {
                return Ok(Some((Attachment::DefaultBridge, network.clone())));
            }
        }
        let own = listed.into_iter().find_map(|network| {
            let id = network
                .id
                .clone()
                .filter(|_| self.is_own(&network, &spec.name))?;
            Some((spec.attachment(id), network))
        });
        Ok(own)
    }

    fn is_own(&self, network: &Network, name: &str) -> bool {
        let labels = network.labels.as_ref();
        let deployment = labels.and_then(|labels| labels.get(DEPLOYMENT_LABEL));
        network.name.as_deref() == Some(name)
            && deployment.map(String::as_str) == Some(self.deployment.as_str())
    }
}

/// The first four bytes of a text's SHA-256.
fn digest(text: &str) -> u32 {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let first = digest.as_ref().iter().take(4);
    first.fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// Whether this is the engine's default bridge, and it isolates its containers.
fn keeps_apart_by_default(network: &Network) -> bool {
    let options = network.options.as_ref();
    let has = |(name, value): (&str, &str)| {
        options
            .and_then(|options| options.get(name))
            .map(String::as_str)
            == Some(value)
    };
    // The firewall recognises this bridge by its name. An engine isolates by IPv4 what it may leave
    // open by IPv6.
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
    fn a_kept_bridge_has_a_name_that_the_kernel_takes_and_the_firewall_knows() {
        let of = |deployment: &str, egress: &str| {
            NetworkSpec::new(deployment, &egress.parse().unwrap()).bridge
        };
        let closed = of("containerlease", "none").unwrap();
        assert!(closed.len() <= 15 && closed.starts_with(CLOSED), "{closed}");
        let web = of("containerlease", "web").unwrap();
        // The same as `printf web | sha256sum`.
        assert!(web.len() == 15 && web.starts_with("cl4b5e-"), "{web}");
        assert_eq!(of("containerlease", "web"), Some(web.clone()));
        for other in [of("other", "web"), of("containerlease", "db"), Some(closed)] {
            assert_ne!(other, Some(web.clone()));
        }
        assert_eq!(of("containerlease", "open"), None);
        let firewall = include_str!("../../../../infra/docker-host/firewall.sh");
        assert!(firewall.contains("KEPT=(cl{0..9}+ cl{a..f}+)"));
    }

    #[test]
    fn labels_say_what_the_firewall_keeps() {
        let of = |labels: &[&str]| {
            let labels: Vec<_> = labels.iter().map(|&label| label.to_owned()).collect();
            Firewall::of(&labels)
        };
        let lists = "containerlease.firewall.lists=web@192.0.2.53,db";
        let firewall = of(&["zone=a", CLOSES_EGRESS, lists]);
        assert_eq!(firewall.list("web"), Some(Some("192.0.2.53")));
        assert_eq!(firewall.list("db"), Some(None));
        assert_eq!(firewall.list("we"), None);
        assert!(firewall.closes);
        assert_eq!(of(&[LISTS, CLOSES_EGRESS]).list(""), None);
        // Without the rules that close egress, a list has nothing to open.
        assert_eq!(of(&[lists]).list("db"), None);
        assert!(!of(&[]).closes);
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
