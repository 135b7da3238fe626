//! Follows a log while its connections are cut, its server is killed, its relays hand over and
//! the engine's files rotate. Every line must arrive once and in order.
//!
//! A leased container writes numbered lines, alternately to stdout and stderr. There are four
//! readers: the command line and a viewer of our own, both over a wire that is cut; a viewer
//! with an uncut connection, which lives long enough for relays to hand over; and a reader at
//! the engine itself, which shows what the engine loses or repeats.
//!
//! # Layout
//!
//! - [`lines`]: numbered lines, and which of them a reader has.
//! - [`wire`]: a connection between a client and the server that can be cut.
//! - [`viewer`]: the simplest client of the log protocol.
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `CONTAINERLEASE_CONTINUITY_SEED` | random | fixes the times of cuts and kills |

pub mod lines;
mod outcome;
mod readers;
mod trial;
pub mod viewer;
pub mod wire;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bollard::{
    container::LogOutput,
    exec::{CreateExecOptions, StartExecResults},
    query_parameters::LogsOptionsBuilder,
};
use containerlease_domain::names::ContainerName;
use fastrand::Rng;
use futures_util::StreamExt as _;
use tokio::task::JoinSet;

use crate::{
    Fallible, Options, Problem,
    engine::Engine,
    leases::IMAGE,
    machine, say,
    server::{Server, ServerOptions},
};

pub use trial::Trial;

use lines::{Ledger, Lines};
use readers::{CommandLine, Rotations};
use trial::{cuts, moments};
use viewer::{Object, SharedLedger, Viewer, lock};
use wire::{Cut, Wire};

/// The lease's duration: longer than any trial.
const LEASE_MINUTES: u64 = 30;

/// The interval between runs of the reaper. The engine may fail to remove a container whose
/// log is being read, and then the reaper retries.
const TICK: Duration = Duration::from_secs(5);

/// Time from the first line to the first disturbance, and from the last disturbance to the
/// last line.
const MARGIN: Duration = Duration::from_secs(1);

/// Time limit for a reader to get the last line once it is written, in addition to the time
/// needed to notice a silent stall.
const CATCH_UP: Duration = Duration::from_secs(60);

/// Time limit for a reader to stop once the lease is deleted.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Polling interval of the growing output file and of the engine's log file.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A client that hears nothing for this long reconnects, as the protocol says.
const SILENCE: Duration = Duration::from_secs(30);

/// What the server logs when a relay hands over.
const HANDED_OVER: &str = "hands over to the next relay";

/// The readers' names, in the order of the results.
const COMMAND_LINE: &str = "the command line";
const CUT_VIEWER: &str = "a viewer that is cut";
const STEADY_VIEWER: &str = "a viewer that is not cut";
const ENGINE: &str = "straight from the engine";

/// The cause of anomalies without an interruption, and of those with unknown interruptions.
const IN_BETWEEN: &str = "in between";
const ALL: &str = "all";

// --- the schedule ---------------------------------------------------------------------------

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Waits until `after` has passed since `begun`.
async fn sleep_until(begun: Instant, after: Duration) {
    tokio::time::sleep_until((begun + after).into()).await;
}

/// Cuts a client's connection at each scheduled time. If there is no connection, the next one
/// is cut.
async fn cut_now_and_then(wire: &Wire, cuts: Vec<(Duration, Cut)>, begun: Instant) -> Fallible<()> {
    for (at, cut) in cuts {
        sleep_until(begun, at).await;
        wire.cut(cut).await?;
    }
    Ok(())
}

/// Kills the server at each scheduled time, and restarts it at the same address.
async fn kill_now_and_then(
    plan: &ServerOptions,
    mut server: Server,
    kills: Vec<Duration>,
    begun: Instant,
) -> Fallible<Server> {
    for at in kills {
        sleep_until(begun, at).await;
        server.kill().await?;
        server = plan.start().await?;
    }
    Ok(server)
}

// --- the trial ------------------------------------------------------------------------------

