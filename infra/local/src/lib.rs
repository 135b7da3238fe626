//! The one-machine server: the API, the schedule, the table and the dashboard in one process, for a
//! machine without AWS. `containerlease serve` runs it; its settings come from the environment.
//!
//! It replaces API Gateway, EventBridge Scheduler and DynamoDB, and nothing else: the handlers are
//! those that run on Lambda, and they get the same events.
//!
//! # Layout
//!
//! - [`folder`]: the data folder, which only its user may access.
//! - [`table`]: DynamoDB, embedded, on a file.
//! - [`connections`]: TCP, and HTTP/1.1 on it.
//! - [`body`]: reads a request's body, up to a limit.
//! - [`callers`]: who may call.
//! - [`gateway`]: API Gateway's HTTP API: routes.
//! - [`sockets`]: API Gateway's WebSocket API: connections; [`ended`]: how they end.
//! - [`event`]: builds the functions' events from requests and messages.
//! - [`schedule`]: the tickers that run the reaper.
//! - [`engine_events`]: handles the engine's events, such as a container's exit.
//! - [`overfull`]: leases that use more disk than they may.
//! - [`purge`]: deletes expired records, as DynamoDB's TTL does.
//! - [`room`]: reserves disk space for the table, and handles a full disk.
//! - [`metrics`]: counters for Prometheus.
//! - [`dashboard`]: the built page.
//! - [`greeting`]: the banner of a server that is up.
//! - [`tasks`]: tasks that outlive their caller, and what a panic does.

mod body;
mod callers;
mod connections;
mod dashboard;
mod ended;
mod engine_events;
mod event;
mod folder;
mod gateway;
mod greeting;
mod metrics;
mod overfull;
mod purge;
mod room;
mod schedule;
mod sockets;
mod table;
mod tasks;

use std::{
    io::IsTerminal,
    sync::{Arc, OnceLock},
    time::Duration,
};

use containerlease_domain::clock;
use containerlease_functions::{
    app::{App, StartError, aws_defaults},
    jobs::cleanup,
    warning::Warning,
};
use containerlease_service::reaper::{Reaper, release_claims};
use containerlease_settings::{Firewall, LocalSettings, Settings, SettingsError};
use containerlease_table::Inside;
use thiserror::Error;
use tokio::{net::TcpListener, signal::unix::SignalKind, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{layer::SubscriberExt as _, util::SubscriberInitExt as _};

use callers::Callers;
use gateway::Gateway;
use metrics::Metrics;
use room::Place;
use sockets::Sockets;
use table::Table;
use tasks::{Tasks, keep_running};

pub use table::TableError;

/// How long started requests and ends may take after the server was told to stop.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(20);

/// Why the server does not start, in a sentence that says what to do.
#[derive(Debug, Error)]
pub enum ServeError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Table(#[from] TableError),
    #[error("cannot listen for signals: {0}")]
    Signals(std::io::Error),
    #[error(
        "cannot listen on {address} ({error}): stop what listens there, or choose another \
         address with CONTAINERLEASE_LISTEN"
    )]
    Listen {
        address: std::net::SocketAddr,
        error: std::io::Error,
    },
}

