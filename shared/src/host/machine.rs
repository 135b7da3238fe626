//! The engine's machine: how much of it there is to lease.

use bollard::Docker;

use super::{Host, HostError, LOOK_LIMIT};
use crate::capacity::Machine;

impl Host {
    /// The machine as the engine itself sees it. It is asked once, by the first that wants to
    /// know: a machine that is changed is an engine that was restarted.
    pub async fn machine(&self) -> Result<Machine, HostError> {
        let asked = self.machine.get_or_try_init(async || {
            let info = |docker: Docker| async move { docker.info().await };
            let attempted = "asking the engine for its machine";
            let info = self.client.call(attempted, LOOK_LIMIT, info).await?;
            match (info.ncpu, info.mem_total) {
                (Some(cpus), Some(memory)) if cpus > 0 && memory > 0 => Ok(Machine {
                    cpus: u32::try_from(cpus).unwrap_or(u32::MAX),
                    memory: memory.unsigned_abs(),
                }),
                _ => Err(HostError::Client {
                    attempted,
                    message: "it does not say how many CPUs and how much memory".to_owned(),
                }),
            }
        });
        asked.await.copied()
    }
}
