//! What keeps not every lease from being made, and ought to be put right all the same.

use serde::Serialize;
use utoipa::ToSchema;

/// What ought to be put right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Warning {
    kind: WarningKind,
    detail: &'static str,
    /// What puts it right, run on the engine's machine from this project's folder.
    command: &'static str,
}

/// Which warning it is, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum WarningKind {
    FirewallMissing,
    RuntimeMissing,
}

impl Warning {
    /// The engine's machine has no firewall of ours.
    pub const FIREWALL_MISSING: Self = Self {
        kind: WarningKind::FirewallMissing,
        detail: "Leased containers can open connections to the engine's machine, and reach a \
                 cloud's metadata: there is no firewall between them.",
        command: "sudo infra/docker-host/firewall.sh up",
    };

    /// The engine does not have a runtime that containers are to run under.
    pub const RUNTIME_MISSING: Self = Self {
        kind: WarningKind::RuntimeMissing,
        detail: "The engine does not have the runtime that CONTAINERLEASE_RUNTIME or the catalogue \
                 names, and nothing is leased that is to run under it. Where that is gVisor's \
                 runsc, this gives it to an engine of a Docker host.",
        command: "sudo infra/docker-host/setup.sh --gvisor \"$(command -v runsc)\"",
    };

    /// What is wrong, in a sentence.
    pub fn detail(&self) -> &'static str {
        self.detail
    }

    /// What puts it right.
    pub fn command(&self) -> &'static str {
        self.command
    }
}
