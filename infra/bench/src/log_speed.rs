//! The speed of a container's log, compared with `docker logs`.
//!
//! The same client reads from the server's WebSocket and from a process of the docker command,
//! in turns: lines that come one by one, a log that is complete, and a log that is written
//! meanwhile, both at full speed.

use std::time::Duration;

use containerlease_shared::names::LeaseId;
use serde_json::{Value, json};

use crate::{
    Fallible, Options,
    engine::Engine,
    figures::{Figures, number},
    log_readers::{Chunk, DockerReader, Line, Numbers, SocketReader, now},
    log_writers::{self, READY},
    machine,
    picture::{Curve, curves},
    process::Process,
    result::{Goal, Outcome, texts},
    say,
    server::{Api, Plan},
};

/// Default number of lines written at full speed.
pub const LINES: usize = 500_000;

/// Maximum delay of a line compared with docker, at the median and at the 95th percentile.
const PROMISED_MS: f64 = 5.0;

/// The promised share of docker's throughput.
const PROMISED_SHARE: f64 = 0.5;

/// Lines per second in the one-by-one turns, and the duration of such a turn with all of
/// [`LINES`]. With fewer lines it is shorter, down to the minimum.
const PACE: usize = 50;
const LISTEN: Duration = Duration::from_secs(20);
const LISTEN_AT_LEAST: Duration = Duration::from_secs(2);

/// A reader that receives nothing for this long is finished. It is shorter than ten seconds,
/// because then the server sends a heartbeat.
const SILENCE: Duration = Duration::from_secs(8);

/// Time limit for a container to write its lines, and for a reader to read them.
const LIMIT: Duration = Duration::from_secs(300);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contestant {
    WebSocket,
    Docker,
}

const CONTESTANTS: [Contestant; 2] = [Contestant::WebSocket, Contestant::Docker];

impl Contestant {
    fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "the WebSocket",
            Self::Docker => "docker logs",
        }
    }

    /// The contestants in that round's order.
    fn in_order(round: usize) -> [Self; 2] {
        let mut order = CONTESTANTS;
        order.rotate_left(round % CONTESTANTS.len());
        order
    }

    /// The container's lines in what came.
    fn lines(self, chunks: &[Chunk]) -> Fallible<Vec<Line>> {
        match self {
            Self::WebSocket => SocketReader::lines(chunks),
            Self::Docker => DockerReader::lines(chunks),
        }
    }

    /// The text for the line of this number.
    fn mark(self, number: usize) -> String {
        match self {
            Self::WebSocket => SocketReader::mark(number),
            Self::Docker => DockerReader::mark(number),
        }
    }
}

/// Which log is read to its last line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Log {
    Written,
    Growing,
}

impl Log {
    fn name(self) -> &'static str {
        match self {
            Self::Written => "a log that was written before",
            Self::Growing => "a log while it is written",
        }
    }
}

/// The parts of a measurement.
struct Bench<'b> {
    engine: &'b Engine,
    api: &'b Api,
    server: Process,
    /// `None` if the process cannot be identified.
    dockerd: Option<Process>,
    rounds: usize,
    lines: usize,
}

/// A turn with lines that come one by one.
struct Listened {
    by: Contestant,
    round: usize,
    /// Milliseconds from written to received.
    delays: Figures,
    /// Whether the container's clock gives the time of writing, not the engine's.
    by_container: bool,
    numbers: Numbers,
    frames: usize,
}

/// A turn to the log's last line.
struct Raced {
    by: Contestant,
    round: usize,
    log: Log,
    seconds: f64,
    numbers: Numbers,
    frames: usize,
    /// CPU seconds of the sender: the server, or the docker command.
    cpu: f64,
    /// Its peak memory in MiB.
    memory: f64,
    /// CPU seconds of the engine.
    dockerd: Option<f64>,
}

impl Raced {
    /// Distinct lines per second.
    fn throughput(&self) -> f64 {
        number(self.numbers.came) / self.seconds
    }

    fn per_100_000(&self, cpu: f64) -> f64 {
        cpu * 100_000.0 / number(self.numbers.came)
    }
}

