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
//! - [`table`]: DynamoDB, embedded, on a file.
//! - [`gateway`]: API Gateway's HTTP API: routes.
//! - [`sockets`]: API Gateway's WebSocket API: connections.
//! - [`event`]: what both make of requests and messages, for the functions to take.
//! - [`schedule`]: the ticker that runs the reaper.
//! - [`metrics`]: what it has done, for Prometheus.
//! - [`dashboard`]: the built page.

mod dashboard;
mod event;
mod gateway;
mod metrics;
mod schedule;
mod sockets;
mod table;

use std::{io::IsTerminal, sync::Arc, time::Duration};

use containerlease_functions::{
    app::{App, StartError, aws_defaults},
    cleanup, list,
};
use containerlease_shared::settings::{
    CommandLineSettings, EngineAddress, LocalSettings, Settings, SettingsError, log_filter,
};
use thiserror::Error;
use tokio::{net::TcpListener, signal::unix::SignalKind};
use tokio_util::sync::CancellationToken;

use gateway::Gateway;
use metrics::Metrics;
use sockets::Sockets;
use table::Table;

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
    log();
    let settings = Settings::from_env()?;
    let local = LocalSettings::from_env()?;
    let stop = stop_on_signal().map_err(ServeError::Signals)?;

    // The address first: a second server must not get as far as the first one's table.
    let listen = |error| ServeError::Listen {
        address: local.listen,
        error,
    };
    let listener = TcpListener::bind(local.listen).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;

    let table = Table::open(&local.data, local.table_port).await?;
    let aws = aws_defaults()
        .endpoint_url(table.endpoint())
        .region(aws_sdk_dynamodb::config::Region::new("local"))
        .credentials_provider(aws_sdk_dynamodb::config::Credentials::new(
            "local", "local", None, None, "embedded",
        ))
        .load()
        .await;
    let app = App::new(&settings, &aws)?;
    app.store.create_table().await.map_err(TableError::from)?;

    let sockets = Sockets::start(app.clone(), settings.relay_time);
    let gateway = Arc::new(Gateway::new(app.clone(), sockets.clone(), address));
    let metrics = Arc::new(Metrics::new(Arc::clone(&app.follows)));
    let router = gateway::router(gateway, Arc::clone(&metrics), &local.dashboard);

    let ending = CancellationToken::new();
    let reaper = cleanup::reaper(&app, settings.look_ahead, ending.clone());
    let schedule = tokio::spawn(schedule::run(
        reaper,
        metrics,
        table.database(),
        local.tick,
        ending.clone(),
    ));

    greet(&settings, &local, address, &table, &app).await;
    let stopping = stop.clone();
    let server = axum::serve(listener, router)
        .with_graceful_shutdown(async move { stopping.cancelled().await });
    let server = tokio::spawn(server.into_future());

    stop.cancelled().await;
    tracing::info!("stopping: what has begun is finished first");
    ending.cancel();
    sockets.close_all();
    let finished = tokio::time::timeout(SHUTDOWN_LIMIT, async {
        // Neither task returns an error that could still be handled here.
        drop(schedule.await);
        drop(server.await);
    });
    if finished.await.is_err() {
        tracing::warn!("not all was finished in time; the next start goes on with it");
    }
    drop(app);
    table.close().await;
    Ok(())
}

fn log() {
    tracing_subscriber::fmt()
        .with_env_filter(log_filter())
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
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

/// Says where all is and what to do next.
#[expect(
    clippy::print_stdout,
    reason = "this is what a person starts the server to read"
)]
async fn greet(
    settings: &Settings,
    local: &LocalSettings,
    address: std::net::SocketAddr,
    table: &Table,
    app: &App,
) {
    let engine = match &settings.engine {
        EngineAddress::Unix(path) => format!("unix://{}", path.display()),
        EngineAddress::Tls { authority, .. } => format!("tcp://{authority} with mutual TLS"),
    };
    let engine_state = match app.host.version().await {
        Ok(version) => format!("Docker {}", version.version),
        Err(error) => format!(
            "NOT USABLE: {} Nothing can be leased until it is.",
            list::engine_fault(&error)
        ),
    };
    // As it was called, so that the lines below work in the same shell.
    let program = std::env::args().next();
    let program = program.as_deref().unwrap_or("containerlease");
    let here = format!("http://{address}");
    let elsewhere = if CommandLineSettings::from_env().url == here {
        String::new()
    } else {
        format!(" --server {here}")
    };
    println!("ContainerLease is on {here}");
    println!();
    println!(
        "  dashboard  http://{address}/{}",
        dashboard::hint(&local.dashboard)
    );
    println!("  engine     {engine} ({engine_state})");
    println!("  data       {}", local.data.display());
    println!("  table      {} (DynamoDB, embedded)", table.endpoint());
    println!("  reaper     every {} s", local.tick.as_secs());
    println!();
    println!("Lease an ubuntu for five minutes, and look at your leases:");
    println!();
    println!("  {program}{elsewhere} run ubuntu --for 5m");
    println!("  {program}{elsewhere} ls");
    println!();
    println!("The same as a request:");
    println!();
    println!(
        "  curl -X POST http://{address}/api/provision -H 'Content-Type: application/json' \\"
    );
    println!("    -d '{{\"imageType\":\"ubuntu\",\"durationMinutes\":5}}'");
    println!();
    println!("Stop with Ctrl-C: leases are kept, and end on time once the server runs again.");
}
