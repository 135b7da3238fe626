//! The product's own [`App`] on the test's own table and place.

mod assertions;

use std::{path::PathBuf, time::Duration};

use aws_config::SdkConfig;
use containerlease_domain::{
    lease::Lease,
    names::{LeaseId, Owner},
    time::Time,
};
use containerlease_functions::{
    app::{App, StartError},
    jobs::cleanup,
};
use containerlease_service::reaper::{Reaper, Report, run};
use containerlease_settings::{EngineAddress, Settings};
use tokio_util::sync::CancellationToken;

use crate::{
    place::Place,
    proxy::Proxy,
    table::{self, Table},
};

/// How far ahead the tests' reapers claim leases; the product's default.
pub const LOOK_AHEAD: Duration = Duration::from_secs(65);

/// Time limit of a run for orphans only, below the clock's offset in every test.
pub const STRAYS_LIMIT: Duration = Duration::from_secs(40);

/// How to build a [`TestApp`].
#[derive(Clone, Debug)]
pub struct TestAppOptions {
    proxied: bool,
    no_engine: bool,
    most_leases: u32,
    most_minutes: u32,
    more: Vec<(&'static str, String)>,
}

impl Default for TestAppOptions {
    fn default() -> Self {
        Self {
            proxied: false,
            no_engine: false,
            most_leases: 20,
            most_minutes: 1_440,
            more: Vec::new(),
        }
    }
}

/// The product on real parts: its app, its table and its engine.
#[derive(Debug)]
pub struct TestApp {
    pub app: App,
    pub table: Table,
    pub place: Place,
    settings: Settings,
    aws: SdkConfig,
    table_proxy: Option<Proxy>,
    engine_proxy: Option<Proxy>,
}

impl TestAppOptions {
    /// The app reaches the table and the engine through proxies.
    pub fn proxied(self) -> Self {
        Self {
            proxied: true,
            ..self
        }
    }

    /// The app finds no engine.
    pub fn without_engine(self) -> Self {
        Self {
            no_engine: true,
            ..self
        }
    }

    /// Limits an owner's concurrent leases.
    pub fn most_leases(self, most_leases: u32) -> Self {
        Self {
            most_leases,
            ..self
        }
    }

    /// Limits a lease's lifetime in minutes, including all renewals.
    pub fn most_minutes(self, most_minutes: u32) -> Self {
        Self {
            most_minutes,
            ..self
        }
    }

    /// Adds a setting.
    pub fn with(mut self, variable: &'static str, value: u32) -> Self {
        self.more.push((variable, value.to_string()));
        self
    }

    /// Puts the containers on the app's own network, not on the engine's default bridge.
    pub fn on_own_network(mut self) -> Self {
        self.more.push(("CONTAINERLEASE_NETWORK", "own".to_owned()));
        self
    }

    /// Runs the containers under this runtime of the engine.
    pub fn under(mut self, runtime: &str) -> Self {
        self.more
            .push(("CONTAINERLEASE_RUNTIME", runtime.to_owned()));
        self
    }

    /// Binds ports to `address`, and tells callers to use `host`.
    pub fn advertising(mut self, address: &str, host: &str) -> Self {
        for (variable, value) in [
            ("CONTAINERLEASE_PUBLISH_ADDRESS", address),
            ("CONTAINERLEASE_ADVERTISED_HOST", host),
        ] {
            self.more.push((variable, value.to_owned()));
        }
        self
    }

    /// Allows webhooks to this machine.
    pub fn private_webhooks(mut self) -> Self {
        let setting = ("CONTAINERLEASE_WEBHOOK_PRIVATE", true.to_string());
        self.more.push(setting);
        self
    }

    /// Builds it.
    pub async fn build(self) -> TestApp {
        let place = Place::new().await;
        let table = Table::in_memory().await;
        let (mut table_proxy, mut engine_proxy) = (None, None);
        let mut aws = table.aws().clone();
        let mut engine = socket_of(place.engine());
        if self.proxied {
            let proxy = Proxy::before_tcp(table.address()).await;
            aws = table::aws_at(proxy.tcp(), table.key()).await;
            table_proxy = Some(proxy);
            let proxy = Proxy::before_unix(&engine);
            proxy.unix().clone_into(&mut engine);
            engine_proxy = Some(proxy);
        }
        if self.no_engine {
            let proxy = Proxy::deaf(&engine);
            proxy.unix().clone_into(&mut engine);
            engine_proxy = Some(proxy);
        }
        let pairs = [
            (
                "CONTAINERLEASE_DEPLOYMENT",
                place.deployment().as_str().to_owned(),
            ),
            ("CONTAINERLEASE_TABLE", table::NAME.to_owned()),
            ("CONTAINERLEASE_MAX_LEASES", self.most_leases.to_string()),
            ("CONTAINERLEASE_MAX_MINUTES", self.most_minutes.to_string()),
            ("DOCKER_HOST", format!("unix://{}", engine.display())),
        ];
        let settings = Settings::parse(|variable| {
            let mut pairs = self.more.iter().chain(&pairs);
            let pair = pairs.find(|(name, _)| *name == variable)?;
            Some(pair.1.clone())
        });
        let settings = settings.expect("the test's settings are right");
        TestApp {
            app: App::new(&settings, &aws).expect("the app's clients can be made"),
            table,
            place,
            settings,
            aws,
            table_proxy,
            engine_proxy,
        }
    }
}

fn socket_of(engine: &EngineAddress) -> PathBuf {
    match engine {
        EngineAddress::Unix(path) => path.clone(),
        EngineAddress::Tls { .. } => unreachable!("a place is on a unix socket only"),
    }
}

impl TestApp {
    /// The app, directly on a table and an engine.
    pub async fn new() -> Self {
        TestAppOptions::default().build().await
    }