/// Serves until TERM or INT tells the process to stop. Prints its address to standard output, and
/// logs to standard error.
///
/// # Panics
///
/// Panics if this process already has a logger: the log belongs to the whole process.
pub async fn serve() -> Result<(), ServeError> {
    set_up_process();
    let (settings, local) = read_settings()?;
    let stop = stop_on_signal().map_err(ServeError::Signals)?;

    // The address first: a second server must not reach the first one's table.
    let listen = |error| ServeError::Listen {
        address: local.listen,
        error,
    };
    let listener = TcpListener::bind(local.listen).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;

    let table = Table::open(&local).await?;
    let place = Arc::new(OnceLock::<Place>::new());
    let relief = Arc::clone(&place);
    let relief = move || relief.get().is_some_and(Place::give_way);
    let inside = Inside::of(table.database()).relieved_by(relief);
    let aws = containerlease_table::by_way_of(aws_defaults(), inside);
    let aws = aws.load().await;
    let mut app = App::new(&settings, &aws)?;
    if local.firewall == Firewall::Missing {
        app.warnings.push(Warning::FIREWALL_MISSING);
    }
    app.store.create_table().await.map_err(TableError::from)?;
    app.store.keep_tokens().await.map_err(TableError::from)?;
    let room = app.store.room();
    let place = place.get_or_init(|| table.place(room.clone())).clone();
    place.answer_probes(table.database(), settings.table.clone());

    let metrics = Arc::new(Metrics::new(
        Arc::clone(&app.follows),
        Arc::clone(&app.host),
    ));
    tasks::count_panics(metrics.panics());
    let tasks = Tasks::default();
    let sockets = Sockets::start(app.clone(), tasks.clone(), settings.relay_time);
    let callers = Callers::of(&local.data, address).map_err(|error| TableError::Folder {
        path: local.data.clone(),
        error,
    })?;
    let callers = Arc::new(callers);
    let gateway = Gateway::new(
        Arc::clone(&callers),
        app.clone(),
        sockets.clone(),
        tasks.clone(),
        address,
    );
    let gateway = Arc::new(gateway);
    let of_ends = Arc::clone(&metrics);
    app.store
        .observe_ends(move |receipt| of_ends.count_end(receipt));
    let router = gateway::router(gateway, Arc::clone(&metrics), &local.dashboard);

    begin_anew(&settings, &local, &app).await;
    let ending = CancellationToken::new();
    let mut reaper = cleanup::reaper(&app, settings.look_ahead, ending.clone());
    reaper.measures_disks = false;
    let reaper = Arc::new(reaper);
    let events = listen_to_the_engine(&reaper, &metrics, &ending);
    let measuring = measure_disks(&reaper, &metrics, &ending);
    let ended = ending.clone();
    let schedule = tokio::spawn(keep_running("the schedule", move || {
        schedule::run(
            Arc::clone(&reaper),
            Arc::clone(&metrics),
            local.tick,
            ended.clone(),
        )
    }));
    // On its own, since nothing waits for it; the next start does what is left.
    let (database, table_name, ended) = (table.database(), settings.table.clone(), ending.clone());
    let purging = tokio::spawn(keep_running("the purge", move || {
        purge::run(database.clone(), table_name.clone(), ended.clone())
    }));

    let (database, table_name, ended) = (table.database(), settings.table.clone(), ending.clone());
    let keeping = tokio::spawn(keep_running("the look at the disk", move || {
        let (database, table_name) = (database.clone(), table_name.clone());
        place.clone().keep(database, table_name, ended.clone())
    }));

    greeting::greet(&settings, &local, address, &table, &callers, &app).await;
    let listener = Arc::new(listener);
    let (serving, stopping) = (tasks.clone(), stop.clone());
    let server = tokio::spawn(keep_running("the listener", move || {
        let (listener, router) = (Arc::clone(&listener), router.clone());
        let (tasks, stop) = (serving.clone(), stopping.clone());
        async move { connections::serve(&listener, router, tasks, stop).await }
    }));

    stop.cancelled().await;
    tracing::info!("stopping: what has begun is finished first");
    ending.cancel();
    sockets.close_all();
    let finished = tokio::time::timeout(SHUTDOWN_LIMIT, async {
        for task in [schedule, events, measuring, purging, keeping, server] {
            // No task returns an error that could still be handled here.
            drop(task.await);
        }
        tasks.finish().await;
    });
    if finished.await.is_err() {
        tracing::warn!("not all was finished in time; the next start goes on with it");
    }
    drop(app);
    table.close();
    Ok(())
}

fn listen_to_the_engine(
    reaper: &Arc<Reaper>,
    metrics: &Arc<Metrics>,
    ending: &CancellationToken,
) -> JoinHandle<()> {
    let (reaper, metrics) = (Arc::clone(reaper), Arc::clone(metrics));
    let ending = ending.clone();
    tokio::spawn(keep_running("listening to the engine", move || {
        engine_events::listen(Arc::clone(&reaper), Arc::clone(&metrics), ending.clone())
    }))
}

fn measure_disks(
    reaper: &Arc<Reaper>,
    metrics: &Arc<Metrics>,
    ending: &CancellationToken,
) -> JoinHandle<()> {
    let (reaper, metrics) = (Arc::clone(reaper), Arc::clone(metrics));
    let ending = ending.clone();
    tokio::spawn(keep_running("measuring disks", move || {
        overfull::watch(Arc::clone(&reaper), Arc::clone(&metrics), ending.clone())
    }))
}

/// Takes over what an earlier server left unfinished, and logs how the settings affect the
/// promises.
async fn begin_anew(settings: &Settings, local: &LocalSettings, app: &App) {
    // This is the table's only server, so nobody holds the claims of an earlier one any more.
    match release_claims(&app.store).await {
        Ok(0) => {}
        Ok(released) => tracing::info!(released, "took over ends that were left unfinished"),
        Err(error) => tracing::warn!(%error, "could not take over unfinished ends at once"),
    }

    if settings.look_ahead.is_zero() {
        let tick = local.tick.as_secs();
        tracing::warn!(
            "CONTAINERLEASE_LOOK_AHEAD_SECONDS is 0, so leases end up to {tick} s late: leave it \
             out, unless something else ends them"
        );
    }
}

fn read_settings() -> Result<(Settings, LocalSettings), SettingsError> {
    let (settings, local) = (Settings::from_env()?, LocalSettings::from_env()?);
    for (name, meant) in containerlease_settings::mistaken() {
        tracing::warn!("{name} is set, but no such setting exists: did you mean {meant}?");
    }
    Ok((settings, local))
}

/// Sets up what belongs to the whole process: its clock and its log.
fn set_up_process() {
    clock::hold();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        // It would panic if standard error is closed.
        .log_internal_errors(false)
        .finish()
        .with(containerlease_settings::logging::filter())
        .init();
}

/// A token that a stop signal cancels.
fn stop_on_signal() -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let told = stop.clone();
    let mut terminate = tokio::signal::unix::signal(SignalKind::terminate())?;
    let mut interrupt = tokio::signal::unix::signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        told.cancel();
    });
    Ok(stop)
}
