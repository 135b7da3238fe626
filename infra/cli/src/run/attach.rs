//! A lease that ends with the command that shows its log.

use std::time::Duration;

use containerlease_domain::names::LeaseId;
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval, timeout},
};

use super::end;
use crate::{
    api::{Api, Request, answer::Lease},
    console::Console,
    failure::{Failure, NOT_RUN},
    interrupt::{Interrupt, Signal},
    logs,
};

/// How often to check whether the program has ended. On AWS the server itself checks once a minute.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long the rest of a log may take after its lease was ended.
const REST_LIMIT: Duration = Duration::from_secs(20);

/// Shows the lease's log until the lease ends; it ends no later than this command. Returns the exit
/// code of its program.
pub(super) async fn attach(
    api: &Api,
    lease: &Lease,
    interrupt: Interrupt,
    console: &mut Console,
) -> Result<u8, Failure> {
    let mut guard = Guard(tokio::spawn(guard(api.clone(), lease.clone(), interrupt)));
    let told = {
        let mut showing = std::pin::pin!(logs::follow(api.server(), lease.id, console));
        tokio::select! {
            shown = &mut showing => {
                // The log's reader has left, or the log cannot be read: either way nobody needs the
                // lease any more.
                if let Err(failure) = shown {
                    end(api, lease).await?;
                    return Err(failure);
                }
                None
            }
            guarded = &mut guard.0 => {
                let told = guarded.expect("the guard does not panic")?;
                // The lease was ended, and its log ends with it.
                match timeout(REST_LIMIT, showing).await {
                    Ok(Err(failure)) if !failure.is_closed_pipe() => return Err(failure),
                    _ => told,
                }
            }
        }
    };
    let ended = api.lease(&lease.id).await?.lease;
    let receipt = ended.receipt;
    let detail = receipt.as_ref().and_then(|it| it.detail.as_deref());
    if let Some(detail) = detail {
        console.tell(&format!("its program has failed: {detail}"));
    }
    let code = receipt.and_then(|receipt| receipt.exit_code);
    Ok(match (code, told) {
        (Some(code), _) => u8::try_from(code).unwrap_or(NOT_RUN),
        (None, Some(signal)) => signal.exit_code(),
        (None, None) => NOT_RUN,
    })
}

/// A task that is aborted when its owner is dropped.
struct Guard(JoinHandle<Result<Option<Signal>, Failure>>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Ends the lease once this command is told to end, or once the lease's program has ended; returns
/// the signal.
async fn guard(
    api: Api,
    lease: Lease,
    mut interrupt: Interrupt,
) -> Result<Option<Signal>, Failure> {
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let told = loop {
        tokio::select! {
            signal = interrupt.recv() => break Some(signal),
            _ = look.tick() => {
                if program_has_ended(&api, &lease.id).await {
                    break None;
                }
            }
        }
    };
    // A second signal means: do not wait for the end.
    interrupt.ends_the_process();
    end(&api, &lease).await?;
    Ok(told)
}

/// Whether the program in the container has exited. The lease's state says so only after the
/// server's next check.
pub(super) async fn program_has_ended(api: &Api, lease: &LeaseId) -> bool {
    let request = Request::get(format!("/containers/{lease}/stats"));
    let asked = api.ask(&request).await;
    asked.is_err_and(|failure| failure.is_problem("lease-over"))
}
