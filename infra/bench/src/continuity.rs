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
pub mod viewer;
pub mod wire;

use std::{
    fs,
    io::Read as _,
    net::SocketAddr,
    ops::Range,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bollard::{
    container::LogOutput,
    exec::{CreateExecOptions, StartExecResults},
    query_parameters::{InspectContainerOptions, LogsOptionsBuilder},
};
use containerlease_shared::names::{ContainerName, LeaseId};
use fastrand::Rng;
use futures_util::StreamExt as _;
use serde_json::json;
use tokio::{
    process::{Child, Command},
    task::{JoinHandle, JoinSet},
};

use crate::{
    Fallible, Options, Problem,
    engine::Engine,
    figures::number,
    leases::IMAGE,
    machine,
    picture::{Curve, curves},
    result::{Goal, Outcome, texts},
    say,
    server::{Plan, Server},
};

use lines::{Effect, Ledger, Lines};
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

/// The parameters of a trial.
#[derive(Clone, Debug)]
pub struct Trial {
    pub lines: Lines,
    /// Number of cuts of each client's connection, including stalls.
    pub cuts: usize,
    /// Number of silent stalls among the cuts.
    pub stalls: usize,
    /// Number of silent stalls for the command line, which waits as long as the protocol says.
    pub stalls_of_the_command_line: usize,
    /// Number of kills of the server, and the time after the first line in which they happen.
    pub kills: usize,
    pub killing: Duration,
    /// How long a relay runs.
    pub relay_time: Duration,
    /// How long the viewers hear nothing before they reconnect.
    pub patience: Duration,
    pub seed: u64,
}

impl Trial {
    /// Five minutes.
    pub fn whole() -> Self {
        Self {
            lines: Lines {
                count: 300_000,
                per_second: 1_000,
                bytes: 150,
            },
            cuts: 50,
            stalls: 3,
            stalls_of_the_command_line: 3,
            kills: 10,
            killing: Duration::from_secs(300),
            relay_time: Duration::from_secs(20),
            patience: SILENCE,
            seed: seed(),
        }
    }

    /// A few seconds, with lines long enough for the engine's log to rotate.
    pub fn short() -> Self {
        Self {
            lines: Lines {
                count: 7_500,
                per_second: 500,
                bytes: 2_000,
            },
            cuts: 8,
            stalls: 1,
            stalls_of_the_command_line: 0,
            kills: 2,
            // A relay hands over 5 s before its end. It must live longer than the engine needs to
            // find the resume position in its files. A relay that starts after the last kill must
            // hand over before the last line.
            killing: Duration::from_secs(5),
            relay_time: Duration::from_secs(12),
            patience: Duration::from_secs(4),
            seed: seed(),
        }
    }
}

/// The seed from the environment, or a random one.
fn seed() -> u64 {
    const VARIABLE: &str = "CONTAINERLEASE_CONTINUITY_SEED";
    #[expect(
        clippy::disallowed_methods,
        reason = "what is cut when is a setting of this measurement alone"
    )]
    let named = std::env::var(VARIABLE).ok();
    let named = named.map(|named| {
        let seed = named.parse();
        seed.unwrap_or_else(|_| panic!("{VARIABLE} is {named:?} and not a number"))
    });
    named.unwrap_or_else(|| fastrand::u64(0..1_000_000_000))
}

// --- the schedule ---------------------------------------------------------------------------

/// One client's cuts, each with its time after the first line. During a stall the client meets
/// no other cut.
fn cuts(random: &mut Rng, trial: &Trial, stalls: usize) -> Vec<(Duration, Cut)> {
    let length = trial.lines.time();
    let stall = trial.patience + MARGIN;
    let stalls = moments(random, stalls, length.saturating_sub(stall), stall, &[]);
    let mut kinds: Vec<_> = [Cut::Reset, Cut::Close, Cut::InAFrame]
        .into_iter()
        .cycle()
        .take(trial.cuts - stalls.len())
        .collect();
    random.shuffle(&mut kinds);
    let while_stalled: Vec<_> = stalls.iter().map(|at| *at..*at + stall).collect();
    let others = moments(random, kinds.len(), length, Duration::ZERO, &while_stalled);
    let mut cuts: Vec<_> = others.into_iter().zip(kinds).collect();
    cuts.extend(stalls.into_iter().map(|at| (at, Cut::Stall)));
    cuts.sort_by_key(|(at, _)| *at);
    cuts
}

