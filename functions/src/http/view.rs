//! The JSON of a lease and of the catalogue, as the API's callers see them.

use std::collections::BTreeMap;

use containerlease_domain::{
    catalogue::{Catalogue, ImageType, Port, Preset, Range},
    egress::{self, Egress},
    identity::Identity,
    lease::{Credentials, Lease, Reason, State, StateName},
    names::LeaseId,
    notification::{DeliveryState, Event, Notification},
    policy::Policy,
    request::{DEFAULT_MINUTES, SHORTEST_MINUTES, list::Cursor},
    time::Time,
    view::ReceiptView,
    webhook::Secret,
};
use containerlease_service::leasing::renew;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use utoipa::ToSchema;

/// A lease. It has neither `env` nor `command` nor the URL of notifications, since they may
/// hold secrets. Only answers to callers who may work with the
/// lease have a password, in the URL of a port.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    pub id: LeaseId,
    pub image_type: ImageType,
    #[schema(required)]
    pub name: Option<String>,
    pub labels: BTreeMap<String, String>,
    /// The image of the container; null before the container runs.
    #[schema(required)]
    pub image: Option<String>,
    pub stand_in: bool,
    pub state: StateName,
    pub created_at: Time,
    pub expiry_time: Time,
    /// The time that no renewal can pass.
    pub maximum_expiry_time: Time,
    #[schema(required)]
    pub started_at: Option<Time>,
    /// Thousandths of a CPU.
    pub cpu_milli: u32,
    /// Mebibytes.
    #[serde(rename = "memoryMB")]
    pub memory_mb: u32,
    /// Mebibytes of the host's disk; null if no limit was set.
    #[serde(rename = "diskMB")]
    #[schema(required)]
    pub disk_mb: Option<u32>,
    pub egress: Egress,
    pub ports: Vec<ContainerPort>,
    /// Why the lease is ending or has ended.
    #[schema(required)]
    pub reason: Option<Reason>,
    /// Number of end attempts.
    pub attempts: u32,
    #[schema(required)]
    pub receipt: Option<ReceiptView>,
}

/// A lease that was provisioned. No other answer has the secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Provisioned {
    #[serde(flatten)]
    pub container: Container,
    /// The secret that signs the lease's notifications, if its owner wants any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify_secret: Option<Secret>,
}

/// A lease with its notifications.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct One {
    #[serde(flatten)]
    pub container: Container,
    pub notifications: Vec<NotificationView>,
}

/// A notification of a lease's owner, and the state of its delivery.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationView {
    /// The id that the receiver sees.
    pub id: String,
    pub event: Event,
    pub state: DeliveryState,
    pub attempts: u32,
    /// Null once no attempt will follow.
    #[schema(required)]
    pub next_attempt_at: Option<Time>,
    /// The status of the receiver's last answer, if any.
    #[schema(required)]
    pub last_status: Option<u16>,
    /// Why the last attempt failed.
    #[schema(required)]
    pub last_error: Option<String>,
}

/// A port of a container, and its address.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerPort {
    #[serde(flatten)]
    pub port: Port,
    pub host: String,
    pub host_port: u16,
    #[schema(required)]
    pub url: Option<String>,
}

/// An answer with the server's time, by which a client counts down.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timed<T> {
    #[serde(flatten)]
    pub body: T,
    pub server_time: Time,
}

/// Leases of an owner: those that have not ended, oldest first, or a page of the history,
/// newest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Containers {
    pub containers: Vec<Container>,
    /// Where the next page of the history begins; null after the last page.
    #[schema(required)]
    pub cursor: Option<Cursor>,
}

/// A lease that was renewed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Renewed {
    #[serde(flatten)]
    pub container: Container,
    pub granted: Granted,
}

/// What a renewal granted.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Granted {
    /// Whole seconds from the renewal to the lease's end.
    pub duration_seconds: u64,
    /// By how many whole seconds the renewal moved the end.
    pub added_seconds: u64,
    /// Whether `maximumExpiryTime` cut the requested duration short.
    pub capped: bool,
}

/// The catalogue.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Images {
    pub images: Vec<ImageView>,
    pub duration_minutes: Minutes,
}

/// One kind of container.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageView {
    pub image_type: ImageType,
    pub description: String,
    pub image: String,
    #[schema(required)]
    pub command: Option<Vec<String>>,
    pub ports: Vec<Port>,
    pub cpu_milli: Range,
    #[serde(rename = "memoryMB")]
    pub memory_mb: Range,
    #[serde(rename = "diskMB")]
    pub disk_mb: Range,
    pub presets: Vec<Preset>,
    /// The choices of egress; the first is the default.
    pub egress: Vec<Egress>,
}

/// How long a lease may be.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Minutes {
    pub default: u64,
    pub minimum: u64,
    pub maximum: u64,
}

