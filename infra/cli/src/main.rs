//! The command line. `containerlease help` says how to call it.

use std::{
    io::{Write, stderr, stdout},
    process::{ExitCode, exit},
};

use clap::Parser;
use containerlease_cli::call::Call;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a shell reports of a program that Ctrl-C has ended.
const INTERRUPTED: i32 = 130;

// The command has the first thread, and may wait there for whoever reads its output; the
// other one takes Ctrl-C all the same.
#[tokio::main(worker_threads = 1)]
async fn main() -> ExitCode {
    let call = Call::parse();
    if let Ok(interrupt) = signal(SignalKind::interrupt()) {
        tokio::spawn(end_on(interrupt));
    }
    match call.carry_out(stdout(), stderr()).await {
        Ok(()) => ExitCode::SUCCESS,
        // `head` has what it wanted.
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            // Where nobody reads it, the exit code must do.
            drop(writeln!(stderr(), "containerlease: {failure}"));
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn end_on(mut interrupt: Signal) {
    interrupt.recv().await;
    exit(INTERRUPTED);
}
