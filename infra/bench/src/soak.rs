//! Many leases with faults, several reapers and kills: nothing may be left of them.
//!
//! Half of the leases are made over the server's API, half by a process without a server,
//! whose calls are sometimes cut off as if it had died. Proxies in front of the engine and the
//! table delay, cut and refuse requests, and lose answers. The server reaps, and so do two
//! processes that do nothing else; all of them are killed now and then.

mod faults;
mod processes;
mod report;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use aws_config::SdkConfig;
use containerlease_domain::{
    names::{LeaseId, Owner},
    request,
    time::Time,
};
use containerlease_functions::app::App;
use containerlease_service::leasing::provision;
use containerlease_settings::Settings;
use containerlease_testkit::{proxy::Proxy, table};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    Fallible, Options,
    engine::Engine,
    machine, picture, say,
    server::{Api, ServerOptions, UNBOUNDED},
};

use faults::{engine_fault, faults, table_fault};
use processes::{ReaperProcess, reaper_that_dies, server_that_dies};
use report::{Left, drain, outcome, report};

pub use processes::{reap, reap_every};

/// Maximum number of containers at once; memory is the limit.
const MOST_AT_ONCE: usize = 250;

/// Number of leases made concurrently.
const MAKERS: usize = 6;

/// Number of processes that reap, besides the server.
const REAPERS: usize = 2;

/// The server and the process without one both make the deployment's network if it is missing.
/// At the same moment the engine lets them make two, and either works.
const MAKING_PROCESSES: usize = 2;

/// How often each process reaps, and how far ahead. Leases here are shorter than the product's
/// minimum, and yet several runs of each process overlap.
const TICK: Duration = Duration::from_secs(10);
const LOOK_AHEAD: Duration = Duration::from_secs(15);

const NEVER_ACCEPTED: &str = "deletions that were never accepted";

/// Counts of events, by name.
#[derive(Clone, Debug, Default)]
struct Tally(Arc<Mutex<BTreeMap<String, usize>>>);

impl Tally {
    fn add(&self, what: impl Into<String>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(what.into()).or_default() += 1;
    }

