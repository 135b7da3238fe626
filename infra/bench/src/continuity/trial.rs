//! What a trial consists of: how much is written, and when something is cut, killed or stalled.

use std::{ops::Range, time::Duration};

use fastrand::Rng;

use super::{Cut, MARGIN, SILENCE, lines::Lines, millis};

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
pub(super) fn seed() -> u64 {
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

/// One client's cuts, each with its time after the first line. During a stall the client meets
/// no other cut.
pub(super) fn cuts(random: &mut Rng, trial: &Trial, stalls: usize) -> Vec<(Duration, Cut)> {
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
pub(super) fn moments(
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
