//! Many log viewers: what they cost, and whether they leave anything behind.
//!
//! In one setting all watch one container, in the other each watches its own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use containerlease_shared::names::LeaseId;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
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
    result::{Goal, Outcome},
    say,
    server::{Api, Plan},
};

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
        let plan = Plan::new(options, place)?;
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
            server: server.process()?,
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

fn outcome(found: &[Found], time: Duration, machine: Value) -> Outcome {
    let mut columns = vec![String::new()];
    columns.extend(found.iter().map(|found| found.setting.name()));
    let row = |name: &str, cell: &dyn Fn(&Found) -> String| {
        let cells = found.iter().map(cell);
        std::iter::once(name.to_owned()).chain(cells).collect()
    };
    let mut rows: Vec<Vec<String>> = vec![
        row("logs read at the engine", &|f| {
            format!("{:.0}", f.begun.follows)
        }),
        row(
            "the server's connections over unix sockets, before, with viewers, after",
            &|f| {
                let all = [f.alone, f.begun, f.left].map(|moment| moment.connections.to_string());
                all.join(", ")
            },
        ),
        row(
            "the server's memory MiB, before, with viewers, most while lines come",
            &|f| {
                let all = [f.memory_alone, f.memory_begun, f.memory_peak];
                all.map(|memory| format!("{memory:.1}")).join(", ")
            },
        ),
        row("the server's CPU, percent of a core", &|f| {
            f.percent(f.server_cpu())
        }),
    ];
    if found.iter().all(|found| found.dockerd_cpu().is_some()) {
        let dockerd = |f: &Found| f.percent(f.dockerd_cpu().unwrap_or(f64::NAN));
        rows.push(row("the engine's CPU, percent of a core", &dockerd));
    }
    rows.extend([
        row("lines that came", &|f| f.came.to_string()),
        row("posts for 1,000 lines", &|f| {
            format!("{:.0}", f.posts_per_1_000())
        }),
        row("ms from stamped to received, p50, p95, p99", &|f| {
            let all = [50, 95, 99].map(|percent| format!("{:.1}", f.late.percentile(percent)));
            all.join(", ")
        }),
        row(
            "seconds from the last viewer's leaving to nothing read",
            &|f| {
                f.free_after.map_or("-".to_owned(), |after| {
                    format!("{:.2}", after.as_secs_f64())
                })
            },
        ),
    ]);
    Outcome {
        name: "log-viewers".to_owned(),
        title: "Many viewers of logs".to_owned(),
        method: format!(
            "Viewers on the server's WebSocket, once all of one container, once each of one of \
             its own, with a server of its own for each. Each container writes a line every {} ms \
             for {} s, once all viewers are there. Then all leave at once, every second one with \
             a close frame, the others by hanging up. What is read at the engine is the server's \
             own count, against which its connections are held. CPU is that of the time from the \
             first line to the last receipt.",
            PAUSE.as_millis(),
            time.as_secs(),
        ),
        machine,
        columns,
        rows,
        goals: found.iter().flat_map(Found::goals).collect(),
        data: found.iter().map(Found::json).collect(),
    }
}

impl Found {
    fn seconds(&self) -> f64 {
        (self.done.at - self.begun.at).as_secs_f64()
    }

    fn server_cpu(&self) -> f64 {
        self.done.server_cpu - self.begun.server_cpu
    }

    fn dockerd_cpu(&self) -> Option<f64> {
        Some(self.done.dockerd_cpu? - self.begun.dockerd_cpu?)
    }

    fn percent(&self, cpu_seconds: f64) -> String {
        format!("{:.1}", 100.0 * cpu_seconds / self.seconds())
    }

    fn posts_per_1_000(&self) -> f64 {
        let lines = self.done.lines - self.begun.lines;
        1_000.0 * (self.done.posts - self.begun.posts) / lines
    }

    fn goals(&self) -> Vec<Goal> {
        let name = self.setting.name();
        let promised = |promise: &str| format!("{name}: {promise}");
        let Setting {
            containers,
            viewers,
        } = self.setting;
        let free_after = match self.free_after {
            Some(after) => format!("after {:.2} s", after.as_secs_f64()),
            None => format!("{:.0} after {} s", self.left.follows, LIMIT.as_secs()),
        };
        let free_in_time = self.free_after.is_some_and(|after| after <= PROMISED);
        let reads = (self.begun.follows - number(containers)).abs() < 0.5;
        vec![
            Goal::new(
                &promised("each log is read at the engine once"),
                format!("{:.0} for {containers}", self.begun.follows),
                reads,
            ),
            Goal::new(
                &promised("every line comes to every viewer once"),
                format!(
                    "to {} of {viewers}, {} lines of {} and {} twice",
                    self.content,
                    self.came,
                    self.lines * viewers,
                    self.again
                ),
                self.content == viewers,
            ),
            Goal::new(
                &promised("nothing is read 10 s after the last viewer has left"),
                free_after,
                free_in_time,
            ),
        ]
    }

    fn json(&self) -> Value {
        let percentiles = [50, 95, 99, 100].map(|percent| self.late.percentile(percent));
        json!({
            "setting": self.setting.name(),
            "containers": self.setting.containers,
            "viewers": self.setting.viewers,
            "linesOfEach": self.lines,
            "before": self.alone.json(),
            "withViewers": self.begun.json(),
            "whenAllHadCome": self.done.json(),
            "after": self.left.json(),
            "seconds": self.seconds(),
            "memoryMiB": [self.memory_alone, self.memory_begun, self.memory_peak],
            "serverCpuSeconds": self.server_cpu(),
            "engineCpuSeconds": self.dockerd_cpu(),
            "came": self.came,
            "again": self.again,
            "viewersWithAll": self.content,
            "lateMs": {
                "p50": percentiles[0],
                "p95": percentiles[1],
                "p99": percentiles[2],
                "max": percentiles[3],
            },
            "freeAfterSeconds": self.free_after.map(|after| after.as_secs_f64()),
        })
    }
}

impl Moment {
    fn json(&self) -> Value {
        json!({
            "follows": self.follows,
            "viewers": self.viewers,
            "posts": self.posts,
            "lines": self.lines,
            "connections": self.connections,
        })
    }
}

/// A sample of the values, at equal distances, and the last value.
fn thinned(sorted: &[f64]) -> Vec<f64> {
    let every = sorted.len().div_ceil(POINTS).max(1);
    let mut values: Vec<_> = sorted.iter().copied().step_by(every).collect();
    values.extend(sorted.last());
    values
}
