//! Leased containers that write numbered lines.
//!
//! Their programs are the shell's of the image. Most of them first wait to be told, so that a
//! measurement can have its readers there before.

use std::time::{Duration, Instant};

use bollard::query_parameters::{KillContainerOptionsBuilder, LogsOptionsBuilder};
use containerlease_domain::names::{ContainerName, LeaseId};
use futures_util::TryStreamExt;
use serde_json::json;

use crate::{Fallible, engine::Engine, leases, server::Api};

/// What a program writes that waits to be told.
pub const READY: &str = "ready";

/// Waits until a signal comes. One that comes between a look and the wait is seen a second
/// later.
const WAIT: &str = "trap go=1 USR1; echo ready; until [ \"$go\" ]; do sleep 1 & wait $!; done";

/// How long leases are made for: longer than any measurement.
const MINUTES: u64 = 120;

/// Writes `lines` lines at full speed once it is told, each its number and nothing else.
pub fn at_full_speed(lines: usize) -> String {
    format!("{WAIT}; seq {lines}; exec sleep infinity")
}

/// Writes `lines` lines one after another once it is told, each its number.
///
/// The pause is a read that gets nothing: a process for each of many containers' lines would
/// cost more than what is measured.
pub fn steadily(lines: usize, pause: Duration) -> String {
    let pause = pause.as_secs_f64();
    format!(
        "{WAIT}; sleep infinity | while [ \"${{i:-0}}\" -lt {lines} ]; do i=$((i+1)); echo $i; \
         read -t {pause} -r nothing; done"
    )
}

/// Writes a line every `pause`, without waiting and without an end: its number, and the time
/// in nanoseconds after the epoch where the image can tell that.
pub fn with_times(pause: Duration) -> String {
    let pause = pause.as_secs_f64();
    format!(
        "sleep infinity | while :; do i=$((i+1)); date +\"$i %s%N\"; \
         read -t {pause} -r nothing; done"
    )
}

/// Leases a container with this program and so many thousandths of a CPU.
pub async fn lease(api: &Api, program: &str, cpu_milli: usize) -> Fallible<LeaseId> {
    let body = json!({
        "imageType": leases::IMAGE,
        "durationMinutes": MINUTES,
        "command": ["sh", "-c", program],
        "cpuMilli": cpu_milli,
    });
    api.provision_as(&body).await
}

/// Tells a program that waits to begin.
pub async fn begin(engine: &Engine, id: &LeaseId) -> Fallible<()> {
    let options = KillContainerOptionsBuilder::new().signal("USR1").build();
    let name = ContainerName::of_lease(id);
    let told = engine.docker().kill_container(name.as_str(), Some(options));
    Ok(told.await?)
}

/// Waits until this is the last line that a container has written.
pub async fn until_last(
    engine: &Engine,
    id: &LeaseId,
    wanted: &str,
    limit: Duration,
) -> Fallible<()> {
    let begun = Instant::now();
    loop {
        let last = last_line(engine, id).await?;
        if last == wanted {
            return Ok(());
        }
        if begun.elapsed() > limit {
            return Err(format!("the last line is {last} and not {wanted} after {limit:?}").into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn last_line(engine: &Engine, id: &LeaseId) -> Fallible<String> {
    let options = LogsOptionsBuilder::new().stdout(true).tail("1").build();
    let name = ContainerName::of_lease(id);
    let pieces = engine.docker().logs(name.as_str(), Some(options));
    let pieces: Vec<_> = pieces.try_collect().await?;
    let text = pieces.last().map(ToString::to_string).unwrap_or_default();
    Ok(text.trim_end().to_owned())
}
