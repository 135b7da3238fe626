//! Measures the reaper and the logs under load. `containerlease-bench` without arguments
//! prints its usage.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use containerlease_bench::{
    Fallible, Options, burst, by_itself, continuity, cost, engine::Engine, log_speed, log_viewers,
    one_bad, say, soak, spread,
};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "\
usage: containerlease-bench WHAT [OPTION VALUE]…

  spread          leases that end one after another, and the same by the bare tick
  burst           leases that end at one instant, compared with the engine's own throughput
  by-itself       programs that end by themselves, and how soon their leases end
  cost            leasing and deleting, compared with the engine's own calls
  one-bad         how much one container that cannot be removed delays the others
  soak            many leases with faults, kills and several reapers
  log-continuity  a log that is followed through cuts and kills
  log-speed       a container's log over the WebSocket, compared with docker logs
  log-viewers     many viewers of one container, and of one container each
  all             all of these except soak and log-continuity
  clean           removes the remains of killed measurements from the engine

  --leases N      number of leases (200; by-itself and one-bad 100; cost 60; soak 10000);
                  for log-speed number of lines (500000), for log-viewers of viewers (100)
  --rounds N      number of turns of each contestant of burst and log-speed (3)
  --tick N        interval between runs of the reaper, in seconds (60)
  --window N      time over which the ends of a spread are distributed, in seconds (120)
  --server PATH   the product's binary, containerlease (beside this one)
  --out FOLDER    the folder for results (docs/benchmarks)

DOCKER_HOST names the engine. The exit code is 1 if a promise does not hold.";

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Call::parse(std::env::args().skip(1)) {
        Ok(call) => call.carry_out().await,
        Err(problem) => Err(format!("{problem}\n\n{USAGE}").into()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            say_why_not(&problem.to_string());
            ExitCode::from(2)
        }
    }
}

/// The parsed command line.
struct Call {
    what: String,
    leases: Option<usize>,
    options: Options,
}

impl Call {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Fallible<Self> {
        let what = arguments.next().ok_or("Name a measurement.")?;
        let mut leases = None;
        let mut options = Options {
            leases: 0,
            rounds: 3,
            tick: Duration::from_secs(60),
            window: Duration::from_secs(120),
            server: std::env::current_exe()?.with_file_name("containerlease"),
            out: PathBuf::from("docs/benchmarks"),
        };
        while let Some(option) = arguments.next() {
            let value = arguments.next().ok_or(format!("{option} needs a value."))?;
            match option.as_str() {
                "--leases" => leases = Some(value.parse()?),
                "--rounds" => options.rounds = value.parse()?,
                "--tick" => options.tick = Duration::from_secs(value.parse()?),
                "--window" => options.window = Duration::from_secs(value.parse()?),
                "--server" => options.server = value.into(),
                "--out" => options.out = value.into(),
                _ => return Err(format!("There is no {option}.").into()),
            }
        }
        Ok(Self {
            what,
            leases,
            options,
        })
    }

    async fn carry_out(&self) -> Fallible<bool> {
        match self.what.as_str() {
            "reap" => soak::reap().await.map(|()| true),
            "clean" => clean().await,
            "spread" => Ok(self.run("spread").await? & self.run("bare-tick").await?),
            "all" => {
                let mut holds = true;
                for what in [
                    "spread",
                    "bare-tick",
                    "burst",
                    "by-itself",
                    "cost",
                    "one-bad",
                    "log-speed",
                    "log-viewers",
                ] {
                    holds &= self.run(what).await?;
                }
                Ok(holds)
            }
            what => self.run(what).await,
        }
    }

    /// Runs one measurement, then removes everything it made, even if it is interrupted.
    async fn run(&self, what: &str) -> Fallible<bool> {
        let default = match what {
            "cost" => 60,
            "log-continuity" => 1,
            "log-speed" => log_speed::LINES,
            "log-viewers" => log_viewers::VIEWERS,
            "by-itself" | "one-bad" => 100,
            "soak" => 10_000,
            "spread" | "bare-tick" | "burst" => 200,
            _ => return Err(format!("There is no {what}.\n\n{USAGE}").into()),
        };
        let options = &Options {
            leases: self.leases.unwrap_or(default),
            ..self.options.clone()
        };
        let of = match what {
            "log-speed" => "lines",
            "log-viewers" => "viewers",
            _ => "leases",
        };
        say(format_args!("{what}: {} {of}", options.leases));
        let engine = &Engine::new(what).await?;
        let (mut interrupt, mut terminate) = (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        );
        let measured = async {
            match what {
                "spread" => spread::measure(options, engine, true).await,
                "bare-tick" => spread::measure(options, engine, false).await,
                "burst" => burst::measure(options, engine).await,
                "by-itself" => by_itself::measure(options, engine).await,
                "cost" => cost::measure(options, engine).await,
                "one-bad" => one_bad::measure(options, engine).await,
                "log-continuity" => continuity::measure(options, engine).await,
                "log-speed" => log_speed::measure(options, engine).await,
                "log-viewers" => log_viewers::measure(options, engine).await,
                _ => soak::measure(options, engine).await,
            }
        };
        let measured = tokio::select! {
            measured = measured => measured,
            _ = interrupt.recv() => Err("interrupted".into()),
            _ = terminate.recv() => Err("terminated".into()),
        };
        say("  removing what is left of it");
        let cleaned = remove_all_of(engine).await;
        let holds = measured?;
        cleaned?;
        Ok(holds)
    }
}

/// Removes a measurement's deployment, its sibling deployments, and their folders.
async fn remove_all_of(engine: &Engine) -> Fallible<()> {
    let whole = engine.deployment();
    for deployment in engine.left_over().await? {
        if deployment.deployment().starts_with(whole) {
            deployment.clean().await?;
        }
    }
    for entry in std::fs::read_dir(std::env::temp_dir())?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(whole) {
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
    Ok(())
}

async fn clean() -> Fallible<bool> {
    for deployment in Engine::new("clean").await?.left_over().await? {
        say(format_args!("removing {}", deployment.deployment()));
        remove_all_of(&deployment).await?;
    }
    Ok(true)
}

#[expect(
    clippy::print_stderr,
    reason = "whoever measures reads why there is nothing to see"
)]
fn say_why_not(problem: &str) {
    eprintln!("containerlease-bench: {problem}");
}