    fn counts(&self) -> BTreeMap<String, usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Shared state of a soak's tasks.
#[derive(Clone)]
struct Soak {
    /// The server's API.
    api: Api,
    /// The app of a process without a server, behind both proxies.
    app: App,
    tally: Tally,
    made: Arc<AtomicUsize>,
    there: Arc<AtomicUsize>,
    total: usize,
}

/// Runs the soak and checks what is left.
pub async fn measure(options: &Options, engine: &Engine) -> Fallible<bool> {
    let machine = machine::facts(engine).await;
    let options = &Options {
        tick: TICK,
        ..options.clone()
    };
    let tally = Tally::default();
    let engine_proxy = Proxy::before_unix(engine.socket());
    let plan = ServerOptions::new(options, engine)?
        .look_ahead(LOOK_AHEAD)
        .through(engine_proxy.unix());
    let table_proxy = Proxy::before_tcp(plan.table()).await;
    let table_aws = table::aws_at(table_proxy.tcp(), plan.table_key()).await;
    let server = plan.start().await?;
    let watch = engine.watch().await?;
    let soak = Soak {
        api: plan.api(),
        app: app(engine, &engine_proxy, &table_aws)?,
        tally: tally.clone(),
        made: Arc::default(),
        there: Arc::default(),
        total: options.leases,
    };
    let begun = Instant::now();
    engine_proxy.on_each(faults("engine", &tally, engine_fault));
    table_proxy.on_each(faults("table", &tally, table_fault));

    // However this function ends, it drops the sets and thereby kills the processes.
    let stop = CancellationToken::new();
    let mut processes = JoinSet::new();
    processes.spawn(server_that_dies(
        plan.clone(),
        server,
        tally.clone(),
        stop.clone(),
    ));
    for index in 0..REAPERS {
        let reaper = ReaperProcess {
            engine: engine.clone(),
            engine_socket: engine_proxy.unix().to_owned(),
            table: containerlease_table::endpoint(table_proxy.tcp(), plan.table_key()),
            log: plan.folder().join(format!("reaper-{index}.log")),
        };
        processes.spawn(reaper_that_dies(reaper, tally.clone(), stop.clone()));
    }
    let mut makers = JoinSet::new();
    for _ in 0..MAKERS {
        makers.spawn(soak.clone().make());
    }
    let making = async {
        let mut owners = JoinSet::new();
        while let Some(made) = makers.join_next().await {
            let mut of_one = made??;
            owners.spawn(async move { while of_one.join_next().await.is_some() {} });
        }
        let took = begun.elapsed();
        while owners.join_next().await.is_some() {}
        Ok::<_, crate::Problem>(took)
    };
    let making_took = tokio::select! {
        took = making => took?,
        ended = processes.join_next() => return Err(format!("a process ended: {ended:?}").into()),
        never = report(&soak, engine, begun) => return never,
    };

    say("  all are made; the faults end, and what is left has to go");
    engine_proxy.heal();
    table_proxy.heal();
    drain(engine, &plan).await?;
    stop.cancel();
    while let Some(ended) = processes.join_next().await {
        ended??;
    }
    let last_server = plan.start().await?;
    let left = Left::of(engine, &plan, &watch).await?;
    drop(last_server);
    let outcome = outcome(&soak, &left, machine, making_took);
    let x = "at most so long after its end a lease's container was gone";
    let picture = picture::bars(&outcome.title, x, "leases that expired", &left.bars());
    outcome.publish(&options.out, &picture)?;
    Ok(outcome.holds())
}

fn app(engine: &Engine, engine_proxy: &Proxy, aws: &SdkConfig) -> Fallible<App> {
    let pairs = [
        ("CONTAINERLEASE_DEPLOYMENT", engine.deployment().to_owned()),
        ("CONTAINERLEASE_TABLE", table::NAME.to_owned()),
        (
            "DOCKER_HOST",
            format!("unix://{}", engine_proxy.unix().display()),
        ),
    ];
    let settings = Settings::parse(|variable| {
        let pair = pairs.iter().find(|(name, _)| *name == variable);
        let unbounded = UNBOUNDED.iter().find(|(name, _)| *name == variable);
        let unbounded = unbounded.map(|(_, value)| (*value).to_owned());
        pair.map(|(_, value)| value.clone()).or(unbounded)
    })?;
    Ok(App::new(&settings, aws)?)
}

impl Soak {
    /// Makes the requested number of leases. The returned set holds the tasks of their owners,
    /// which go on.
    async fn make(self) -> Fallible<JoinSet<()>> {
        let mut owners = JoinSet::new();
        while self.made.load(Ordering::Relaxed) < self.total {
            while self.there.load(Ordering::Relaxed) >= MOST_AT_ONCE {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            let over_the_api = fastrand::bool();
            let made = if over_the_api {
                self.over_the_api().await
            } else {
                self.by_a_function().await?
            };
            let Some(id) = made else { continue };
            self.made.fetch_add(1, Ordering::Relaxed);
            self.there.fetch_add(1, Ordering::Relaxed);
            owners.spawn(self.clone().own(id));
            while owners.try_join_next().is_some() {}
        }
        Ok(owners)
    }

    async fn over_the_api(&self) -> Option<LeaseId> {
        let made = self.api.provision(image(), 1).await.ok();
        if made.is_none() {
            self.tally.add("leases that could not be made over the API");
            // A killed server needs a moment to restart.
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        made
    }

    async fn by_a_function(&self) -> Fallible<Option<LeaseId>> {
        let body = json!({"imageType": image(), "durationMinutes": 1}).to_string();
        let (policy, owner) = (&self.app.policy, Owner::local());
        let mut asked = request::Provision::parse(body.as_bytes(), &self.app.catalogue, policy)
            .map_err(|refused| format!("{refused:?}"))?;
        asked.duration = Duration::from_millis(fastrand::u64(15_000..45_000));
        let made = provision::provision(self.app.deps(), policy, &owner, &asked, None, Time::now());
        let limit = if fastrand::usize(0..20) == 0 {
            Duration::from_millis(fastrand::u64(0..600))
        } else {
            Duration::from_secs(60)
        };
        match tokio::time::timeout(limit, made).await {
            Ok(Ok(lease)) => Ok(Some(lease.id)),
            Ok(Err(_)) => {
                self.tally
                    .add("leases that could not be made by a function");
                tokio::time::sleep(Duration::from_millis(500)).await;
                Ok(None)
            }
            Err(_) => {
                self.tally.add("functions cut off while they made a lease");
                Ok(None)
            }
        }
    }

    /// Acts as the lease's owner, who mostly does nothing.
    async fn own(self, id: LeaseId) {
        let dice = fastrand::usize(0..10);
        if dice > 3 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..30_000))).await;
        if dice == 3 {
            if matches!(self.api.renew(&id).await, Ok(true)) {
                self.tally.add("renewals");
            }
            return;
        }
        for _ in 0..20 {
            if matches!(self.api.delete(&id).await, Ok(true)) {
                self.tally.add("deletions");
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        self.tally.add(NEVER_ACCEPTED);
    }
}

/// One in eight has a volume and a published port.
fn image() -> &'static str {
    if fastrand::usize(0..8) == 0 {
        "redis"
    } else {
        "alpine"
    }
}
