//! Many leases with faults, several reapers and kills: nothing may be left of them.
//!
//! Half of the leases are made over the server's API, half by a process without a server,
//! whose calls are sometimes cut off as if it had died. Proxies in front of the engine and the
//! table delay, cut and refuse requests, and lose answers. The server reaps, and so do two
//! processes that do nothing else; all of them are killed now and then.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use aws_config::SdkConfig;
use containerlease_functions::{
    app::{App, init_log},
    cleanup,
};
use containerlease_shared::{
    capacity::Amounts,
    cleanup::Reaper,
    lease::{Reason, State},
    names::{LeaseId, Owner},
    provision, request,
    settings::{LocalSettings, Settings},
    time::Time,
};
use containerlease_testkit::{
    proxy::{Fault, Proxy, Seen},
    table,
};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::{process::Command, task::JoinSet, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::{
    Fallible, Options,
    engine::{Engine, Watch, as_millis},
    figures::{Figures, number},
    leases, machine, picture,
    result::{Goal, Outcome, texts},
    say,
    server::{Api, Plan, Server, UNBOUNDED},
};

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

/// How many of a thousand calls to the engine or the table meet each fault.
const PER_MILLE: usize = 6;

/// Time limit from the last lease made until all are gone.
const DRAIN_LIMIT: Duration = Duration::from_secs(1_200);

/// The upper bounds of the histogram's bars, in milliseconds, and their names.
const BARS: [(f64, &str); 10] = [
    (250.0, "0.25 s"),
    (500.0, "0.5 s"),
    (1_000.0, "1 s"),
    (2_000.0, "2 s"),
    (5_000.0, "5 s"),
    (10_000.0, "10 s"),
    (30_000.0, "30 s"),
    (60_000.0, "1 min"),
    (120_000.0, "2 min"),
    (f64::INFINITY, "more"),
];

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
    let plan = Plan::new(options, engine)?
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

// --- faults ---------------------------------------------------------------------------------

/// Chooses a random fault, or none, for each request, and counts it.
fn faults(
    of: &'static str,
    tally: &Tally,
    refusal: fn(&Seen, usize) -> (&'static str, Fault),
) -> impl Fn(&Seen) -> Fault + Send + Sync + 'static {
    let tally = tally.clone();
    move |seen| {
        let dice = fastrand::usize(0..1_000);
        let delay = Duration::from_millis(fastrand::u64(50..2_000));
        let (name, fault) = match dice / PER_MILLE {
            0 => ("delayed", Fault::Delayed(delay)),
            1 => ("cut", Fault::Cut),
            2 => ("answer lost", Fault::AnswerLost),
            // Fewer stalls, because each costs its caller the whole time limit.
            3 if dice.is_multiple_of(3) => (
                "stalled after it was done",
                Fault::NeverAnswered(Box::new(|| {})),
            ),
            3 if dice % 3 == 1 => ("stalled", Fault::NeverSent(Box::new(|| {}))),
            4 | 5 => refusal(seen, dice),
            _ => return Fault::None,
        };
        tally.add(format!("{of}: {name}"));
        fault
    }
}

fn engine_fault(seen: &Seen, dice: usize) -> (&'static str, Fault) {
    let (status, name, message) = if dice.is_multiple_of(2) {
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            "status 500",
            "something went wrong",
        )
    } else if seen.is("DELETE", "/containers/") {
        let message = "removal of container x is already in progress";
        (StatusCode::CONFLICT, "status 409", message)
    } else {
        (StatusCode::CONFLICT, "status 409", "conflict")
    };
    let body = json!({"message": message}).to_string();
    (name, Fault::Answered(status, body))
}

fn table_fault(_: &Seen, dice: usize) -> (&'static str, Fault) {
    let (status, name, kind) = if dice.is_multiple_of(2) {
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            "status 500",
            "InternalServerError",
        )
    } else {
        let kind = "ProvisionedThroughputExceededException";
        (StatusCode::BAD_REQUEST, "throttled", kind)
    };
    let kind = format!("com.amazonaws.dynamodb.v20120810#{kind}");
    let body = json!({"__type": kind, "message": "the soak wants it so"}).to_string();
    (name, Fault::Answered(status, body))
}

// --- processes ------------------------------------------------------------------------------

async fn server_that_dies(
    plan: Plan,
    mut server: Server,
    tally: Tally,
    stop: CancellationToken,
) -> Fallible<()> {
    while !stopped_within(&stop, 30..70).await {
        server.kill().await?;
        tally.add("kills of the server");
        tokio::time::sleep(Duration::from_millis(fastrand::u64(500..3_000))).await;
        server = plan.start().await?;
    }
    // The next server needs this one's address.
    server.kill().await
}

struct ReaperProcess {
    engine: Engine,
    engine_socket: PathBuf,
    /// The URL of the table.
    table: String,
    log: PathBuf,
}

