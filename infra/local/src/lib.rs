//! The one-machine server: the API, the schedule, the table and the dashboard in one
//! process, for a machine without AWS. `containerlease serve` runs it; its settings are the
//! environment's.
//!
//! It does what API Gateway, EventBridge Scheduler and DynamoDB do around the functions,
//! and no more: the handlers are those that run on Lambda, and they are given the events
//! that they are given there.
//!
//! # Layout
//!
//! - [`folder`]: the data folder, which is its user's alone.
//! - [`table`]: DynamoDB, embedded, on a file.
//! - [`connections`]: TCP, and HTTP/1.1 on it.
//! - [`body`]: a request's body, as far as it is taken.
//! - [`callers`]: who may call.
//! - [`gateway`]: API Gateway's HTTP API: routes.
//! - [`sockets`]: API Gateway's WebSocket API: connections; [`ended`]: how they end.
//! - [`event`]: what both make of requests and messages, for the functions to take.
//! - [`schedule`]: the tickers that run the reaper.
//! - [`engine_events`]: what ends by itself, as the engine tells it.
//! - [`overfull`]: leases that use more disk than they may.
//! - [`purge`]: what DynamoDB's TTL does.
//! - [`room`]: what is kept for the table on its disk, and a disk that is full.
//! - [`metrics`]: what it has done, for Prometheus.
//! - [`dashboard`]: the built page.
//! - [`greeting`]: what it says once it is up.
//! - [`tasks`]: what goes on whoever listens, and what a panic does.

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

use containerlease_functions::{
    app::{App, StartError, aws_defaults},
    cleanup,
    warning::Warning,
};
use containerlease_shared::{
    cleanup::{Reaper, release_claims},
    clock,
    settings::{self, Firewall, LocalSettings, Settings, SettingsError},
};
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

/// How long requests and ends that have begun may take after the server was told to stop.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(20);

/// Why the server does not start, each with a sentence that says what to do.
#[derive(Debug, Error)]
pub enum ServeError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Table(#[from] TableError),
    #[error("the signals of this process cannot be received: {0}")]
    Signals(std::io::Error),
    #[error(
        "{address} cannot be listened on ({error}): stop what listens there, or choose another \
         address with CONTAINERLEASE_LISTEN"
    )]
    Listen {
        address: std::net::SocketAddr,
        error: std::io::Error,
    },
}

/// Serves until the process is told to stop, by TERM or by INT. It says on standard output
/// where it is, and logs to standard error.
///
/// # Panics
///
/// Where this process logs already: the log is the whole process's.
pub async fn serve() -> Result<(), ServeError> {
    set_up_process();
    let (settings, local) = read_settings()?;
    let stop = stop_on_signal().map_err(ServeError::Signals)?;

    // The address first: a second server must not get as far as the first one's table.
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
    // By itself, for nothing waits for it; what it has not done at the end, the next start does.
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
            // None returns an error that could still be handled here.
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

/// Takes over what a server before this one has left undone, and says what the settings do to
/// the promises.
async fn begin_anew(settings: &Settings, local: &LocalSettings, app: &App) {
    // This is the one server of the table: what another has claimed nobody holds any more.
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
    for (name, meant) in settings::mistaken() {
        tracing::warn!("{name} is set, and nobody reads it: is {meant} meant?");
    }
    Ok((settings, local))
}

/// What is the whole process's: its clock and its log.
fn set_up_process() {
    clock::hold();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        // It would panic where standard error is closed.
        .log_internal_errors(false)
        .finish()
        .with(containerlease_shared::log::filter())
        .init();
}

/// A token that is cancelled when the process is told to stop.
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