/// Sorted moments before `end`, at least `apart` from each other and outside the times to
/// `avoid`, as far as there is room.
fn moments(
    random: &mut Rng,
    count: usize,
    end: Duration,
    apart: Duration,
    avoid: &[Range<Duration>],
) -> Vec<Duration> {
    let from = millis(MARGIN);
    let to = millis(end.saturating_sub(MARGIN)).max(from + 1);
    let mut moments = Vec::new();
    for _ in 0..count {
        let mut draw = || Duration::from_millis(random.u64(from..to));
        let fits = |at: &Duration| {
            let is_near = |other: &Duration| other.abs_diff(*at) < apart;
            !moments.iter().any(is_near) && !avoid.iter().any(|avoided| avoided.contains(at))
        };
        let mut at = draw();
        for _ in 0..1_000 {
            if fits(&at) {
                break;
            }
            at = draw();
        }
        moments.push(at);
    }
    moments.sort_unstable();
    moments
}

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
    plan: &Plan,
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
    let plan = Plan::new(options, engine)?.relay_time(trial.relay_time);
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
    let log = fs::read_to_string(plan.folder().join("log"))?;
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

/// `containerlease logs -f ID --json`, into a file.
struct CommandLine {
    process: Child,
    file: PathBuf,
    complaints: PathBuf,
}

impl CommandLine {
    fn start(program: &Path, server: SocketAddr, lease: &LeaseId, folder: &Path) -> Fallible<Self> {
        let file = folder.join("command-line.jsonl");
        let complaints = folder.join("command-line.log");
        let process = Command::new(program)
            .args(["logs", "-f", &lease.to_string(), "--json"])
            .env_clear()
            .env("CONTAINERLEASE_URL", format!("http://{server}"))
            .stdin(Stdio::null())
            .stdout(fs::File::create(&file)?)
            .stderr(fs::File::create(&complaints)?)
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self {
            process,
            file,
            complaints,
        })
    }

    /// Reads the growing file until the program has ended.
    async fn follow(mut self, ledger: SharedLedger) -> Fallible<()> {
        let mut file = fs::File::open(&self.file)?;
        let mut read = Vec::new();
        loop {
            let ended = self.process.try_wait()?;
            file.read_to_end(&mut read)?;
            let now = Instant::now();
            let whole = read.iter().rposition(|byte| *byte == b'\n');
            for line in read
                .drain(..whole.map_or(0, |end| end + 1))
                .as_slice()
                .split(|byte| *byte == b'\n')
            {
                if !line.is_empty() {
                    let object: Object<'_> = serde_json::from_slice(line)?;
                    object.note(&mut lock(&ledger), now);
                }
            }
            match ended {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    let complaints = fs::read_to_string(&self.complaints)?;
                    return Err(format!("it ended with {status}: {complaints}").into());
                }
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }
}

/// Counts new files of a container's log at the engine.
struct Rotations {
    count: Arc<AtomicUsize>,
    /// `None` if the engine's files are not visible.
    watching: Option<JoinHandle<()>>,
}

impl Rotations {
    async fn watch(engine: &Engine, name: &ContainerName) -> Fallible<Self> {
        let options = None::<InspectContainerOptions>;
        let inspected = engine
            .docker()
            .inspect_container(name.as_str(), options)
            .await?;
        let file = inspected.log_path.unwrap_or_default();
        let inode = move || fs::metadata(&file).ok().map(|metadata| metadata.ino());
        let count = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&count);
        let watching = inode().map(|mut last| {
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(LOOK_EVERY).await;
                    // There is no file for a moment during a rotation.
                    if let Some(now) = inode().filter(|now| *now != last) {
                        last = now;
                        counted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        });
        Ok(Self { count, watching })
    }

    fn count(&self) -> Option<usize> {
        let seen = self.watching.is_some();
        seen.then(|| self.count.load(Ordering::Relaxed))
    }
}

impl Drop for Rotations {
    fn drop(&mut self) {
        if let Some(watching) = &self.watching {
            watching.abort();
        }
    }
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

impl Proof {
    /// The promises, and whether they hold.
    pub fn goals(&self) -> Vec<Goal> {
        let written = self.trial.lines.count;
        let ours = self.ledgers.iter().filter(|(name, _)| *name != ENGINE);
        let mut goals: Vec<_> = ours
            .map(|(name, ledger)| {
                let sum = ledger.sum();
                let measured = format!(
                    "{written} written, {} received, {} lost, {} repeated, {} late, {} damaged",
                    ledger.received(),
                    ledger.lost(),
                    sum.repeated,
                    sum.late,
                    sum.damaged
                );
                let promise = format!("{name} gets every line once and in order");
                Goal::new(&promise, measured, ledger.is_whole())
            })
            .collect();
        goals.push(Goal::new(
            "all of them stop when the lease has ended",
            match self.not_stopped.as_slice() {
                [] => "all have".to_owned(),
                others => format!("not {}", others.join(" and ")),
            },
            self.not_stopped.is_empty(),
        ));
        goals.push(Goal::new(
            "relays hand over and the log rotates meanwhile",
            format!(
                "{} times, and {} times",
                self.successions,
                self.rotations_in_words()
            ),
            self.successions > 0 && self.rotations != Some(0),
        ));
        goals
    }

