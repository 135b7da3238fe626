//! Leases that end at one instant, compared with the engine's own throughput.

use std::time::Duration;

use containerlease_domain::names::LeaseId;
use serde_json::{Value, json};

use crate::{
    Fallible, Options,
    engine::{Engine, Removal, as_millis, lease_of, now},
    figures::{Figures, number},
    leases::{self, GRACE},
    machine,
    picture::{Curve, curves},
    result::{Goal, Outcome, texts},
    say,
    server::ServerOptions,
};

/// Number of concurrent removals of an ideal client: the engine's own throughput is greatest
/// with 12 to 16. It is independent of the reaper's limit, so that a limit that is too low
/// makes only the reaper slower.
const AT_ONCE: usize = 12;

/// The promised share of the engine's own throughput.
const PROMISED: f64 = 0.95;

/// Time limit until all are gone.
const LIMIT: Duration = Duration::from_secs(600);

/// A contestant, which removes the containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contestant {
    Reaper,
    /// A client that only removes.
    Client(Removal),
}

const CONTESTANTS: [Contestant; 3] = [
    Contestant::Reaper,
    Contestant::Client(Removal::StopAndRemove(GRACE)),
    Contestant::Client(Removal::Force),
];

impl Contestant {
    fn name(self) -> &'static str {
        match self {
            Self::Reaper => "the reaper",
            Self::Client(Removal::StopAndRemove(_)) => "a client: stop, remove",
            Self::Client(Removal::Force) => "a client: remove by force",
        }
    }
}

/// One contestant's turn: when each container was gone, in seconds after the instant.
struct Turn {
    contestant: Contestant,
    round: usize,
    gone: Vec<f64>,
}

impl Turn {
    /// Containers per second, from the instant to the last.
    fn throughput(&self) -> f64 {
        number(self.gone.len()) / self.gone.last().copied().unwrap_or(f64::NAN)
    }
}

/// Measures the throughput of each contestant in turns, so that a drift of the machine shows
/// and favours none.
pub async fn measure(options: &Options, engine: &Engine) -> Fallible<bool> {
    let machine = machine::facts(engine).await;
    let mut turns = Vec::new();
    for round in 0..options.rounds {
        let mut order = CONTESTANTS;
        order.rotate_left(round % CONTESTANTS.len());
        for contestant in order {
            let place = engine.beside(&format!("{round}{}", turns.len()));
            let turn = turn(options, &place, contestant).await;
            let cleaned = place.clean().await;
            let mut gone = turn?;
            cleaned?;
            gone.sort_by(f64::total_cmp);
            let turn = Turn {
                contestant,
                round,
                gone,
            };
            let name = contestant.name();
            say(format_args!("  {name}: {:.1} a second", turn.throughput()));
            turns.push(turn);
        }
    }

    let outcome = outcome(options, &turns, machine);
    let lines: Vec<_> = turns
        .iter()
        .map(|turn| {
            let name = format!("{}, round {}", turn.contestant.name(), turn.round + 1);
            Curve::counts(name, &turn.gone)
        })
        .collect();
    let picture = curves(
        &outcome.title,
        "seconds from the instant on",
        "containers gone",
        &lines,
    );
    outcome.publish(&options.out, &picture)?;
    Ok(outcome.holds())
}

async fn turn(options: &Options, place: &Engine, contestant: Contestant) -> Fallible<Vec<f64>> {
    let plan = ServerOptions::new(options, place)?;
    let server = plan.start().await?;
    let watch = place.watch().await?;
    let ids = leases::make(server.api(), options.leases).await?;
    let names: Vec<_> = ids.iter().map(LeaseId::to_string).collect();
    let instant = match contestant {
        Contestant::Reaper => {
            let store = server.api().store().await;
            let instant = leases::soonest_end(ids.len(), options.tick);
            let ends: Vec<_> = ids.iter().map(|id| (*id, instant)).collect();
            leases::move_ends(&store, &ends).await?;
            leases::sleep_until(instant).await;
            as_millis(instant)
        }
        Contestant::Client(removal) => {
            // Without its server, the product's container is like any other.
            server.kill().await?;
            let containers = place.containers().await?;
            let ours = containers.iter().filter(|c| lease_of(c).is_some());
            let ours = ours.filter_map(|c| c.id.clone()).collect();
            let instant = now();
            place.remove(ours, removal, AT_ONCE).await?;
            instant
        }
    };
    let gone = watch.all_gone(&names, LIMIT).await?;
    Ok(gone
        .into_iter()
        .map(|at| (at - instant) / 1_000.0)
        .collect())
}

fn outcome(options: &Options, turns: &[Turn], machine: Value) -> Outcome {
    let of = |contestant| {
        turns
            .iter()
            .filter(move |turn| turn.contestant == contestant)
    };
    let median = |contestant| Figures::of(of(contestant).map(Turn::throughput)).percentile(50);
    // Compare within a round, where the machine's state is the same.
    let ratio_to = |client| {
        let pairs = of(CONTESTANTS[0]).flat_map(|ours| {
            let theirs = of(client).filter(|theirs| theirs.round == ours.round);
            theirs.map(|theirs| ours.throughput() / theirs.throughput())
        });
        Figures::of(pairs)
    };
    let rows = CONTESTANTS.map(|contestant| {
        let all: Vec<_> = of(contestant)
            .map(|turn| format!("{:.1}", turn.throughput()))
            .collect();
        let ratio = match contestant {
            Contestant::Reaper => "1".to_owned(),
            Contestant::Client(_) => format!("{:.2}", ratio_to(contestant).percentile(50)),
        };
        let median = format!("{:.1}", median(contestant));
        vec![contestant.name().to_owned(), all.join(", "), median, ratio]
    });
    let goals = [CONTESTANTS[1], CONTESTANTS[2]].map(|client| {
        let ratio = ratio_to(client).percentile(50);
        let promise = match client {
            Contestant::Client(Removal::Force) => {
                "at least 0.95 of the engine's throughput, where it only removes by force"
            }
            _ => "at least 0.95 of the engine's throughput, where it stops and removes",
        };
        Goal::new(promise, format!("{ratio:.2}"), ratio >= PROMISED)
    });
    let data = turns.iter().map(|turn| {
        json!({
            "by": turn.contestant.name(),
            "round": turn.round,
            "perSecond": turn.throughput(),
            "goneAfterSeconds": turn.gone,
        })
    });
    Outcome {
        name: "burst".to_owned(),
        title: "Leases that end at one instant".to_owned(),
        method: format!(
            "{} leases that end in the same millisecond, and as many containers of the same kind \
             (made by the same server, on a network made the same way) removed over the raw API, \
             {AT_ONCE} at a time, by a client that does nothing else; {} turns each, in changing \
             order. The throughput counts from the instant to the last container's end.",
            options.leases, options.rounds
        ),
        machine,
        columns: texts([
            "by",
            "containers per second",
            "median",
            "the reaper's share of it",
        ]),
        rows: rows.to_vec(),
        goals: goals.to_vec(),
        data: data.collect(),
    }
}
