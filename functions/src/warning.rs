//! Warnings: faults for the operator to correct that do not prevent every lease.

use serde::Serialize;
use utoipa::ToSchema;

/// A fault for the operator to correct.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Warning {
    kind: WarningKind,
    detail: &'static str,
    /// The command that corrects it, run on the engine's machine from this project's folder.
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
    /// The engine's machine does not have our firewall.
    pub const FIREWALL_MISSING: Self = Self {
        kind: WarningKind::FirewallMissing,
        detail: "Leased containers can open connections to the engine's machine, and reach a \
                 cloud's metadata: there is no firewall between them.",
        command: "sudo infra/docker-host/firewall.sh up",
    };

    /// The engine lacks a runtime that containers need.
    pub const RUNTIME_MISSING: Self = Self {
        kind: WarningKind::RuntimeMissing,
        detail: "The engine does not have the runtime that CONTAINERLEASE_RUNTIME or the catalogue \
                 names, so leases that need it fail. If it is gVisor's runsc, this command \
                 installs it on a Docker host.",
        command: "sudo infra/docker-host/setup.sh --gvisor \"$(command -v runsc)\"",
    };

    /// One sentence that says what is wrong.
    pub fn detail(&self) -> &'static str {
        self.detail
    }

    /// The command that corrects it.
    pub fn command(&self) -> &'static str {
        self.command
    }
}