/// The results of a trial.
#[derive(Debug)]
pub struct Proof {
    trial: Trial,
    /// How long it took to write the lines.
    written_in: Duration,
    /// What each reader received.
    ledgers: Vec<(&'static str, Ledger)>,
    /// Readers that did not stop in time after the lease's end.
    not_stopped: Vec<&'static str>,
    /// Number of hand-overs between relays.
    successions: usize,
    /// Number of new log files of the engine; `None` if they are not visible.
    rotations: Option<usize>,
}

/// All readers of the log.
struct Readers {
    ledgers: Vec<(&'static str, SharedLedger)>,
    tasks: JoinSet<(&'static str, Fallible<()>)>,
}

impl Readers {
    fn add<R>(&mut self, name: &'static str, ledger: Ledger, read: impl FnOnce(SharedLedger) -> R)
    where
        R: Future<Output = Fallible<()>> + Send + 'static,
    {
        let ledger: SharedLedger = Arc::new(Mutex::new(ledger));
        let reading = read(Arc::clone(&ledger));
        self.ledgers.push((name, ledger));
        self.tasks.spawn(async move { (name, reading.await) });
    }

    /// Waits until all have the last line, for at most `limit`.
    async fn wait_for_the_end(&self, limit: Duration) {
        let waited = tokio::time::timeout(limit, async {
            for (_, ledger) in &self.ledgers {
                while !lock(ledger).is_at_the_end() {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
        });
        // A reader without it has lost lines; its ledger shows that.
        drop(waited.await);
    }

    /// Waits for all to stop by themselves, and returns the names of those that have not.
    async fn wait_until_stopped(&mut self) -> Fallible<Vec<&'static str>> {
        let mut reading: Vec<_> = self.ledgers.iter().map(|(name, _)| *name).collect();
        let stopped = tokio::time::timeout(STOP_LIMIT, async {
            while let Some(stopped) = self.tasks.join_next().await {
                let (name, ended) = stopped?;
                ended.map_err(|problem| format!("{name}: {problem}"))?;
                reading.retain(|other| *other != name);
            }
            Ok(())
        });
        stopped.await.unwrap_or(Ok::<_, Problem>(()))?;
        Ok(reading)
    }
}

/// Follows a log and disturbs its path. The caller removes `engine`'s deployment.
pub async fn try_out(trial: &Trial, options: &Options, engine: &Engine) -> Fallible<Proof> {
    say(format_args!("  seed {}", trial.seed));
    let mut random = Rng::with_seed(trial.seed);
    let options = &Options {
        tick: TICK,
        ..options.clone()
    };
    let plan = ServerOptions::new(options, engine)?.relay_time(trial.relay_time);
    let server = plan.start().await?;
    let lease = server.api().provision(IMAGE, LEASE_MINUTES).await?;
    let name = ContainerName::of_lease(&lease);
    let rotations = Rotations::watch(engine, &name).await?;

    let begun = Instant::now();
    let mut readers = Readers {
        ledgers: Vec::new(),
        tasks: JoinSet::new(),
    };
    let viewer = |wire| Viewer {
        lease,
        server: plan.address(),
        wire,
        patience: trial.patience,
    };
    let mut wires = Vec::new();
    let wire = Arc::new(Wire::to(plan.address()).await?);
    let cuts_of_the_command_line = cuts(&mut random, trial, trial.stalls_of_the_command_line);
    // The server and the command line are one program.
    let process = CommandLine::start(&options.server, wire.address(), &lease, plan.folder())?;
    wires.push((wire, cuts_of_the_command_line));
    let ledger = Ledger::new(trial.lines, begun, ALL);
    readers.add(COMMAND_LINE, ledger, |ledger| process.follow(ledger));
    let wire = Arc::new(Wire::to(plan.address()).await?);
    wires.push((Arc::clone(&wire), cuts(&mut random, trial, trial.stalls)));
    for (name, viewer) in [
        (CUT_VIEWER, viewer(Some(wire))),
        (STEADY_VIEWER, viewer(None)),
    ] {
        let ledger = Ledger::new(trial.lines, begun, IN_BETWEEN);
        readers.add(name, ledger, |ledger| viewer.follow(ledger));
    }
    let ledger = Ledger::new(trial.lines, begun, ALL);
    readers.add(ENGINE, ledger, |ledger| {
        follow_the_engine(engine.clone(), name.clone(), ledger)
    });

    let apart = 3 * MARGIN;
    let kills = moments(&mut random, trial.kills, trial.killing, apart, &[]);
    let disturbed = async {
        let cuts = wires.into_iter().map(|(wire, cuts)| async move {
            cut_now_and_then(&wire, cuts, begun).await?;
            // Keep the wire until the readers have stopped.
            Ok::<_, Problem>(wire)
        });
        tokio::try_join!(
            write(engine, &name, trial.lines),
            futures_util::future::try_join_all(cuts),
            kill_now_and_then(&plan, server, kills, begun),
        )
    };
    let (written_in, wires, server) = tokio::select! {
        disturbed = disturbed => disturbed?,
        Some(ended) = readers.tasks.join_next() => {
            let (name, ended) = ended?;
            let why = ended.map_or_else(|problem| problem.to_string(), |()| "by itself".to_owned());
            return Err(format!("{name} stopped too soon: {why}").into());
        }
    };
    let said = |what| {
        let seconds = begun.elapsed().as_secs_f64();
        say(format_args!("  {what} after {seconds:.1} s"));
    };
    said("all is written, cut and killed");
    readers.wait_for_the_end(CATCH_UP + trial.patience).await;
    said("nobody waits for the last line any more");
    let rotations = rotations.count();
    server.api().delete(&lease).await?;
    let not_stopped = readers.wait_until_stopped().await?;
    said("the lease has ended");
    drop(wires);
    let log = plan.log()?;
    let ledgers = readers.ledgers.iter();
    Ok(Proof {
        trial: trial.clone(),
        written_in,
        ledgers: ledgers
            .map(|(name, ledger)| (*name, lock(ledger).clone()))
            .collect(),
        not_stopped,
        successions: log.matches(HANDED_OVER).count(),
        rotations,
    })
}

/// Writes the lines inside the container, and returns how long that took.
async fn write(engine: &Engine, name: &ContainerName, lines: Lines) -> Fallible<Duration> {
    let begun = Instant::now();
    let options = CreateExecOptions {
        cmd: Some(vec!["sh".to_owned(), "-c".to_owned(), lines.script()]),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..CreateExecOptions::default()
    };
    let docker = engine.docker();
    let exec = docker.create_exec(name.as_str(), options).await?.id;
    let StartExecResults::Attached { mut output, .. } = docker.start_exec(&exec, None).await?
    else {
        return Err("the script runs detached".into());
    };
    let mut complaint = String::new();
    while let Some(piece) = output.next().await {
        complaint.push_str(&piece?.to_string());
    }
    if complaint.is_empty() {
        Ok(begun.elapsed())
    } else {
        Err(format!("the lines could not be written: {complaint}").into())
    }
}

/// Reads the log like the product, but without it.
async fn follow_the_engine(
    engine: Engine,
    name: ContainerName,
    ledger: SharedLedger,
) -> Fallible<()> {
    let options = LogsOptionsBuilder::new()
        .follow(true)
        .stdout(true)
        .stderr(true)
        .build();
    let mut pieces = engine.docker().logs(name.as_str(), Some(options));
    while let Some(piece) = pieces.next().await {
        let (is_stderr, line) = match piece? {
            LogOutput::StdErr { message } => (true, message),
            other => (false, other.into_bytes()),
        };
        let line = String::from_utf8_lossy(&line);
        lock(&ledger).note(is_stderr, line.trim_end_matches('\n'), Instant::now());
    }
    Ok(())
}

// --- results --------------------------------------------------------------------------------

/// Runs the full trial.
pub async fn measure(options: &Options, engine: &Engine) -> Fallible<bool> {
    let machine = machine::facts(engine).await;
    let proof = try_out(&Trial::whole(), options, engine).await?;
    let outcome = proof.outcome(machine);
    outcome.publish(&options.out, &proof.picture())?;
    Ok(outcome.holds())
}

#[cfg(test)]
mod tests;
