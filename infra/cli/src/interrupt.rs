//! Signals that end a command.

use std::process::exit;

use tokio::signal::unix::{self, SignalKind, signal};

use crate::failure::Failure;

/// The signals that tell a command to end.
#[derive(Debug)]
pub struct Interrupt {
    ctrl_c: unix::Signal,
    terminate: unix::Signal,
    hang_up: unix::Signal,
}

/// A signal that told a command to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Interrupt,
    Terminate,
    HangUp,
}

impl Interrupt {
    /// From now on, these signals no longer end this process by themselves.
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

    /// From now on, the next signal ends this process at once, even while its first thread blocks
    /// on a slow reader.
    pub fn ends_the_process(mut self) {
        tokio::spawn(async move {
            let signal = self.recv().await;
            exit(signal.exit_code().into());
        });
    }
}

impl Signal {
    /// The code that a shell reports for a program that the signal ended.
    pub fn exit_code(self) -> u8 {
        128 + match self {
            Self::HangUp => 1,
            Self::Interrupt => 2,
            Self::Terminate => 15,
        }
    }
}