    /// The app on a table and an engine, with a proxy before each.
    pub async fn proxied() -> Self {
        TestAppOptions::default().proxied().build().await
    }

    /// The app in another process, with its own clients. On Lambda, concurrent invocations are
    /// separate processes.
    ///
    /// # Panics
    ///
    /// If its clients cannot be made.
    pub fn another_process(&self) -> App {
        App::new(&self.settings, &self.aws).expect("the app's clients can be made")
    }

    /// The app in another process that allows webhooks only to the public Internet.
    ///
    /// # Panics
    ///
    /// If its clients cannot be made.
    pub fn process_with_public_webhooks(&self) -> App {
        let mut settings = self.settings.clone();
        settings.policy.private_webhooks = false;
        App::new(&settings, &self.aws).expect("the app's clients can be made")
    }

    /// The app in a process that starts while there is no engine.
    pub fn process_without_engine(&self) -> Result<App, StartError> {
        let socket = std::env::temp_dir().join("containerlease-no-such-folder/engine.sock");
        let settings = Settings {
            engine: EngineAddress::Unix(socket),
            ..self.settings.clone()
        };
        App::new(&settings, &self.aws)
    }

    /// The proxy in front of the table.
    pub fn table_proxy(&self) -> &Proxy {
        self.table_proxy.as_ref().expect("the app is proxied")
    }

    /// The proxy in front of the engine.
    pub fn engine_proxy(&self) -> &Proxy {
        self.engine_proxy.as_ref().expect("the app is proxied")
    }

    /// A reaper on the app's clients.
    pub fn reaper(&self) -> Reaper {
        cleanup::reaper(&self.app, LOOK_AHEAD, CancellationToken::new())
    }

    /// One run of the reaper, now.
    ///
    /// # Panics
    ///
    /// If it cannot read the table.
    pub async fn reap(&self) -> Report {
        let now = Time::now();
        run(&self.reaper(), now, now.plus(Duration::from_secs(60)))
            .await
            .expect("the reaper runs")
    }

    /// One run of the reaper for orphans only, as if it were `ahead` later. A container's
    /// creation time at the engine cannot be changed, so the clock is set forward instead.
    /// The run has no time for leases, which a reaper in the future must not end.
    pub async fn reap_strays(&self, ahead: Duration) -> Report {
        let now = Time::now();
        let stop_at = now.plus(STRAYS_LIMIT);
        run(&self.reaper(), now.plus(ahead), stop_at)
            .await
            .expect("the reaper runs")
    }

    /// Two runs of the reaper, a minute apart. Whatever they leave behind has leaked: the
    /// table is aged, and the clock for orphans set forward, until every claim, provision and
    /// grace is over.
    pub async fn two_ticks(&self) -> [Report; 2] {
        self.table.age(Duration::from_secs(125)).await;
        let mut first = self.reap().await;
        let strays = self.reap_strays(Duration::from_secs(61)).await;
        first.orphans_removed += strays.orphans_removed;
        self.table.age(Duration::from_secs(60)).await;
        // Orphans first: a run at the present time finds them too young and forgets that it
        // saw them.
        let strays = self.reap_strays(Duration::from_secs(122)).await;
        let mut second = self.reap().await;
        second.orphans_removed += strays.orphans_removed;
        [first, second]
    }

    /// The owner's lease in the table.
    ///
    /// # Panics
    ///
    /// If there is no such lease.
    pub async fn lease(&self, owner: &Owner, id: &str) -> Lease {
        let id: LeaseId = id.parse().expect("the id is a lease's");
        let lease = self.table.store().get(owner, &id).await;
        lease
            .expect("the table can be read")
            .expect("the lease is there")
    }
}