/// Measures both contestants in turns, so that a drift of the machine favours neither.
pub async fn measure(options: &Options, engine: &Engine) -> Fallible<bool> {
    let machine = machine::facts(engine).await;
    let server = Plan::new(options, engine)?.start().await?;
    let bench = Bench {
        engine,
        api: server.api(),
        server: server.process()?,
        dockerd: Process::the_only("dockerd"),
        rounds: options.rounds,
        lines: options.leases,
    };
    let idle = bench.server.memory()?;
    let listened = bench.listen().await?;
    let mut raced = bench.race_through_written().await?;
    raced.extend(bench.race_through_growing().await?);
    let outcome = outcome(&bench, idle, &listened, &raced, machine);
    drop(server);

    let delays = CONTESTANTS.map(|contestant| {
        let turns = listened.iter().filter(|turn| turn.by == contestant);
        let all = turns.flat_map(|turn| turn.delays.sorted().iter().copied());
        Curve::shares(contestant.name(), Figures::of(all).sorted())
    });
    let x = "milliseconds from written to received";
    let title = format!("How late {PACE} lines a second come");
    let picture = curves(&title, x, "percent of the lines", &delays);
    outcome.publish(&options.out, &picture)?;
    Ok(outcome.holds())
}

impl Bench<'_> {
    /// Lines that come one by one, from one container for all turns.
    async fn listen(&self) -> Fallible<Vec<Listened>> {
        let share = number(self.lines) / number(LINES);
        let time = LISTEN.mul_f64(share.min(1.0)).max(LISTEN_AT_LEAST);
        let pause = Duration::from_secs(1).div_f64(number(PACE));
        let id = self.lease(&log_writers::with_times(pause)).await?;
        let mut turns = Vec::new();
        for round in 0..self.rounds {
            for by in Contestant::in_order(round) {
                let turn = self.listen_once(by, round, &id, time).await?;
                let [p50, p95] = [50, 95].map(|percent| turn.delays.percentile(percent));
                let name = by.name();
                say(format_args!("  {name}: p50 {p50:.2} ms, p95 {p95:.2} ms"));
                turns.push(turn);
            }
        }
        self.api.delete(&id).await?;
        Ok(turns)
    }

    async fn listen_once(
        &self,
        by: Contestant,
        round: usize,
        id: &LeaseId,
        time: Duration,
    ) -> Fallible<Listened> {
        let mut reader = self.open(by, id, "0").await?;
        let mut chunks = Vec::new();
        let over = tokio::time::sleep(time);
        tokio::pin!(over);
        loop {
            tokio::select! {
                chunk = reader.next() => chunks.push(chunk?.ok_or("the log ended")?),
                () = &mut over => break,
            }
        }
        reader.close().await?;
        let lines = by.lines(&chunks)?;
        let written: Option<Vec<f64>> = lines.iter().map(written_at).collect();
        let by_container = written.is_some();
        let written = written.unwrap_or_else(|| lines.iter().map(|line| line.stamped).collect());
        let delays = lines.iter().zip(written);
        let delays = delays.map(|(line, written)| line.received - written);
        Ok(Listened {
            by,
            round,
            delays: Figures::of(delays),
            by_container,
            numbers: Numbers::of_lines(&lines)?,
            frames: chunks.len(),
        })
    }

    /// One complete log, which every turn reads from its beginning.
    async fn race_through_written(&self) -> Fallible<Vec<Raced>> {
        let (engine, last) = (self.engine, self.lines.to_string());
        let id = self.lease(&log_writers::at_full_speed(self.lines)).await?;
        log_writers::until_last(engine, &id, READY, LIMIT).await?;
        log_writers::begin(engine, &id).await?;
        log_writers::until_last(engine, &id, &last, LIMIT).await?;
        let mut turns = Vec::new();
        for round in 0..self.rounds {
            for by in Contestant::in_order(round) {
                turns.push(self.race(by, round, Log::Written, &id).await?);
            }
        }
        self.api.delete(&id).await?;
        Ok(turns)
    }

    /// A new container for each turn, which starts to write once its reader is connected.
    async fn race_through_growing(&self) -> Fallible<Vec<Raced>> {
        let mut turns = Vec::new();
        for round in 0..self.rounds {
            for by in Contestant::in_order(round) {
                let id = self.lease(&log_writers::at_full_speed(self.lines)).await?;
                turns.push(self.race(by, round, Log::Growing, &id).await?);
                self.api.delete(&id).await?;
            }
        }
        Ok(turns)
    }

    async fn race(&self, by: Contestant, round: usize, log: Log, id: &LeaseId) -> Fallible<Raced> {
        self.server.reset_peak()?;
        let server_before = self.server.cpu()?;
        let dockerd_before = self.dockerd_cpu();
        let mut begun = now();
        let mut reader = self.open(by, id, "all").await?;
        let mut chunks = Vec::new();
        if log == Log::Growing {
            let first = tokio::time::timeout(LIMIT, reader.next()).await??;
            let first = first.filter(|chunk| chunk.text.contains(READY));
            chunks.push(first.ok_or("the program does not say that it is ready")?);
            begun = now();
            log_writers::begin(self.engine, id).await?;
        }
        let last = by.mark(self.lines);
        // If the last line is lost, the turn ends after a silence.
        while let Ok(chunk) = tokio::time::timeout(SILENCE, reader.next()).await {
            let Some(chunk) = chunk? else { break };
            let is_last = chunk.text.contains(&last);
            chunks.push(chunk);
            if is_last || now() - begun > LIMIT.as_secs_f64() * 1_000.0 {
                break;
            }
        }
        let (cpu, memory) = match reader.process() {
            Some(process) => (process.cpu()?, process.peak_memory()?),
            None => (
                self.server.cpu()?.saturating_sub(server_before),
                self.server.peak_memory()?,
            ),
        };
        let dockerd = self.dockerd_cpu().zip(dockerd_before);
        reader.close().await?;

        let mut lines = by.lines(&chunks)?;
        lines.retain(|line| line.message != READY);
        let ended = lines.last().ok_or("not a single line came")?.received;
        let turn = Raced {
            by,
            round,
            log,
            seconds: (ended - begun) / 1_000.0,
            numbers: Numbers::of_lines(&lines)?,
            frames: chunks.len(),
            cpu: cpu.as_secs_f64(),
            memory,
            dockerd: dockerd.map(|(after, before)| after - before),
        };
        say(format_args!(
            "  {}, {}: {:.0} lines a second, {} lines, {} missing, {} twice",
            log.name(),
            by.name(),
            turn.throughput(),
            turn.numbers.came,
            self.lines - turn.numbers.came,
            turn.numbers.again,
        ));
        Ok(turn)
    }

    async fn lease(&self, program: &str) -> Fallible<LeaseId> {
        // The maximum that both the image type and the machine allow.
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        log_writers::lease(self.api, program, 1_000 * cores.min(2)).await
    }

    async fn open(&self, by: Contestant, id: &LeaseId, tail: &str) -> Fallible<Reader> {
        Ok(match by {
            Contestant::WebSocket => {
                Reader::WebSocket(Box::new(SocketReader::open(self.api, id, tail).await?))
            }
            Contestant::Docker => {
                Reader::Docker(Box::new(DockerReader::open(self.engine, id, tail)?))
            }
        })
    }

    /// CPU seconds of the engine since its start.
    fn dockerd_cpu(&self) -> Option<f64> {
        let cpu = self.dockerd.as_ref()?.cpu().ok()?;
        Some(cpu.as_secs_f64())
    }
}