    /// The anomalies of each reader, in sentences.
    pub fn anomalies(&self) -> Vec<String> {
        let all = self.ledgers.iter().flat_map(|(name, ledger)| {
            let told = ledger.told().iter();
            told.map(move |what| format!("{name}: {what}"))
        });
        all.collect()
    }

    /// Table rows: what each reader received after each kind of interruption.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let rows = self.ledgers.iter().flat_map(|(name, ledger)| {
            let received = ledger.received().to_string();
            let whole = row(name, &received, ledger.lost(), ledger.sum());
            let causes = ledger.by_cause().filter(|(cause, _)| *cause != ALL);
            let causes =
                causes.map(|(cause, one)| row(&format!("… {cause}"), "", one.missing, one));
            std::iter::once(whole).chain(causes)
        });
        rows.collect()
    }

    fn rotations_in_words(&self) -> String {
        let unseen = || "an unseen number of".to_owned();
        self.rotations
            .map_or_else(unseen, |count| count.to_string())
    }

    fn outcome(&self, machine: serde_json::Value) -> Outcome {
        let Trial {
            lines,
            cuts,
            stalls,
            kills,
            ..
        } = self.trial;
        let rate = f64::from(lines.count) / self.written_in.as_secs_f64();
        let ledgers = self.ledgers.iter();
        let ledgers = ledgers.map(|(name, ledger)| ((*name).to_owned(), ledger.json()));
        Outcome {
            name: "log-continuity".to_owned(),
            title: "A log whose connections are cut".to_owned(),
            method: format!(
                "A container writes {} numbered lines of {} bytes, by turns to stdout and stderr, \
                 {rate:.0} a second. Meanwhile the connections of the command line and of one \
                 viewer are cut {cuts} times each, by resets, by closes, in the middle of a frame \
                 and by {stalls} silent stalls; the server is killed {kills} times and started \
                 again; a relay runs for {} s, and {} have handed over to the next; and the engine's log rotates {} times. The viewers \
                 are as simple as can be: they give the last line's cursor when they connect \
                 again, and count what comes. A silent stall is noticed after {} s. Seed {}.",
                lines.count,
                lines.bytes,
                self.trial.relay_time.as_secs(),
                self.successions,
                self.rotations_in_words(),
                self.trial.patience.as_secs(),
                self.trial.seed,
            ),
            machine,
            columns: texts([
                "read by",
                "lines",
                "lost",
                "repeated",
                "late",
                "damaged",
                "interruptions",
                "longest gap s",
            ]),
            rows: self.rows(),
            goals: self.goals(),
            data: json!({
                "seed": self.trial.seed,
                "written": lines.count,
                "writtenInSeconds": self.written_in.as_secs_f64(),
                "linesPerSecond": rate,
                "bytesPerLine": lines.bytes,
                "cutsOfEachClient": cuts,
                "kills": kills,
                "relaySeconds": self.trial.relay_time.as_secs(),
                "successions": self.successions,
                "rotations": self.rotations,
                "readers": ledgers.collect::<serde_json::Map<_, _>>(),
            }),
        }
    }

    fn picture(&self) -> String {
        let curves_of = self.ledgers.iter().map(|(name, ledger)| {
            let points = ledger.progress().iter();
            let points = points.map(|(seconds, lines)| (*seconds, number(*lines)));
            Curve {
                name: (*name).to_owned(),
                points: std::iter::once((0.0, 0.0)).chain(points).collect(),
            }
        });
        curves(
            "A log whose connections are cut",
            "seconds",
            "lines that have come",
            &curves_of.collect::<Vec<_>>(),
        )
    }
}

fn row(name: &str, received: &str, lost: usize, effect: Effect) -> Vec<String> {
    vec![
        name.to_owned(),
        received.to_owned(),
        lost.to_string(),
        effect.repeated.to_string(),
        effect.late.to_string(),
        effect.damaged.to_string(),
        effect.interruptions.to_string(),
        format!("{:.1}", effect.longest_gap),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_fixes_what_is_cut_when_and_a_stalled_client_is_left_alone() {
        for seed in 0..200 {
            for trial in [Trial::whole(), Trial::short()] {
                let cuts_of = || cuts(&mut Rng::with_seed(seed), &trial, trial.stalls);
                let cuts = cuts_of();
                assert_eq!(cuts, cuts_of());
                assert_eq!(cuts.len(), trial.cuts);
                let stalled = cuts.iter().filter(|(_, cut)| *cut == Cut::Stall);
                let stalled: Vec<_> = stalled.map(|(at, _)| *at).collect();
                assert_eq!(stalled.len(), trial.stalls);
                for (at, cut) in &cuts {
                    assert!((MARGIN..trial.lines.time()).contains(at), "seed {seed}");
                    let in_a_stall =
                        |stall: &Duration| *at > *stall && *at < *stall + trial.patience;
                    assert!(!stalled.iter().any(in_a_stall), "seed {seed}: {cut:?}");
                }
            }
        }
    }
}
