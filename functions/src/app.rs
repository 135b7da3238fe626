//! The state of a process: its clients, built once per cold start, and its rules.

use std::sync::Arc;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::tls;
use containerlease_domain::{catalogue::Catalogue, names::Deployment, policy::Policy};
use containerlease_service::{
    docker::{Host, HostError},
    due::Queues,
    leasing::end::Deps,
    log_relay::Follows,
    notify::webhook_client::WebhookClient,
    store::Store,
};
use containerlease_settings::{Settings, SettingsError, SignIn};
use thiserror::Error;
use tracing_subscriber::{layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::warning::Warning;

/// The clients and the rules that the handlers use.
#[derive(Clone, Debug)]
pub struct App {
    pub deployment: Deployment,
    pub store: Arc<Store>,
    pub host: Arc<Host>,
    /// The logs that this process follows.
    pub follows: Arc<Follows>,
    pub webhook_client: Arc<WebhookClient>,
    pub catalogue: Arc<Catalogue>,
    pub policy: Policy,
    /// Whether a caller whom nobody has identified is refused.
    pub sign_in: SignIn,
    /// The queues for due ends and notifications; none on one machine.
    pub queues: Option<Arc<Queues>>,
    /// Warnings for the operator that need no question to the engine.
    pub warnings: Vec<Warning>,
}

/// Why a process cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Host(#[from] HostError),
}

impl App {
    /// Builds the clients from `settings`. It sends nothing yet.
    pub fn new(settings: &Settings, aws: &SdkConfig) -> Result<Self, StartError> {
        let store = Arc::new(Store::new(aws, &settings.table));
        let host = Host::new(
            &settings.engine,
            aws,
            settings.deployment.clone(),
            settings.publish.clone(),
            settings.network,
        )?;
        let host = Arc::new(host.under(settings.runtime.clone()));
        let queues = settings.queues.as_ref();
        Ok(Self {
            deployment: settings.deployment.clone(),
            queues: queues.map(|urls| Arc::new(Queues::new(aws, urls))),
            follows: Arc::new(Follows::new(Arc::clone(&store), Arc::clone(&host))),
            store,
            host,
            webhook_client: Arc::new(WebhookClient::new(settings.policy.private_webhooks)),
            catalogue: Arc::new(Catalogue::embedded()),
            policy: settings.policy.clone(),
            sign_in: settings.sign_in,
            warnings: Vec::new(),
        })
    }

    /// Builds the clients from the environment.
    pub async fn from_env() -> Result<(Self, Settings, SdkConfig), StartError> {
        let settings = Settings::from_env()?;
        let aws = aws_defaults().load().await;
        let app = Self::new(&settings, &aws)?;
        Ok((app, settings, aws))
    }

    /// All current warnings for the operator. An engine that does not answer adds none, since
    /// `/readyz` reports that already.
    pub async fn all_warnings(&self) -> Vec<Warning> {
        // Boxed: it is large.
        let missing = Box::pin(self.host.runtimes_missing(&self.catalogue)).await;
        let missing = missing.inspect_err(|error| {
            tracing::warn!(%error, "could not see which runtimes the engine has");
        });
        let mut warnings = self.warnings.clone();
        if missing.is_ok_and(|missing| !missing.is_empty()) {
            warnings.push(Warning::RUNTIME_MISSING);
        }
        warnings
    }

    /// The dependencies of the verbs in `containerlease-service`.
    pub fn deps(&self) -> Deps<'_> {
        Deps {
            store: &self.store,
            host: &self.host,
            catalogue: &self.catalogue,
            history: self.policy.history,
        }
    }
}

/// The AWS settings of all our clients: one HTTP client, with the same cryptography as the
/// engine's transport.
pub fn aws_defaults() -> aws_config::ConfigLoader {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(
            tls::rustls_provider::CryptoMode::Ring,
        ))
        .build_https();
    aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(http)
}

/// Sets up the log of a Lambda function: one JSON object per line, for CloudWatch.
pub fn init_log() {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_max_level(tracing::Level::TRACE)
        .finish()
        .with(containerlease_settings::logging::filter())
        .init();
}
