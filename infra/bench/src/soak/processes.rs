//! The processes that are killed now and then: the server, and reapers that do nothing else.

use std::{path::PathBuf, process::Stdio, sync::Arc, time::Duration};

use containerlease_domain::time::Time;
use containerlease_functions::{
    app::{App, init_log},
    jobs::cleanup,
};
use containerlease_service::reaper::Reaper;
use containerlease_settings::LocalSettings;
use containerlease_testkit::table;
use tokio::{process::Command, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{LOOK_AHEAD, TICK, Tally};
use crate::{
    Fallible,
    engine::Engine,
    server::{Server, ServerOptions},
};

pub(super) async fn server_that_dies(
    plan: ServerOptions,
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

pub(super) struct ReaperProcess {
    pub(super) engine: Engine,
    pub(super) engine_socket: PathBuf,
    /// The URL of the table.
    pub(super) table: String,
    pub(super) log: PathBuf,
}

pub(super) async fn reaper_that_dies(
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
