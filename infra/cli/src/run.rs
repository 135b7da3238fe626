//! `containerlease run`: a new lease.
//!
//! # Layout
//!
//! - [`ask`]: the request, from the command line's options to the API's fields.
//! - [`variable`]: environment variables, from the command line and from files.
//! - [`wait`]: waits until a lease's ports answer.
//! - [`attach`]: a lease that ends with this command.

mod ask;
mod attach;
mod variable;
mod wait;

use clap::Args;
use containerlease_domain::time::Time;

use crate::{
    api::{
        Api, Request,
        answer::{Lease, Port, Timed},
    },
    console::Console,
    duration::spell,
    failure::Failure,
    interrupt::{Interrupt, Signal},
};
use ask::Asked;

/// Lease a container
///
/// Shows the lease's id. On a terminal it also shows, on standard error, when the lease ends and
/// the addresses of its ports.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
If interrupted before it shows an id, it waits for the pending request and ends that lease.

With --attach the exit code is that of the program in the container; 125 if it has none,
126 if it cannot be run.")]
pub struct Arguments {
    #[command(flatten)]
    ask: Asked,
    /// Wait until its ports answer, up to a minute
    #[arg(long)]
    wait: bool,
    /// Show its log, and end the lease with this command
    #[arg(long, conflicts_with_all = ["wait", "json"])]
    attach: bool,
    /// Show the lease as JSON, with everything known about it
    #[arg(long)]
    json: bool,
}

/// Returns the exit code.
pub async fn run(api: &Api, arguments: &Arguments, console: &mut Console) -> Result<u8, Failure> {
    let run = lease(api, arguments, console).await;
    if arguments.attach {
        // The exit codes are those of the program in the container.
        run.map_err(|failure| Failure::NotRun(Box::new(failure)))
    } else {
        run
    }
}

async fn lease(api: &Api, arguments: &Arguments, console: &mut Console) -> Result<u8, Failure> {
    let body = arguments.ask.body()?;
    // Before any request: from here on, an interrupted command must leave no lease behind.
    let mut interrupt = Interrupt::listen()?;
    // Random, so that nobody who can read the table can guess it.
    let key = uuid::Uuid::new_v4().to_string();
    let request = Request::post("/provision", body).once(key);
    console.progress("leasing…");
    let made = match provision(api, &request, &mut interrupt, console).await? {
        Made::Lease(made) => made,
        Made::Interrupted(signal) => return Ok(signal.exit_code()),
    };
    let lease = &made.lease;
    console.clear_progress();
    if arguments.attach {
        tell(&made, console);
        return attach::attach(api, lease, interrupt, console).await;
    }
    let ready = async {
        if arguments.wait {
            wait::wait(api, lease, console).await
        } else {
            Ok(())
        }
    };
    // A signal that has come by now wins: until the id is shown, nobody knows of the lease.
    let ready = tokio::select! {
        biased;
        signal = interrupt.recv() => {
            console.tell("interrupted: the lease is being ended");
            end(api, lease).await?;
            return Ok(signal.exit_code());
        }
        ready = ready => ready,
    };
    let shown = if arguments.json {
        made.json.clone()
    } else {
        lease.id.to_string()
    };
    console.print_line(&shown)?;
    tell(&made, console);
    ready.map(|()| 0)
}

/// The outcome of a provision.
enum Made {
    Lease(Box<Leased>),
    /// Interrupted by this signal; the requested lease was ended.
    Interrupted(Signal),
}

/// A new lease, and the server's time from which the time left is counted.
struct Leased {
    lease: Lease,
    now: Time,
    /// The whole answer.
    json: String,
}

/// Requests a lease until the outcome is known. If interrupted, waits for the pending request and
/// ends its lease: a request on its way cannot be taken back.
async fn provision(
    api: &Api,
    request: &Request,
    interrupt: &mut Interrupt,
    console: &mut Console,
) -> Result<Made, Failure> {
    let making = async {
        let answer = api.settle(request).await?;
        let made: Timed<Lease> = answer.read()?;
        Ok(Leased {
            lease: made.body,
            now: made.server_time,
            json: answer.json(),
        })
    };
    let mut making = std::pin::pin!(making);
    let signal = tokio::select! {
        made = &mut making => return settled(made).map(|made| Made::Lease(Box::new(made))),
        signal = interrupt.recv() => signal,
    };
    console
        .tell("interrupted: ending the lease that was requested; interrupt again to stop waiting");
    let made = tokio::select! {
        made = &mut making => settled(made),
        _ = interrupt.recv() => return Ok(Made::Interrupted(signal)),
    };
    match made {
        Ok(made) => {
            end(api, &made.lease).await?;
            Ok(Made::Interrupted(signal))
        }
        Err(failure @ Failure::Unsettled { .. }) => Err(failure),
        // There is no lease, as wanted by now.
        Err(_) => Ok(Made::Interrupted(signal)),
    }
}

/// Separates an unknown outcome from a failure.
fn settled<T>(made: Result<T, Failure>) -> Result<T, Failure> {
    made.map_err(|failure| {
        if failure.leaves_open() {
            let last = Box::new(failure);
            Failure::Unsettled { last }
        } else {
            failure
        }
    })
}

async fn end(api: &Api, lease: &Lease) -> Result<(), Failure> {
    let lease = lease.id;
    let ended = api.end(&lease).await.map(drop);
    ended.map_err(|why| Failure::NotEnded {
        lease,
        why: Box::new(why),
    })
}

/// Tells a watching person when the lease ends and the addresses of its ports.
fn tell(made: &Leased, console: &mut Console) {
    if console.watched {
        console.tell(&summary(&made.lease, made.now));
    }
}

fn summary(lease: &Lease, now: Time) -> String {
    let left = spell(now.until(lease.expiry_time));
    let end = lease.expiry_time.to_string();
    // Of `2026-11-24T09:30:00.000Z`, a person wants the time of day.
    let clock = end.get(11..19).unwrap_or(&end);
    let stand_in = if lease.stand_in { " (a stand-in)" } else { "" };
    let ports: Vec<_> = lease.ports.iter().map(Port::reached_at).collect();
    let ports = if ports.is_empty() {
        String::new()
    } else {
        format!(", at {}", ports.join(" and "))
    };
    let image = &lease.image_type;
    format!("{image}{stand_in} for {left}, until {clock} UTC{ports}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_person_is_told_until_when_and_where() {
        let lease = json!({
            "id": "0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c", "imageType": "redis", "name": null,
            "state": "running", "standIn": true, "expiryTime": "2026-11-24T10:00:00.000Z",
            "ports": [
                {"containerPort": 6379, "host": "127.0.0.1", "hostPort": 32768,
                 "url": "redis://127.0.0.1:32768"},
                {"containerPort": 8080, "host": "127.0.0.1", "hostPort": 32769, "url": null},
            ],
        });
        let mut lease: Lease = serde_json::from_value(lease).unwrap();
        let now = Time::from_millis(1_795_512_600_000);
        assert_eq!(
            summary(&lease, now),
            "redis (a stand-in) for 30m, until 10:00:00 UTC, at redis://127.0.0.1:32768 and \
             127.0.0.1:32769"
        );
        lease.ports.clear();
        lease.stand_in = false;
        assert_eq!(summary(&lease, now), "redis for 30m, until 10:00:00 UTC");
    }
}
