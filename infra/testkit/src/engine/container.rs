//! A container of the engine in memory, and how it is described.

use std::collections::BTreeMap;

use containerlease_domain::time::Time;
use serde_json::{Value, json};

/// A container and its history. Its record stays after its removal.
#[derive(Clone, Debug)]
pub struct Container {
    pub id: String,
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub created_at: Time,
    pub status: Status,
    /// The lines that its program wrote.
    pub log: Vec<String>,
    /// When a stop or a removal was first requested.
    pub touched_at: Option<Time>,
    /// When it stopped running.
    pub stopped_at: Option<Time>,
    /// When its removal finished.
    pub removed_at: Option<Time>,
    pub stops_asked: usize,
    pub removals_asked: usize,
}

/// A container's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Created,
    Running,
    /// Its program has ended with this code.
    Exited(i64),
    /// A removal is in progress.
    Removing,
    Gone,
}

impl Container {
    /// Whether the engine still knows it.
    pub fn is_there(&self) -> bool {
        self.status != Status::Gone
    }

    pub(super) fn stop(&mut self, code: i64) {
        if self.status == Status::Running {
            self.status = Status::Exited(code);
            self.stopped_at = Some(Time::now());
        }
    }

    pub(super) fn touch(&mut self) {
        self.touched_at.get_or_insert_with(Time::now);
    }

    /// The engine's name for it.
    pub(super) fn status_text(&self) -> &'static str {
        match self.status {
            Status::Created => "created",
            Status::Running => "running",
            Status::Exited(_) => "exited",
            Status::Removing => "removing",
            Status::Gone => unreachable!("nobody is told of one that is gone"),
        }
    }

    pub(super) fn has(&self, label: &str) -> bool {
        has_label(&self.labels, label)
    }

    pub(super) fn inspected(&self) -> Value {
        let exit_code = match self.status {
            Status::Exited(code) => code,
            _ => 0,
        };
        json!({
            "Id": self.id,
            "Name": format!("/{}", self.name),
            "Created": self.created_at.to_string(),
            "Config": {"Labels": self.labels},
            "State": {
                "Status": self.status_text(),
                "Running": self.status == Status::Running,
                "ExitCode": exit_code,
            },
            "NetworkSettings": {"Ports": {}},
        })
    }

    pub(super) fn listed(&self) -> Value {
        json!({
            "Id": self.id,
            "Names": [format!("/{}", self.name)],
            "Created": self.created_at.as_millis().div_euclid(1000),
            "State": self.status_text(),
            "Status": match self.status {
                Status::Exited(code) => format!("Exited ({code}) 1 second ago"),
                _ => "Up 1 second".to_owned(),
            },
            "Labels": self.labels,
        })
    }

    /// Its log in the engine's framing: the stream, three zeros, the length, the line. If
    /// `stamped`, the line starts with the time at which it was written.
    pub(super) fn framed_log(&self, stamped: bool) -> Vec<u8> {
        let mut frames = Vec::new();
        for line in &self.log {
            let stamp = if stamped {
                format!("{} ", self.created_at)
            } else {
                String::new()
            };
            let line = format!("{stamp}{line}\n");
            let length = u32::try_from(line.len()).expect("a line is short");
            frames.extend([1, 0, 0, 0]);
            frames.extend(length.to_be_bytes());
            frames.extend(line.as_bytes());
        }
        frames
    }
}

/// Whether this `name=value` is among the labels.
pub(super) fn has_label(labels: &BTreeMap<String, String>, label: &str) -> bool {
    let (name, value) = label.split_once('=').unwrap_or((label, ""));
    labels.get(name).is_some_and(|its| its == value)
}
