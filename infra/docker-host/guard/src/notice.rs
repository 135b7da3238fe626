//! Reports a round to the log and to systemd: what it did, and what has changed.
//!
//! State from earlier rounds only prevents repeated messages.

use std::{collections::HashSet, path::Path};

use containerlease_domain::{
    names::{ContainerName, Deployment},
    time::Time,
};
use sd_notify::NotifyState;

use crate::{
    engine::{Fault, Removed},
    plan::Rules,
    round::Report,
};

/// Reports rounds.
#[derive(Debug)]
pub(crate) struct Notice {
    /// Since when the engine does not answer.
    silent_since: Option<Time>,
    /// Containers whose unreadable deadline was already logged.
    unreadable: HashSet<ContainerName>,
}

impl Notice {
    pub(crate) fn started(socket: &Path, rules: &Rules) -> Self {
        let deployments: Vec<_> = rules.deployments.iter().map(Deployment::as_str).collect();
        tracing::info!(
            socket = %socket.display(),
            deployments = if deployments.is_empty() { "all".to_owned() } else { deployments.join(",") },
            grace_seconds = rules.grace.as_secs(),
            "standing guard"
        );
        tell_systemd(&[NotifyState::Ready]);
        Self {
            silent_since: None,
            unreadable: HashSet::new(),
        }
    }

    pub(crate) fn of(&mut self, outcome: &Result<Report, Fault>) {
        match outcome {
            Ok(report) => self.of_report(report),
            Err(fault) => self.of_fault(fault),
        }
    }

    fn of_report(&mut self, report: &Report) {
        if let Some(since) = self.silent_since.take() {
            let seconds = since.until(Time::now()).as_secs();
            tracing::info!(seconds, "the engine answers again");
        }
        for ended in &report.ended {
            let container = ended.overdue.name.as_str();
            let deadline = ended.overdue.deadline;
            let late_ms = ended.at.millis_since(deadline);
            match ended.removed {
                Removed::ByUs => tracing::warn!(
                    container,
                    %deadline,
                    late_ms,
                    "ended a container past its hard deadline: its control plane had not ended it"
                ),
                Removed::ByAnother => tracing::info!(
                    container,
                    %deadline,
                    late_ms,
                    "a container past its hard deadline was removed by another"
                ),
            }
        }
        for (overdue, fault) in &report.failed {
            tracing::error!(
                container = overdue.name.as_str(),
                deadline = %overdue.deadline,
                error = %fault,
                "a container past its hard deadline is still there; the next round tries again"
            );
        }
        if report.left > 0 {
            tracing::error!(
                left = report.left,
                "this round's time is over; the next round continues at once"
            );
        }
        self.of_unreadable(&report.unreadable);
        let next = match report.next {
            Some(next) => format!("the next is overdue at {next}"),
            None => "none is due".to_owned(),
        };
        let status = format!("{} containers guarded, {next}", report.guarded);
        tell_systemd(&[NotifyState::Watchdog, NotifyState::Status(&status)]);
    }

    fn of_unreadable(&mut self, unreadable: &[ContainerName]) {
        self.unreadable.retain(|name| unreadable.contains(name));
        for name in unreadable {
            if self.unreadable.insert(name.clone()) {
                tracing::warn!(
                    container = name.as_str(),
                    "a container of ours has no readable hard deadline: it is left alone, or ended \
                     by its age if CONTAINERLEASE_MAX_MINUTES is set"
                );
            }
        }
    }

    /// An unreachable engine is no reason for systemd to restart the guard.
    fn of_fault(&mut self, fault: &Fault) {
        if self.silent_since.is_none() {
            self.silent_since = Some(Time::now());
            tracing::warn!(error = %fault, "nothing can be guarded until the engine answers");
        }
        let status = fault.to_string();
        tell_systemd(&[NotifyState::Watchdog, NotifyState::Status(&status)]);
    }
}

/// Without systemd this does nothing.
fn tell_systemd(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd cannot be notified");
    }
}
