//! Many log viewers: what they cost, and whether they leave anything behind.
//!
//! In one setting all watch one container, in the other each watches its own.

mod outcome;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use containerlease_domain::names::LeaseId;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    Fallible, Options,
    engine::Engine,
    figures::{Figures, number},
    log_readers::{Numbers, SocketReader},
    log_writers::{self, READY},
    machine,
    picture::{Curve, curves},
    process::Process,
    say,
    server::{Api, ServerOptions},
};

use outcome::{outcome, thinned};

/// Default number of viewers.
pub const VIEWERS: usize = 100;

/// Time limit from the last viewer's leaving until no log is read at the engine.
const PROMISED: Duration = Duration::from_secs(10);

/// The pause between a container's lines, and how long it writes with all of [`VIEWERS`]. With
/// fewer viewers that is shorter, down to the minimum.
const PAUSE: Duration = Duration::from_millis(100);
const WRITE: Duration = Duration::from_secs(30);
const WRITE_AT_LEAST: Duration = Duration::from_secs(2);

/// Number of containers made, viewers connected, and programs started concurrently.
const AT_ONCE: usize = 8;

/// Thousandths of a CPU per container: the image type's default.
const CPU_MILLI: usize = 250;

/// Time limit for everything that is not measured, and for whether anything is left behind.
const LIMIT: Duration = Duration::from_secs(60);

/// Maximum number of points of a curve; more show nothing new.
const POINTS: usize = 1_000;

/// Numbers of viewers and of containers.
#[derive(Clone, Copy, Debug)]
struct Setting {
    containers: usize,
    viewers: usize,
}

impl Setting {
    fn name(self) -> String {
        match self.containers {
            1 => format!("{} viewers of one container", self.viewers),
            all => format!("{all} containers with a viewer each"),
        }
    }
}

/// Counts at one moment.
#[derive(Clone, Copy, Debug)]
struct Moment {
    at: Instant,
    /// Number of logs read at the engine.
    follows: f64,
    viewers: f64,
    posts: f64,
    lines: f64,
    /// The server's connections over unix sockets.
    connections: usize,
    server_cpu: f64,
    /// `None` if the process cannot be identified.
    dockerd_cpu: Option<f64>,
}

/// The results of one setting.
struct Found {
    setting: Setting,
    /// Lines that each container wrote.
    lines: usize,
    alone: Moment,
    begun: Moment,
    done: Moment,
    left: Moment,
    memory_alone: f64,
    memory_begun: f64,
    memory_peak: f64,
    /// Lines that arrived, repeated lines, and viewers that got every line once.
    came: usize,
    again: usize,
    content: usize,
    /// Milliseconds from the engine's timestamp to the viewer's receipt.
    late: Figures,
    /// Time from the last viewer's leaving until no log was read; `None` if that never came.
    free_after: Option<Duration>,
}

/// The progress of all viewers of a setting.
#[derive(Debug, Default)]
struct Progress {
    ready: AtomicUsize,
    finished: AtomicUsize,
}

/// What one viewer received.
#[derive(Debug, Default)]
struct Got {
    numbers: Vec<usize>,
    late: Vec<f64>,
}

/// The parts of a setting.
struct Bench<'b> {
    engine: &'b Engine,
    api: &'b Api,
    server: Process,
    dockerd: Option<Process>,
}

/// Measures both settings, each with its own server.
pub async fn measure(options: &Options, engine: &Engine) -> Fallible<bool> {
    let machine = machine::facts(engine).await;
    let viewers = options.leases;
    let share = number(viewers) / number(VIEWERS);
    let time = WRITE.mul_f64(share.min(1.0)).max(WRITE_AT_LEAST);
    let lines = (time.as_millis() / PAUSE.as_millis()).try_into()?;
    let mut found = Vec::new();
    for containers in [1, viewers] {
        let setting = Setting {
            containers,
            viewers,
        };
        say(format_args!("  {}", setting.name()));
        let place = engine.beside(&containers.to_string());
        let seen = setting.look(options, &place, lines).await;
        let cleaned = place.clean().await;
        found.push(seen?);
        cleaned?;
    }
    let outcome = outcome(&found, time, machine);
    let lates: Vec<_> = found
        .iter()
        .map(|found| Curve::shares(found.setting.name(), &thinned(found.late.sorted())))
        .collect();
    let x = "milliseconds from the engine's time stamp to a viewer's receipt";
    let picture = curves(&outcome.title, x, "percent of the lines", &lates);
    outcome.publish(&options.out, &picture)?;
    Ok(outcome.holds())
}