async fn reaper_that_dies(
    reaper: ReaperProcess,
    tally: Tally,
    stop: CancellationToken,
) -> Fallible<()> {
    loop {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&reaper.log)?;
        let mut child = Command::new(std::env::current_exe()?)
            .arg("reap")
            .env_clear()
            .env("CONTAINERLEASE_DEPLOYMENT", reaper.engine.deployment())
            .env("CONTAINERLEASE_TABLE", table::NAME)
            .env("CONTAINERLEASE_TICK_SECONDS", TICK.as_secs().to_string())
            .env(
                "CONTAINERLEASE_LOOK_AHEAD_SECONDS",
                LOOK_AHEAD.as_secs().to_string(),
            )
            .env(
                "DOCKER_HOST",
                format!("unix://{}", reaper.engine_socket.display()),
            )
            .env("AWS_ENDPOINT_URL", &reaper.table)
            .env("AWS_REGION", "local")
            .env("AWS_ACCESS_KEY_ID", "local")
            .env("AWS_SECRET_ACCESS_KEY", "local")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let told_to_stop = stopped_within(&stop, 15..60).await;
        if let Some(status) = child.try_wait()? {
            return Err(format!("a reaper ended with {status}").into());
        }
        child.kill().await?;
        if told_to_stop {
            return Ok(());
        }
        tally.add("kills of a reaper");
    }
}

/// Waits for some of these seconds. Returns whether the soak was stopped meanwhile.
async fn stopped_within(stop: &CancellationToken, seconds: std::ops::Range<u64>) -> bool {
    let while_it_lives = Duration::from_secs(fastrand::u64(seconds));
    let stopped = tokio::time::timeout(while_it_lives, stop.cancelled()).await;
    stopped.is_ok()
}

/// A process that only reaps, like the scheduled function, with the environment's settings.
pub async fn reap() -> Fallible<()> {
    init_log();
    let tick = LocalSettings::from_env()?.tick;
    let (app, settings, _) = App::from_env().await?;
    let reaper = cleanup::reaper(&app, settings.look_ahead, CancellationToken::new());
    reap_every(tick, reaper).await;
    Ok(())
}

/// Runs the reaper every `tick`, for ever. Runs may overlap.
pub async fn reap_every(tick: Duration, reaper: Reaper) {
    let reaper = Arc::new(reaper);
    let mut ticks = tokio::time::interval(tick);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let reaper = Arc::clone(&reaper);
        tokio::spawn(async move {
            let cut_off = Time::now().plus(reaper.look_ahead + 2 * cleanup::MARGIN);
            // Errors are already logged, and the next tick is the retry.
            drop(cleanup::handle(&reaper, cut_off).await);
        });
    }
}

// --- leases ---------------------------------------------------------------------------------

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
        let made =
            provision::provision(self.app.tools(), policy, &owner, &asked, None, Time::now());
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

/// Prints progress every ten seconds, and checks the number of containers.
async fn report(soak: &Soak, engine: &Engine, begun: Instant) -> Fallible<bool> {
    for second in 1_u64.. {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let there = engine.containers().await?.len();
        soak.there.store(there, Ordering::Relaxed);
        if second.is_multiple_of(10) {
            let made = soak.made.load(Ordering::Relaxed);
            let counts = soak.tally.counts();
            let kills = |of: &str| counts.get(&format!("kills of {of}")).copied().unwrap_or(0);
            let (servers, reapers) = (kills("the server"), kills("a reaper"));
            say(format_args!(
                "  {} s: {made} of {} made, {there} there, {servers} servers and {reapers} \
                 reapers killed",
                begun.elapsed().as_secs(),
                soak.total
            ));
        }
    }
    unreachable!("there is always another second")
}

