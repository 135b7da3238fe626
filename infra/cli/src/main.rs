//! The command line. `containerlease help` says how to call it.

use std::process::ExitCode;

use clap::Parser;
use containerlease_cli::{call::Call, console::Console};
use containerlease_shared::settings::CommandLineSettings;
use tokio::runtime;

fn main() -> ExitCode {
    let call = Call::parse();
    let settings = CommandLineSettings::from_env();
    let mut console = Console::of_process(settings.colours);
    let mut builder = runtime::Builder::new_multi_thread();
    if !call.serves() {
        // A command has the first thread, and may wait there for whoever reads its output; the
        // other one takes Ctrl-C all the same.
        builder.worker_threads(1);
    }
    let runtime = builder.enable_all().build();
    let runtime = runtime.expect("a process can have a thread or two");
    let code = match runtime.block_on(call.carry_out(&settings, &mut console)) {
        Ok(code) => code,
        // `head` has what it wanted.
        Err(failure) if failure.is_closed_pipe() => 0,
        Err(failure) => {
            // Where nobody reads it, the exit code must do.
            console.tell(&failure);
            failure.exit_code()
        }
    };
    // What still waits, such as for a name to be resolved, is not waited for.
    runtime.shutdown_background();
    ExitCode::from(code)
}
