//! The product's own [`App`] on a table and a place of the test's own.

use std::{path::PathBuf, time::Duration};

use aws_config::SdkConfig;
use containerlease_functions::{
    app::{App, StartError},
    cleanup,
};
use containerlease_shared::{
    capacity::{Amounts, Whose},
    cleanup::{Reaper, Report, run},
    host::{LEASE_LABEL, OWNER_LABEL},
    lease::{Lease, StateName},
    names::{LeaseId, Owner},
    settings::{EngineAddress, Settings},
    time::Time,
    webhook::{DeliveryState, Event, Notification},
};
use tokio_util::sync::CancellationToken;

use crate::{
    place::Place,
    proxy::Proxy,
    receiver::Receiver,
    table::{self, Table},
};

/// How far ahead the tests' reapers take leases on, as the product does by default.
pub const LOOK_AHEAD: Duration = Duration::from_secs(65);

/// How long a run for strange containers only may take, which is less than it is ever put
/// forward.
pub const STRAYS_LIMIT: Duration = Duration::from_secs(40);

/// What a [`Bench`] is to be made of.
#[derive(Clone, Debug)]
pub struct Plan {
    proxied: bool,
    no_engine: bool,
    most_leases: u32,
    most_minutes: u32,
    more: Vec<(&'static str, String)>,
}

impl Default for Plan {
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

/// The product on real parts: its app, and what it stands on.
#[derive(Debug)]
pub struct Bench {
    pub app: App,
    pub table: Table,
    pub place: Place,
    settings: Settings,
    aws: SdkConfig,
    table_proxy: Option<Proxy>,
    engine_proxy: Option<Proxy>,
}

impl Plan {
    /// The app goes through proxies to the table and to the engine.
    pub fn proxied(self) -> Self {
        Self {
            proxied: true,
            ..self
        }
    }

    /// Where the app looks for its engine there is none.
    pub fn without_engine(self) -> Self {
        Self {
            no_engine: true,
            ..self
        }
    }

    /// An owner may hold so many leases at once.
    pub fn most_leases(self, most_leases: u32) -> Self {
        Self {
            most_leases,
            ..self
        }
    }

    /// A lease may live so many minutes, all renewals included.
    pub fn most_minutes(self, most_minutes: u32) -> Self {
        Self {
            most_minutes,
            ..self
        }
    }

    /// With this setting besides.
    pub fn with(mut self, variable: &'static str, value: u32) -> Self {
        self.more.push((variable, value.to_string()));
        self
    }

    /// Its containers are on a network of its own, whatever the engine's default bridge is.
    pub fn on_own_network(mut self) -> Self {
        self.more.push(("CONTAINERLEASE_NETWORK", "own".to_owned()));
        self
    }

    /// Its containers run under that runtime of the engine.
    pub fn under(mut self, runtime: &str) -> Self {
        self.more
            .push(("CONTAINERLEASE_RUNTIME", runtime.to_owned()));
        self
    }

    /// Ports are bound to `address`, and callers are told that they reach them at `host`.
    pub fn advertising(mut self, address: &str, host: &str) -> Self {
        for (variable, value) in [
            ("CONTAINERLEASE_PUBLISH_ADDRESS", address),
            ("CONTAINERLEASE_ADVERTISED_HOST", host),
        ] {
            self.more.push((variable, value.to_owned()));
        }
        self
    }

    /// Webhooks may go to this machine.
    pub fn private_webhooks(mut self) -> Self {
        let setting = ("CONTAINERLEASE_WEBHOOK_PRIVATE", true.to_string());
        self.more.push(setting);
        self
    }