impl Setting {
    async fn look(self, options: &Options, place: &Engine, lines: usize) -> Fallible<Found> {
        let plan = ServerOptions::new(options, place)?;
        let maker = plan.start().await?;
        let program = log_writers::steadily(lines, PAUSE);
        let ids: Vec<LeaseId> = stream::iter(0..self.containers)
            .map(|_| log_writers::lease(maker.api(), &program, CPU_MILLI))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        // A new server has no memory or connections left over from making leases.
        maker.kill().await?;
        let server = plan.start().await?;
        let api = server.api();
        let bench = Bench {
            engine: place,
            api,
            server: server.process(),
            dockerd: Process::the_only("dockerd"),
        };
        let alone = bench.moment().await?;
        let memory_alone = bench.server.memory()?;

        let progress = Arc::new(Progress::default());
        let leave = CancellationToken::new();
        let mut viewers = JoinSet::new();
        for (index, id) in ids.iter().cycle().take(self.viewers).enumerate() {
            let reader = SocketReader::open(api, id, "all").await?;
            let viewer = view(
                reader,
                lines,
                Arc::clone(&progress),
                leave.clone(),
                index.is_multiple_of(2),
            );
            viewers.spawn(viewer);
        }
        let all_here = all(self.viewers, &progress.ready, &mut viewers).await?;
        if !all_here {
            return Err("not every viewer has got the first line".into());
        }
        let memory_begun = bench.server.memory()?;
        bench.server.reset_peak()?;
        let begun = bench.moment().await?;
        bench.begin_all(&ids).await?;
        // Lines that arrive later count as missing.
        all(self.viewers, &progress.finished, &mut viewers).await?;
        let done = bench.moment().await?;
        let memory_peak = bench.server.peak_memory()?;

        leave.cancel();
        let free_after = bench.free_after().await?;
        let mut got = Vec::new();
        while let Some(viewer) = viewers.join_next().await {
            got.push(viewer??);
        }
        let left = bench.moment().await?;
        drop(server);

        let whole = |numbers: &Numbers| numbers.each_once() && numbers.came == lines;
        let numbers = got.iter().map(|got| Numbers::of(got.numbers.clone()));
        let numbers: Vec<_> = numbers.flatten().collect();
        Ok(Found {
            setting: self,
            lines,
            alone,
            begun,
            done,
            left,
            memory_alone,
            memory_begun,
            memory_peak,
            came: numbers.iter().map(|numbers| numbers.came).sum(),
            again: numbers.iter().map(|numbers| numbers.again).sum(),
            content: numbers.iter().filter(|numbers| whole(numbers)).count(),
            late: Figures::of(got.into_iter().flat_map(|got| got.late)),
            free_after,
        })
    }
}

impl Bench<'_> {
    async fn moment(&self) -> Fallible<Moment> {
        let dockerd = self.dockerd.as_ref();
        let dockerd_cpu = dockerd.and_then(|dockerd| dockerd.cpu().ok());
        Ok(Moment {
            follows: self.api.metric("containerlease_log_follows").await?,
            viewers: self.api.metric("containerlease_log_viewers").await?,
            posts: self.api.metric("containerlease_log_posts_total").await?,
            lines: self.api.metric("containerlease_log_lines_total").await?,
            connections: self.server.unix_connections()?,
            server_cpu: self.server.cpu()?.as_secs_f64(),
            dockerd_cpu: dockerd_cpu.map(|cpu| cpu.as_secs_f64()),
            at: Instant::now(),
        })
    }

    async fn begin_all(&self, ids: &[LeaseId]) -> Fallible<()> {
        let told = stream::iter(ids).map(|id| log_writers::begin(self.engine, id));
        told.buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Time from now until there is no viewer and no log is read at the engine; `None` if that
    /// never comes.
    async fn free_after(&self) -> Fallible<Option<Duration>> {
        let begun = Instant::now();
        while begun.elapsed() < LIMIT {
            let follows = self.api.metric("containerlease_log_follows").await?;
            let viewers = self.api.metric("containerlease_log_viewers").await?;
            if follows + viewers < 1.0 {
                return Ok(Some(begun.elapsed()));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(None)
    }
}

/// A viewer that reads until it is told to leave. It then closes or just hangs up.
async fn view(
    mut reader: SocketReader,
    last: usize,
    progress: Arc<Progress>,
    leave: CancellationToken,
    says_so: bool,
) -> Fallible<Got> {
    let mut got = Got::default();
    loop {
        let chunk = tokio::select! {
            chunk = reader.next() => chunk?.ok_or("the server has closed a viewer's connection")?,
            () = leave.cancelled() => break,
        };
        for line in SocketReader::lines(&[chunk])? {
            if line.message == READY {
                progress.ready.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let number = line.message.parse()?;
            got.numbers.push(number);
            got.late.push(line.received - line.stamped);
            if number == last {
                progress.finished.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    if says_so {
        reader.close().await?;
    }
    Ok(got)
}

/// Waits until all viewers have come this far, and returns whether they have. No viewer may
/// end meanwhile.
async fn all(
    viewers: usize,
    so_far: &AtomicUsize,
    running: &mut JoinSet<Fallible<Got>>,
) -> Fallible<bool> {
    let begun = Instant::now();
    while so_far.load(Ordering::Relaxed) < viewers {
        if begun.elapsed() > WRITE + LIMIT {
            return Ok(false);
        }
        if let Some(ended) = running.try_join_next() {
            ended??;
            return Err("a viewer has left".into());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(true)
}

// --- what was found -------------------------------------------------------------------------
