//! The cost of leasing and deleting a container, beyond the engine's own time.

use std::{future::Future, time::Instant};

use bollard::{
    models::{ContainerCreateBody, HostConfig},
    query_parameters::{
        CreateContainerOptionsBuilder, InspectContainerOptions, StartContainerOptions,
    },
};
use containerlease_domain::names::ContainerName;
use serde_json::{Value, json};

use crate::{
    Fallible, Options,
    engine::{Engine, Removal},
    figures::Figures,
    leases::{GRACE, IMAGE},
    machine,
    picture::{Curve, curves},
    result::{Goal, Outcome, texts},
    server::{Api, ServerOptions},
};

/// Maximum time for leasing, as a multiple of the engine's own time.
const PROMISED: f64 = 1.10;

/// Number of pairs that warm up caches.
const WARM_UP: usize = 3;

/// One container that the product makes and removes, and one that a plain client does.
#[derive(Clone, Copy, Debug)]
struct Pair {
    ours: Turn,
    raw: Turn,
}

/// Durations in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Turn {
    made: f64,
    removed: f64,
}

/// Measures both in turns, so that a drift of the machine favours neither.
pub async fn measure(options: &Options, engine: &Engine) -> Fallible<bool> {
    let machine = machine::facts(engine).await;
    let server = ServerOptions::new(options, engine)?.start().await?;
    let twin = Twin::of_a_lease(server.api(), engine).await?;
    let mut pairs = Vec::new();
    for round in 0..options.leases + WARM_UP {
        let pair = if round % 2 == 0 {
            let ours = our_turn(server.api()).await?;
            let raw = twin.turn(engine, round).await?;
            Pair { ours, raw }
        } else {
            let raw = twin.turn(engine, round).await?;
            let ours = our_turn(server.api()).await?;
            Pair { ours, raw }
        };
        pairs.push(pair);
    }
    pairs.drain(..WARM_UP);

    let outcome = outcome(&pairs, machine);
    let sorted = |of: fn(&Pair) -> f64| Figures::of(pairs.iter().map(of));
    let picture = curves(
        &outcome.title,
        "milliseconds",
        "percent done within",
        &[
            Curve::shares("lease", sorted(|pair| pair.ours.made).sorted()),
            Curve::shares("create, start", sorted(|pair| pair.raw.made).sorted()),
            Curve::shares("delete", sorted(|pair| pair.ours.removed).sorted()),
            Curve::shares("stop, remove", sorted(|pair| pair.raw.removed).sorted()),
        ],
    );
    outcome.publish(&options.out, &picture)?;
    Ok(outcome.holds())
}

async fn our_turn(api: &Api) -> Fallible<Turn> {
    let (id, made) = timed(api.provision(IMAGE, 60)).await?;
    let (deleted, removed) = timed(api.delete(&id)).await?;
    if !deleted {
        return Err(format!("{id} was not deleted").into());
    }
    Ok(Turn { made, removed })
}

/// The configuration of a container like those of leases.
struct Twin(ContainerCreateBody);

impl Twin {
    /// Leases one and reads its configuration from the engine.
    async fn of_a_lease(api: &Api, engine: &Engine) -> Fallible<Self> {
        let id = api.provision(IMAGE, 60).await?;
        let name = ContainerName::of_lease(&id);
        let inspected = engine
            .docker()
            .inspect_container(name.as_str(), None::<InspectContainerOptions>)
            .await?;
        let config = inspected
            .config
            .ok_or("the engine gives no configuration")?;
        let mut body: ContainerCreateBody = serde_json::from_value(serde_json::to_value(config)?)?;
        body.hostname = None;
        body.host_config = Some(HostConfig {
            // The inspected value is what the first container got.
            port_bindings: None,
            ..inspected.host_config.unwrap_or_default()
        });
        api.delete(&id).await?;
        Ok(Self(body))
    }

    async fn turn(&self, engine: &Engine, round: usize) -> Fallible<Turn> {
        let name = format!("{}-{round}", engine.deployment());
        let docker = engine.docker();
        let make = async {
            let options = CreateContainerOptionsBuilder::new().name(&name).build();
            docker
                .create_container(Some(options), self.0.clone())
                .await?;
            docker
                .start_container(&name, None::<StartContainerOptions>)
                .await?;
            Ok(())
        };
        let ((), made) = timed(make).await?;
        let remove = engine.remove(vec![name.clone()], Removal::StopAndRemove(GRACE), 1);
        let ((), removed) = timed(remove).await?;
        Ok(Turn { made, removed })
    }
}

/// The work's result, and its duration in milliseconds.
async fn timed<T>(work: impl Future<Output = Fallible<T>>) -> Fallible<(T, f64)> {
    let begun = Instant::now();
    let done = work.await?;
    Ok((done, begun.elapsed().as_secs_f64() * 1_000.0))
}

fn outcome(pairs: &[Pair], machine: Value) -> Outcome {
    let row = |what: &str, ours: fn(&Pair) -> f64, raw: fn(&Pair) -> f64| {
        let ours = Figures::of(pairs.iter().map(ours));
        let raw = Figures::of(pairs.iter().map(raw));
        let ratio = ours.percentile(50) / raw.percentile(50);
        let shown = |figures: &Figures, percent| format!("{:.0}", figures.percentile(percent));
        let cells = vec![
            what.to_owned(),
            shown(&ours, 50),
            shown(&raw, 50),
            format!("{ratio:.2}"),
            shown(&ours, 99),
            shown(&raw, 99),
        ];
        (ratio, cells)
    };
    let (making, made) = row("make", |pair| pair.ours.made, |pair| pair.raw.made);
    let (_, removed) = row("remove", |pair| pair.ours.removed, |pair| pair.raw.removed);
    let of = |turn: Turn| json!({"made": turn.made, "removed": turn.removed});
    let data = pairs
        .iter()
        .map(|pair| json!({"ours": of(pair.ours), "raw": of(pair.raw)}));
    Outcome {
        name: "cost".to_owned(),
        title: "What our layer costs".to_owned(),
        method: format!(
            "{} containers leased and deleted over the API, one at a time, and as many with the \
             same configuration created, started, stopped and removed over the raw API, by turns. \
             Deleting also reads the end of the log and keeps it, and writes the receipt; how many \
             ends a second the reaper carries out is measured in the burst.",
            pairs.len()
        ),
        machine,
        columns: texts([
            "",
            "ours, p50 ms",
            "the engine's own, p50 ms",
            "ratio",
            "ours, p99 ms",
            "the engine's own, p99 ms",
        ]),
        rows: vec![made, removed],
        goals: vec![Goal::new(
            "leasing takes at most 1.10 times the engine's own create and start",
            format!("{making:.2}"),
            making <= PROMISED,
        )],
        data: data.collect(),
    }
}
