//! The speed of a container's log, compared with `docker logs`.
//!
//! The same client reads from the server's WebSocket and from a process of the docker command,
//! in turns: lines that come one by one, a log that is complete, and a log that is written
//! meanwhile, both at full speed.

mod contestant;
mod outcome;

use std::time::Duration;

use containerlease_domain::names::LeaseId;

use crate::{
    Fallible, Options,
    engine::Engine,
    figures::{Figures, number},
    log_readers::{Line, Numbers, now},
    log_writers::{self, READY},
    machine,
    picture::{Curve, curves},
    process::Process,
    say,
    server::{Api, ServerOptions},
};

use contestant::{CONTESTANTS, Contestant};
use outcome::outcome;

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
    let server = ServerOptions::new(options, engine)?.start().await?;
    let bench = Bench {
        engine,
        api: server.api(),
        server: server.process(),
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
        let mut reader = by.open(self.engine, self.api, id, "0").await?;
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
        let mut reader = by.open(self.engine, self.api, id, "all").await?;
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

    /// CPU seconds of the engine since its start.
    fn dockerd_cpu(&self) -> Option<f64> {
        let cpu = self.dockerd.as_ref()?.cpu().ok()?;
        Some(cpu.as_secs_f64())
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

#[cfg(test)]
mod tests;