enum Reader {
    WebSocket(Box<SocketReader>),
    Docker(Box<DockerReader>),
}

impl Reader {
    async fn next(&mut self) -> Fallible<Option<Chunk>> {
        match self {
            Self::WebSocket(reader) => reader.next().await,
            Self::Docker(reader) => reader.next().await,
        }
    }

    /// The sending process, if it is the reader's own.
    fn process(&self) -> Option<Process> {
        match self {
            Self::WebSocket(_) => None,
            Self::Docker(reader) => reader.process(),
        }
    }

    async fn close(self) -> Fallible<()> {
        match self {
            Self::WebSocket(reader) => reader.close().await,
            Self::Docker(reader) => reader.close().await,
        }
    }
}

/// When the line was written, by the container's clock, in milliseconds after the epoch;
/// `None` if that clock has no nanoseconds.
fn written_at(line: &Line) -> Option<f64> {
    let nanos = line.message.split_once(' ')?.1;
    let (seconds, nanos) = nanos.split_at_checked(10)?;
    let fraction = nanos.len() == 9 && nanos.bytes().all(|byte| byte.is_ascii_digit());
    let [seconds, nanos] = [seconds.parse::<u32>().ok()?, nanos.parse::<u32>().ok()?];
    fraction.then(|| f64::from(seconds) * 1_000.0 + f64::from(nanos) / 1_000_000.0)
}

// --- what was found -------------------------------------------------------------------------

/// A figure of both contestants, one pair per round. They are compared within a round, where
/// the machine's state is the same.
struct Pairs(Vec<[f64; 2]>);

impl Pairs {
    fn of<T>(
        turns: &[T],
        round_and_by: impl Fn(&T) -> (usize, Contestant),
        figure: impl Fn(&T) -> f64,
    ) -> Self {
        let of = |round, by| {
            let mut turns = turns
                .iter()
                .filter(|turn| round_and_by(turn) == (round, by));
            turns.next().map(&figure)
        };
        let rounds = (0..).map_while(|round| {
            Some([
                of(round, Contestant::WebSocket)?,
                of(round, Contestant::Docker)?,
            ])
        });
        Self(rounds.collect())
    }

