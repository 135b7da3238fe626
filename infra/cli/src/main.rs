//! The command line. `containerlease help` says how to call it.

use std::process::ExitCode;

use clap::Parser;
use containerlease_cli::{call::Call, console::Console};
use containerlease_settings::CommandLineSettings;
use tokio::runtime;

fn main() -> ExitCode {
    let call = Call::parse();
    let settings = CommandLineSettings::from_env();
    let mut console = Console::of_process(settings.colours);
    let mut builder = runtime::Builder::new_multi_thread();
    if !call.serves() {
        // A command runs on the first thread and may block there on a slow reader; the other thread
        // still receives Ctrl-C.
        builder.worker_threads(1);
    }
    let runtime = builder.enable_all().build();
    let runtime = runtime.expect("a process can have a thread or two");
    let code = match runtime.block_on(call.carry_out(&settings, &mut console)) {
        Ok(code) => code,
        // The reader, such as `head`, has what it wanted.
        Err(failure) if failure.is_closed_pipe() => 0,
        Err(failure) => {
            // If nobody reads standard error, the exit code must say it.
            console.tell(&failure);
            failure.exit_code()
        }
    };
    // Do not wait for what is still pending, such as a DNS lookup.
    runtime.shutdown_background();
    ExitCode::from(code)
}
