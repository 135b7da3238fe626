//! Signals that end a command.

use std::process::exit;

use tokio::signal::unix::{self, SignalKind, signal};

use crate::failure::Failure;

/// The signals by which a command is told to end.
#[derive(Debug)]
pub struct Interrupt {
    ctrl_c: unix::Signal,
    terminate: unix::Signal,
    hang_up: unix::Signal,
}

/// A signal by which a command was told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Interrupt,
    Terminate,
    HangUp,
}

impl Interrupt {
    /// From now on these signals end this process only where this says so.
    pub fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(Failure::Signals);
        Ok(Self {
            ctrl_c: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for the next signal.
    pub async fn recv(&mut self) -> Signal {
        tokio::select! {
            _ = self.ctrl_c.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.hang_up.recv() => Signal::HangUp,
        }
    }

    /// From now on the next signal ends this process at once, also while its first thread waits
    /// for whoever reads its output.
    pub fn ends_the_process(mut self) {
        tokio::spawn(async move {
            let signal = self.recv().await;
            exit(signal.exit_code().into());
        });
    }
}

impl Signal {
    /// What a shell reports of a program that the signal has ended.
    pub fn exit_code(self) -> u8 {
        128 + match self {
            Self::HangUp => 1,
            Self::Interrupt => 2,
            Self::Terminate => 15,
        }
    }
}