    fn median(&self, figure: impl Fn(&[f64; 2]) -> f64) -> f64 {
        Figures::of(self.0.iter().map(figure)).percentile(50)
    }

    /// The WebSocket's figure minus docker's.
    fn difference(&self) -> f64 {
        self.median(|[ours, theirs]| ours - theirs)
    }

    /// The WebSocket's figure divided by docker's.
    fn share(&self) -> f64 {
        self.median(|[ours, theirs]| ours / theirs)
    }

    fn row(&self, name: &str, decimals: usize, compared: String) -> Vec<String> {
        let [ours, theirs] = [0, 1].map(|of| self.median(|pair| pair[of]));
        let shown = |value: f64| format!("{value:.decimals$}");
        vec![name.to_owned(), shown(ours), shown(theirs), compared]
    }
}

fn outcome(
    bench: &Bench<'_>,
    idle: f64,
    listened: &[Listened],
    raced: &[Raced],
    machine: Value,
) -> Outcome {
    let mut rows = Vec::new();
    let mut goals = Vec::new();
    let of_listened = |figure: &dyn Fn(&Listened) -> f64| {
        Pairs::of(listened, |turn| (turn.round, turn.by), figure)
    };
    for percent in [50, 95, 99] {
        let delays = of_listened(&|turn| turn.delays.percentile(percent));
        let difference = delays.difference();
        let compared = format!("{difference:+.2} ms");
        let name = format!("{PACE} lines a second: p{percent} ms from written to received");
        rows.push(delays.row(&name, 2, compared.clone()));
        if percent < 99 {
            goals.push(Goal::new(
                &format!("p{percent} within 5 ms of docker's"),
                compared,
                difference <= PROMISED_MS,
            ));
        }
    }
    let posts = of_listened(&|turn| per_1_000(turn.frames, &turn.numbers)).median(|pair| pair[0]);
    let nothing = String::new;
    rows.push(vec![
        format!("{PACE} lines a second: posts for 1,000 lines"),
        format!("{posts:.0}"),
        nothing(),
        nothing(),
    ]);
    for log in [Log::Written, Log::Growing] {
        let (more_rows, share) = race_rows(raced, log);
        rows.extend(more_rows);
        goals.push(Goal::new(
            &format!("at least half of docker's throughput, of {}", log.name()),
            format!("{share:.2}"),
            share >= PROMISED_SHARE,
        ));
    }
    goals.push(each_line_once(listened, raced));

    let by_container = listened.iter().all(|turn| turn.by_container);
    let clock = if by_container {
        "its own clock, which each line carries,"
    } else {
        "the engine's time stamp of the line, since the image's clock does not tell parts of a \
         second,"
    };
    Outcome {
        name: "log-speed".to_owned(),
        title: "A container's log, against docker logs".to_owned(),
        method: format!(
            "A leased container writes {PACE} lines a second; how late each comes is counted from \
             {clock} to its receipt by a client, over the server's WebSocket and from a process \
             `docker logs --follow --timestamps`. Another container has written {lines} lines at \
             full speed, of which the engine still has what its rotation keeps, and containers \
             of their own write as many while they are read: the throughput counts from the \
             connection, or from the word to begin, to the last line's receipt. The client \
             is the same process for both, and takes lines apart only after the last. {rounds} \
             turns each, in changing order; the figures are medians of the turns, compared \
             within each round. CPU and memory are those of the server's process, {idle:.1} MiB \
             before the first reader, and those of the docker command's.",
            lines = bench.lines,
            rounds = bench.rounds,
        ),
        machine,
        columns: texts([
            "",
            "the WebSocket",
            "docker logs",
            "the WebSocket's to docker's",
        ]),
        rows,
        goals,
        data: json!({
            "lines": bench.lines,
            "idleMemoryMiB": idle,
            "writtenAtBy": if by_container { "the container" } else { "the engine" },
            "oneByOne": listened.iter().map(Listened::json).collect::<Vec<_>>(),
            "atFullSpeed": raced.iter().map(Raced::json).collect::<Vec<_>>(),
        }),
    }
}