    /// Makes it.
    pub async fn build(self) -> Bench {
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
            let mut pairs = pairs.iter().chain(&self.more);
            let pair = pairs.find(|(name, _)| *name == variable)?;
            Some(pair.1.clone())
        });
        let settings = settings.expect("the test's settings are right");
        Bench {
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

fn sum(whose: Whose, leases: &[Lease]) -> Amounts {
    let counts = leases.iter().map(|lease| whose.counts(lease));
    counts.fold(Amounts::default(), Amounts::plus)
}

fn socket_of(engine: &EngineAddress) -> PathBuf {
    match engine {
        EngineAddress::Unix(path) => path.clone(),
        EngineAddress::Tls { .. } => unreachable!("a place is on a unix socket only"),
    }
}

impl Bench {
    /// The app on a table and an engine, with nothing in between.
    pub async fn new() -> Self {
        Plan::default().build().await
    }

    /// The app on a table and an engine, with a proxy before each.
    pub async fn proxied() -> Self {
        Plan::default().proxied().build().await
    }

    /// The app as another process has it, with clients of its own: on Lambda every
    /// invocation that runs at the same moment is one.
    ///
    /// # Panics
    ///
    /// Where its clients cannot be made.
    pub fn another_process(&self) -> App {
        App::new(&self.settings, &self.aws).expect("the app's clients can be made")
    }

    /// The app as a process has it whose webhooks go to the public internet alone.
    ///
    /// # Panics
    ///
    /// Where its clients cannot be made.
    pub fn process_with_public_webhooks(&self) -> App {
        let mut settings = self.settings.clone();
        settings.policy.private_webhooks = false;
        App::new(&settings, &self.aws).expect("the app's clients can be made")
    }

    /// The app as a process would have it that starts while there is no engine at all.
    pub fn process_without_engine(&self) -> Result<App, StartError> {
        let socket = std::env::temp_dir().join("containerlease-no-such-folder/engine.sock");
        let settings = Settings {
            engine: EngineAddress::Unix(socket),
            ..self.settings.clone()
        };
        App::new(&settings, &self.aws)
    }

    /// The proxy before the table.
    pub fn table_proxy(&self) -> &Proxy {
        self.table_proxy.as_ref().expect("the bench is proxied")
    }

    /// The proxy before the engine.
    pub fn engine_proxy(&self) -> &Proxy {
        self.engine_proxy.as_ref().expect("the bench is proxied")
    }

    /// A reaper on the app's clients.
    pub fn reaper(&self) -> Reaper {
        cleanup::reaper(&self.app, LOOK_AHEAD, CancellationToken::new())
    }

    /// One run of the reaper, now.
    ///
    /// # Panics
    ///
    /// Where it could not read the table.
    pub async fn reap(&self) -> Report {
        let now = Time::now();
        run(&self.reaper(), now, now.plus(Duration::from_secs(60)))
            .await
            .expect("the reaper runs")
    }

    /// One run of the reaper for strange containers only, as if it were `ahead` later: the
    /// engine's time of a container's making cannot be changed, so the clock is put forward
    /// instead. The run has no time for leases, which a reaper in the future must not end.
    pub async fn reap_strays(&self, ahead: Duration) -> Report {
        let now = Time::now();
        let stop_at = now.plus(STRAYS_LIMIT);
        run(&self.reaper(), now.plus(ahead), stop_at)
            .await
            .expect("the reaper runs")
    }

    /// Two runs of the reaper, a minute apart: what they leave, stays. The table is made
    /// older and the look at containers is put forward by so much that every claim, every
    /// provision and every grace is over.
    pub async fn two_ticks(&self) -> [Report; 2] {
        self.table.age(Duration::from_secs(125)).await;
        let mut first = self.reap().await;
        let strays = self.reap_strays(Duration::from_secs(61)).await;
        first.orphans_removed += strays.orphans_removed;
        self.table.age(Duration::from_secs(60)).await;
        // The strays first: for a run that is not put forward they are too young to have
        // been seen, and it forgets them.
        let strays = self.reap_strays(Duration::from_secs(122)).await;
        let mut second = self.reap().await;
        second.orphans_removed += strays.orphans_removed;
        [first, second]
    }

    /// The owner's lease as it lies in the table.
    ///
    /// # Panics
    ///
    /// Where there is no such lease.
    pub async fn lease(&self, owner: &Owner, id: &str) -> Lease {
        let id: LeaseId = id.parse().expect("the id is a lease's");
        let lease = self.table.store().get(owner, &id).await;
        lease
            .expect("the table can be read")
            .expect("the lease is there")
    }

    /// Makes sure that every container has a record: it is written first, and stays. Without
    /// it nobody but the search for strays would find the container again. `what` is for the
    /// message.
    ///
    /// # Panics
    ///
    /// Where a container has no record.
    pub async fn assert_all_recorded(&self, what: &str) {
        let store = self.table.store();
        for container in self.place.containers().await {
            let labels = container.labels.unwrap_or_default();
            let owner = labels.get(OWNER_LABEL).cloned().unwrap_or_default();
            let owner = Owner::try_from(owner).expect("the label names an owner");
            let id = labels.get(LEASE_LABEL).and_then(|id| id.parse().ok());
            let id = id.expect("the label names a lease");
            let lease = store.get(&owner, &id).await;
            let lease = lease.expect("the table can be read");
            assert!(
                lease.is_some(),
                "{what}: the container of {id} has no record"
            );
        }
    }

    /// Makes sure that nothing has leaked and nothing is stuck: every container has an active
    /// lease, every active lease runs and has a container, the reaper looks at it at its end
    /// at the latest, and what is counted with the owner and on the host is what the active
    /// leases take up. `what` is for the message.
    ///
    /// # Panics
    ///
    /// Where something has leaked or is stuck.
    pub async fn assert_nothing_leaked(&self, owner: &Owner, what: &str) {
        let store = self.table.store();
        let leases = store.active_of(owner).await.expect("the table can be read");
        let mut leased: Vec<_> = leases
            .iter()
            .map(|lease| format!("/containerlease-{}", lease.id))
            .collect();
        leased.sort();
        let mut there: Vec<_> = self
            .place
            .containers()
            .await
            .into_iter()
            .flat_map(|container| container.names.unwrap_or_default())
            .collect();
        there.sort();
        assert_eq!(there, leased, "{what}: containers and active leases differ");
        assert!(
            leases
                .iter()
                .all(|lease| lease.state_name() == StateName::Running),
            "{what}: {leases:?} are not running"
        );
        for lease in &leases {
            let due_at = lease.due_at();
            let in_bounds = due_at.is_some_and(|due| due <= lease.hard_deadline);
            assert!(in_bounds, "{what}: nothing moves {lease:?} on");
        }
        let mut ids: Vec<_> = leases.iter().map(|lease| lease.id).collect();
        let due = store.active().await.expect("the table can be read").items;
        let of_owner = due.iter().filter(|lease| lease.owner == *owner);
        let mut due: Vec<_> = of_owner.map(|lease| lease.id).collect();
        ids.sort();
        due.sort();
        assert_eq!(
            due, ids,
            "{what}: the reaper does not see what its owner does"
        );
        self.assert_counted(owner, what).await;
    }

    /// Makes sure that owners were told of every end and will be warned before every other, as
    /// it was asked for, and that `receiver` has heard of each end. `what` is for the message.
    ///
    /// # Panics
    ///
    /// Where they were not.
    pub async fn assert_told(&self, owner: &Owner, receiver: &Receiver, what: &str) {
        let store = self.table.store();
        let leases = store.page_of(owner, None, 100, |_| true).await;
        let heard: Vec<_> = receiver.messages();
        for lease in leases.expect("the table can be read").leases {
            let told = store.notifications_of(&lease.id).await;
            let told = told.expect("the table can be read");
            let what = format!("{what}: {:?} of {lease:?}", &told);
            let of = |event| told.iter().find(|told| told.event == event);
            if lease.webhook.is_none() || lease.placement.is_none() {
                assert!(told.is_empty(), "{what}");
                continue;
            }
            let (warning, ended) = (of(Event::Expiring), of(Event::Ended));
            if lease.state_name() == StateName::Ended {
                let ended = ended.unwrap_or_else(|| panic!("{what}"));
                assert_eq!(ended.state, DeliveryState::Delivered, "{what}");
                let id = ended.id();
                assert!(
                    heard.iter().any(|it| it.header("webhook-id") == id),
                    "{what}"
                );
                let warned = warning.is_some_and(|it| it.state == DeliveryState::Pending);
                assert!(!warned, "{what}");
            } else {
                assert!(ended.is_none(), "{what}");
                let warning = warning.map(|warning| warning.at);
                assert_eq!(
                    warning,
                    Notification::warning(&lease).map(|it| it.at),
                    "{what}"
                );
            }
        }
    }

    /// Makes sure that what is counted with the owner and on the host is what the active
    /// leases take up. `what` is for the message.
    ///
    /// # Panics
    ///
    /// Where it is not.
    pub async fn assert_counted(&self, owner: &Owner, what: &str) {
        let store = self.table.store();
        let leases = store.active_of(owner).await.expect("the table can be read");
        let counted = store.counted(owner).await.expect("the count can be read");
        let held = sum(Whose::Owner, &leases);
        assert_eq!(counted, held, "{what}: the owner's count is wrong");
        let all = store.active().await.expect("the table can be read").items;
        let counted = store.counted_on_host().await;
        let counted = counted.expect("the count can be read");
        let held = sum(Whose::Host, &all);
        assert_eq!(counted, held, "{what}: the host's count is wrong");
    }
}
