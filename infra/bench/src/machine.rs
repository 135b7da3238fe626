//! Facts about the machine of a measurement.

use containerlease_domain::time::Time;
use serde_json::{Value, json};

use crate::engine::Engine;

/// The machine, its engine, and the time. Unknown facts are null.
pub async fn facts(engine: &Engine) -> Value {
    let version = engine.docker().version().await.unwrap_or_default();
    let info = engine.docker().info().await.unwrap_or_default();
    json!({
        "date": Time::now(),
        "cores": std::thread::available_parallelism().ok().map(std::num::NonZero::get),
        "processor": line_of("/proc/cpuinfo", "model name"),
        "memory": line_of("/proc/meminfo", "MemTotal"),
        "system": info.operating_system,
        "kernel": info.kernel_version,
        "engine": version.version,
        "storage": info.driver,
        "cgroups": info.cgroup_version,
        "loadBefore": load(),
        "build": if cfg!(debug_assertions) { "without optimisation" } else { "release" },
    })
}

/// The facts in a sentence.
pub fn sentence(facts: &Value) -> String {
    let text = |name: &str| match &facts[name] {
        Value::String(text) => text.clone(),
        Value::Null => "unknown".to_owned(),
        other => other.to_string(),
    };
    format!(
        "{}, {} cores ({}), {}, {} with kernel {}, Docker {} on {}, cgroups {}, built {}, \
         load of the last minute before it {}.",
        text("date"),
        text("cores"),
        text("processor"),
        text("memory"),
        text("system"),
        text("kernel"),
        text("engine"),
        text("storage"),
        text("cgroups"),
        text("build"),
        text("loadBefore"),
    )
}

/// The load average of the last minute.
pub fn load() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split(' ').next()?.parse().ok()
}

fn line_of(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
