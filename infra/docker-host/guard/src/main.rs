//! The guard: it runs on the Docker host and ends containers of ContainerLease that are past
//! their hard deadline, when all that should have ended them is gone.
//!
//! A container's label says until when it may live at most, all renewals included. The guard
//! needs that label, the engine's socket and the host's clock: no network, no table, no
//! certificate. It never decides before the control plane does: a container is the guard's
//! only once the reaper, which writes the receipt, has had its time.
//!
//! It is a reconciler. A round lists our containers, plans what is overdue, and ends it; it
//! keeps nothing, so a guard that was killed goes on where the next one begins, and what
//! failed is tried again by the next round.
//!
//! # Layout
//!
//! - [`plan`]: what is overdue, and when to look again; pure.
//! - [`engine`]: the two things that the engine is asked for.
//! - [`round`]: one round, and its report.
//! - [`notice`]: what the log and systemd are told.

mod engine;
mod notice;
mod plan;
mod round;

use std::{io::IsTerminal, process::ExitCode, time::Duration};

use containerlease_shared::{
    clock,
    settings::{GuardSettings, SettingsError},
    time::Time,
};

use tracing_subscriber::{layer::SubscriberExt as _, util::SubscriberInitExt as _};

use engine::Engine;
use notice::Notice;
use plan::Rules;

/// When to look again at an engine that did not answer: it may be starting just now.
const AFTER_A_FAULT: Duration = Duration::from_secs(2);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    clock::hold();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .finish()
        .with(containerlease_shared::log::filter())
        .init();
    match GuardSettings::from_env() {
        Ok(settings) => guard(settings).await,
        Err(error) => {
            say_why_not(&error);
            ExitCode::FAILURE
        }
    }
}

/// Looks and ends, for ever. There is nothing to finish when the process is told to stop.
async fn guard(settings: GuardSettings) -> ! {
    let engine = Engine::at(&settings.socket);
    let rules = Rules {
        deployments: settings.deployments,
        grace: settings.grace,
        longest_lease: settings.longest_lease,
    };
    let mut notice = Notice::started(&settings.socket, &rules);
    loop {
        let outcome = round::run(&engine, &rules).await;
        let pause = match &outcome {
            Ok(report) => report.pause(Time::now(), settings.look_every),
            Err(_) => AFTER_A_FAULT.min(settings.look_every),
        };
        notice.of(&outcome);
        tokio::time::sleep(pause).await;
    }
}

#[expect(
    clippy::print_stderr,
    reason = "whoever starts the guard reads why it does not"
)]
fn say_why_not(error: &SettingsError) {
    eprintln!("containerlease-guard: {error}");
}