/// The table rows for a log read to its last line, and the WebSocket's share of docker's
/// throughput.
fn race_rows(raced: &[Raced], log: Log) -> (Vec<Vec<String>>, f64) {
    let turns: Vec<_> = raced.iter().filter(|turn| turn.log == log).collect();
    let of = |figure: &dyn Fn(&Raced) -> f64| {
        Pairs::of(&turns, |turn| (turn.round, turn.by), |turn| figure(turn))
    };
    let name = |what: &str| format!("{}: {what}", log.name());
    let throughput = of(&Raced::throughput);
    let share = throughput.share();
    let compared = |pairs: &Pairs| format!("{:.2}", pairs.share());
    let mut rows = vec![
        throughput.row(&name("lines a second"), 0, compared(&throughput)),
        of(&|turn| number(turn.numbers.came)).row(&name("lines that came"), 0, String::new()),
        of(&|turn| number(turn.numbers.again)).row(&name("of them twice"), 0, String::new()),
    ];
    let posts = of(&|turn| per_1_000(turn.frames, &turn.numbers)).median(|pair| pair[0]);
    rows.push(vec![
        name("posts for 1,000 lines"),
        format!("{posts:.1}"),
        String::new(),
        String::new(),
    ]);
    let cpu = of(&|turn| turn.per_100_000(turn.cpu));
    rows.push(cpu.row(&name("CPU seconds for 100,000 lines"), 2, compared(&cpu)));
    if turns.iter().all(|turn| turn.dockerd.is_some()) {
        let dockerd = of(&|turn| turn.per_100_000(turn.dockerd.unwrap_or(f64::NAN)));
        let compared = compared(&dockerd);
        rows.push(dockerd.row(&name("the engine's CPU seconds for 100,000"), 2, compared));
    }
    let memory = of(&|turn| turn.memory);
    rows.push(memory.row(&name("peak memory MiB"), 1, compared(&memory)));
    (rows, share)
}

/// The goal that every line arrives once. It excludes the log that is written at full speed
/// meanwhile, whose rotation may lose lines for `docker logs` too; the table shows them.
fn each_line_once(listened: &[Listened], raced: &[Raced]) -> Goal {
    let written = || raced.iter().filter(|turn| turn.log == Log::Written);
    let numbers = written().map(|turn| &turn.numbers);
    let numbers = numbers.chain(listened.iter().map(|turn| &turn.numbers));
    let (mut came, mut missing, mut again) = (0, 0, 0);
    for numbers in numbers {
        came += numbers.came;
        missing += numbers.missing;
        again += numbers.again;
    }
    // A complete log is the same in every turn.
    let mut ends = written().map(|turn| (turn.numbers.first, turn.numbers.last));
    let first = ends.next();
    let same = ends.all(|other| Some(other) == first);
    let whole = if same { "whole" } else { "NOT from end to end" };
    Goal::new(
        "every line comes once, where it is not written at full speed meanwhile",
        format!("{came} came, {missing} are missing, {again} came twice, the log at rest {whole}"),
        missing == 0 && again == 0 && same,
    )
}

fn per_1_000(frames: usize, numbers: &Numbers) -> f64 {
    1_000.0 * number(frames) / number(numbers.came + numbers.again)
}

impl Listened {
    fn json(&self) -> Value {
        json!({
            "by": self.by.name(),
            "round": self.round,
            "lines": self.numbers.came,
            "missing": self.numbers.missing,
            "again": self.numbers.again,
            "frames": self.frames,
            "p50": self.delays.percentile(50),
            "p95": self.delays.percentile(95),
            "p99": self.delays.percentile(99),
            "max": self.delays.max(),
        })
    }
}

impl Raced {
    fn json(&self) -> Value {
        json!({
            "by": self.by.name(),
            "round": self.round,
            "log": self.log.name(),
            "seconds": self.seconds,
            "perSecond": self.throughput(),
            "first": self.numbers.first,
            "last": self.numbers.last,
            "came": self.numbers.came,
            "missing": self.numbers.missing,
            "again": self.numbers.again,
            "frames": self.frames,
            "cpuSeconds": self.cpu,
            "peakMemoryMiB": self.memory,
            "engineCpuSeconds": self.dockerd,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_tells_nanoseconds_says_when_a_line_was_written() {
        let line = |message: &str| Line {
            stamped: 0.0,
            received: 0.0,
            message: message.to_owned(),
        };
        let at = written_at(&line("7 1795512600123456789")).expect("it is told");
        assert!((at - 1_795_512_600_123.456_8).abs() < 0.01);
        for untold in [
            "7 1795512600",
            "7 1795512600%N",
            "7",
            "7 1795512600abcdefghi",
        ] {
            assert_eq!(written_at(&line(untold)), None, "{untold}");
        }
    }
}
