//! The guard runs on the Docker host. It ends containers of ContainerLease that are past their
//! hard deadline, when the whole control plane has failed to.
//!
//! A container's label holds its hard deadline, which includes all renewals. The guard needs
//! that label, the engine's socket and the host's clock: no network, no table, no certificate.
//! It waits for a grace after the deadline, so that the reaper, which writes the receipt, acts
//! first.
//!
//! It is a reconciler. A round lists our containers, plans which are overdue, and ends those.
//! It keeps no state, so a restarted guard simply continues, and the next round is the retry.
//!
//! # Layout
//!
//! - [`plan`]: which containers are overdue, and when to look again; pure.
//! - [`engine`]: the two calls to the engine.
//! - [`round`]: one round, and its report.
//! - [`notice`]: messages to the log and to systemd.

mod engine;
mod notice;
mod plan;
mod round;

use std::{io::IsTerminal, process::ExitCode, time::Duration};

use containerlease_domain::{clock, time::Time};
use containerlease_settings::{GuardSettings, SettingsError};

use tracing_subscriber::{layer::SubscriberExt as _, util::SubscriberInitExt as _};

use engine::Engine;
use notice::Notice;
use plan::Rules;

/// Delay before the next try at an engine that did not answer: it may be starting.
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
        .with(containerlease_settings::logging::filter())
        .init();
    match GuardSettings::from_env() {
        Ok(settings) => guard(settings).await,
        Err(error) => {
            say_why_not(&error);
            ExitCode::FAILURE
        }
    }
}

/// Runs rounds for ever. The process may be stopped at any time.
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
    reason = "whoever starts the guard must see why it fails"
)]
fn say_why_not(error: &SettingsError) {
    eprintln!("containerlease-guard: {error}");
}
