//! What was measured, as rows, goals and a picture.

use serde_json::{Value, json};

use super::{
    Bench, Listened, Log, PACE, PROMISED_MS, PROMISED_SHARE, Raced, contestant::Contestant,
};
use crate::{
    figures::{Figures, number},
    log_readers::Numbers,
    result::{Goal, Outcome, texts},
};

/// A figure of both contestants, one pair per round. They are compared within a round, where
/// the machine's state is the same.
pub(super) struct Pairs(Vec<[f64; 2]>);

impl Pairs {
    pub(super) fn of<T>(
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

    pub(super) fn median(&self, figure: impl Fn(&[f64; 2]) -> f64) -> f64 {
        Figures::of(self.0.iter().map(figure)).percentile(50)
    }

    /// The WebSocket's figure minus docker's.
    pub(super) fn difference(&self) -> f64 {
        self.median(|[ours, theirs]| ours - theirs)
    }

    /// The WebSocket's figure divided by docker's.
    pub(super) fn share(&self) -> f64 {
        self.median(|[ours, theirs]| ours / theirs)
    }

    fn row(&self, name: &str, decimals: usize, compared: String) -> Vec<String> {
        let [ours, theirs] = [0, 1].map(|of| self.median(|pair| pair[of]));
        let shown = |value: f64| format!("{value:.decimals$}");
        vec![name.to_owned(), shown(ours), shown(theirs), compared]
    }
}

pub(super) fn outcome(
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