impl From<&Lease> for Container {
    fn from(lease: &Lease) -> Self {
        let (reason, attempts, receipt) = match &lease.state {
            State::Provisioning | State::Running => (None, 0, None),
            State::Ending(ending) | State::Quarantined(ending) => {
                (Some(ending.reason), ending.attempts, None)
            }
            State::Ended(receipt) => (
                Some(receipt.reason),
                receipt.attempts,
                Some(ReceiptView::of(receipt, lease)),
            ),
        };
        let placement = lease.placement.as_ref();
        Self {
            id: lease.id,
            image_type: lease.image_type.clone(),
            name: lease.name.clone(),
            labels: lease.labels.clone(),
            image: placement.map(|placement| placement.image.clone()),
            stand_in: placement.is_some_and(|placement| placement.stand_in),
            state: lease.state_name(),
            created_at: lease.created_at,
            expiry_time: lease.expires_at,
            maximum_expiry_time: lease.hard_deadline,
            started_at: placement.map(|placement| placement.started_at),
            cpu_milli: lease.cpu_milli,
            memory_mb: lease.memory_mb,
            disk_mb: lease.disk_mb,
            egress: lease.egress.clone(),
            ports: placement.map_or_else(Vec::new, |placement| {
                placement.ports.iter().map(ContainerPort::from).collect()
            }),
            reason,
            attempts,
            receipt,
        }
    }
}

impl Container {
    /// The lease as a caller of its owner sees it: without passwords if the caller only reads.
    pub fn for_caller(lease: &Lease, caller: &Identity) -> Self {
        if caller.sees_passwords() {
            Self::for_owner(lease)
        } else {
            Self::from(lease)
        }
    }

    /// The lease as its owner sees it, with the credentials of its service.
    pub fn for_owner(lease: &Lease) -> Self {
        let mut container = Self::from(lease);
        let credentials = lease.placement.as_ref();
        if let Some(credentials) = credentials.and_then(|it| it.credentials.as_ref()) {
            for port in &mut container.ports {
                if port.port.container_port == credentials.container_port {
                    port.sign_in(credentials);
                }
            }
        }
        container
    }
}

impl ContainerPort {
    /// Puts the user and the password into its URL, if it has one.
    fn sign_in(&mut self, credentials: &Credentials) {
        let url = self.url.as_deref().and_then(|url| url.split_once("://"));
        if let Some((scheme, address)) = url {
            let [user, password] = [&*credentials.user, credentials.password.reveal()]
                .map(|it| utf8_percent_encode(it, NON_ALPHANUMERIC));
            self.url = Some(format!("{scheme}://{user}:{password}@{address}"));
        }
    }
}

impl From<&Lease> for Provisioned {
    fn from(lease: &Lease) -> Self {
        Self {
            container: Container::for_owner(lease),
            notify_secret: lease.webhook.as_ref().map(|webhook| webhook.secret.clone()),
        }
    }
}

impl From<Notification> for NotificationView {
    fn from(notification: Notification) -> Self {
        Self {
            id: notification.id(),
            event: notification.event,
            state: notification.state,
            attempts: notification.attempts,
            next_attempt_at: notification.next_attempt_at,
            last_status: notification.last_status,
            last_error: notification.last_error,
        }
    }
}

impl From<&renew::Renewed> for Renewed {
    fn from(renewed: &renew::Renewed) -> Self {
        Self {
            container: Container::for_owner(&renewed.lease),
            granted: Granted {
                duration_seconds: renewed.granted.as_secs(),
                added_seconds: renewed.added.as_secs(),
                capped: renewed.capped,
            },
        }
    }
}

impl From<&containerlease_domain::lease::PublishedPort> for ContainerPort {
    fn from(published: &containerlease_domain::lease::PublishedPort) -> Self {
        let (host, host_port) = (&published.host, published.host_port);
        let url = published.port.scheme.as_ref().map(|scheme| {
            if host.contains(':') {
                format!("{scheme}://[{host}]:{host_port}")
            } else {
                format!("{scheme}://{host}:{host_port}")
            }
        });
        Self {
            port: published.port.clone(),
            host: host.clone(),
            host_port,
            url,
        }
    }
}

impl Images {
    /// The catalogue under the operator's policy.
    pub fn new(catalogue: &Catalogue, policy: &Policy) -> Self {
        let maximum = policy.longest_lease.as_secs() / 60;
        Self {
            images: catalogue
                .images()
                .iter()
                .map(|image| ImageView {
                    image_type: image.image_type.clone(),
                    description: image.description.clone(),
                    image: image.image.clone(),
                    command: image.command.clone(),
                    ports: image.ports.clone(),
                    cpu_milli: image.cpu_milli,
                    memory_mb: image.memory_mb,
                    disk_mb: image.disk_mb,
                    presets: image.presets.clone(),
                    egress: egress::choices(&image.egress, &policy.egress),
                })
                .collect(),
            duration_minutes: Minutes {
                default: DEFAULT_MINUTES.min(maximum),
                minimum: SHORTEST_MINUTES,
                maximum,
            },
        }
    }
}
