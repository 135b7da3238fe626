//! What was measured, as rows, goals and a picture.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Found, LIMIT, Moment, PAUSE, POINTS, PROMISED, Setting};
use crate::{
    figures::number,
    result::{Goal, Outcome},
};

pub(super) fn outcome(found: &[Found], time: Duration, machine: Value) -> Outcome {
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
pub(super) fn thinned(sorted: &[f64]) -> Vec<f64> {
    let every = sorted.len().div_ceil(POINTS).max(1);
    let mut values: Vec<_> = sorted.iter().copied().step_by(every).collect();
    values.extend(sorted.last());
    values
}