/// Waits until there is no active lease and no container.
async fn drain(engine: &Engine, plan: &Plan) -> Fallible<()> {
    let begun = Instant::now();
    let store = plan.api().store().await;
    let mut second = 0_u64;
    loop {
        let there = engine.containers().await?.len();
        // The table cannot be read while the server restarts.
        let active = store.active().await.ok().map(|leases| leases.items.len());
        if there == 0 && active == Some(0) {
            return Ok(());
        }
        if begun.elapsed() > DRAIN_LIMIT {
            return Err(format!("{there} containers and {active:?} leases are left").into());
        }
        if second.is_multiple_of(10) {
            let active = active.map_or("?".to_owned(), |count| count.to_string());
            say(format_args!(
                "  {active} leases and {there} containers are left"
            ));
        }
        second += 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

// --- what is left ---------------------------------------------------------------------------

/// What is left once all should be gone, and how the leases ended.
struct Left {
    active: usize,
    counted: Amounts,
    containers: usize,
    networks: usize,
    volumes: usize,
    /// Volumes that existed.
    mounted: usize,
    made: usize,
    receipts: usize,
    reasons: BTreeMap<String, usize>,
    /// Milliseconds from an expired lease's end until its container was gone, by events and by
    /// receipts.
    late: Figures,
    by_receipt: Figures,
}

impl Left {
    async fn of(engine: &Engine, plan: &Plan, watch: &Watch) -> Fallible<Self> {
        let store = plan.api().store().await;
        let ids = leases::all_ids(plan.table(), plan.table_key()).await?;
        let ended = leases::ended(&store, &ids, Duration::from_secs(60)).await?;
        let mounted = watch.volumes();
        let gone = watch.gone()?;
        let (mut late, mut by_receipt) = (Vec::new(), Vec::new());
        let (mut receipts, mut reasons) = (0, BTreeMap::new());
        for lease in &ended {
            let State::Ended(receipt) = &lease.state else {
                continue;
            };
            receipts += 1;
            let reason = format!("{:?}", receipt.reason).to_lowercase();
            *reasons.entry(reason).or_default() += 1;
            if receipt.reason != Reason::Expired {
                continue;
            }
            let end = as_millis(lease.expires_at);
            by_receipt.push(as_millis(receipt.removed_at) - end);
            late.extend(gone.get(&lease.id.to_string()).map(|at| at - end));
        }
        Ok(Self {
            active: store.active().await?.items.len(),
            counted: store.counted(&Owner::local()).await?,
            containers: engine.containers().await?.len(),
            networks: engine.networks().await?.len(),
            volumes: engine.volumes_among(&mounted).await?.len(),
            mounted: mounted.len(),
            made: ids.len(),
            receipts,
            reasons,
            late: Figures::of(late),
            by_receipt: Figures::of(by_receipt),
        })
    }

    fn bars(&self) -> Vec<(String, usize)> {
        let mut from = f64::NEG_INFINITY;
        BARS.iter()
            .map(|(to, name)| {
                let late = self.late.sorted().iter();
                let here = late.filter(|ms| (from..*to).contains(*ms)).count();
                from = *to;
                ((*name).to_owned(), here)
            })
            .collect()
    }

    fn goals(&self, never_accepted: usize) -> Vec<Goal> {
        let first = self.late.min();
        vec![
            Goal::new(
                "containers equal active leases",
                format!("{} and {} of {}", self.containers, self.active, self.made),
                self.containers == 0 && self.active == 0,
            ),
            Goal::new(
                "no volume is left",
                format!("{} of {}", self.volumes, self.mounted),
                self.volumes == 0,
            ),
            Goal::new(
                "no network is left but the deployment's, one for each process that makes leases",
                self.networks.to_string(),
                self.networks <= MAKING_PROCESSES,
            ),
            Goal::new(
                "the owner's count is right",
                self.counted.leases.to_string(),
                self.counted == Amounts::default(),
            ),
            Goal::new(
                "every lease has its receipt",
                format!("{} of {}", self.receipts, self.made),
                self.receipts == self.made,
            ),
            Goal::new(
                "never early",
                format!("the first was gone {first:.0} ms after its end"),
                first >= 0.0,
            ),
            Goal::new(
                "DELETE is accepted",
                format!("all but {never_accepted}"),
                never_accepted == 0,
            ),
        ]
    }
}

fn outcome(soak: &Soak, left: &Left, machine: Value, making_took: Duration) -> Outcome {
    let happened = soak.tally.counts();
    let never_accepted = happened.get(NEVER_ACCEPTED).copied().unwrap_or(0);
    let seconds = making_took.as_secs_f64();
    let list = |counts: &BTreeMap<String, usize>| {
        let counts = counts.iter().map(|(what, count)| format!("{what} {count}"));
        counts.collect::<Vec<_>>().join(", ")
    };
    let row = |name: &str, figures: &Figures| {
        let mut row = texts([name]);
        row.extend(figures.cells());
        row
    };
    let mut columns = texts(["from its end to gone, by"]);
    columns.extend(Figures::HEADINGS.map(str::to_owned));
    Outcome {
        name: "soak".to_owned(),
        title: format!(
            "{} leases with faults, kills and several reapers",
            soak.total
        ),
        method: format!(
            "{} leases of 15 s to 2 min, made and ended side by side as fast as the engine can, \
             {MOST_AT_ONCE} at once at the most: {:.1} a second. The server and {REAPERS} more \
             processes reap, each every {} s. What happened: {}. Why leases ended: {}.",
            soak.total,
            number(soak.total) / seconds,
            TICK.as_secs(),
            list(&happened),
            list(&left.reasons),
        ),
        machine,
        columns,
        rows: vec![
            row("the engine's events", &left.late),
            row("our receipts", &left.by_receipt),
        ],
        goals: left.goals(never_accepted),
        data: json!({
            "events": left.late.json(),
            "receipts": left.by_receipt.json(),
            "histogram": left.bars(),
            "happened": happened,
            "reasons": left.reasons,
            "seconds": seconds,
        }),
    }
}
