//! Standard output and standard error, or a test's substitutes.

pub mod escapes;
mod reader;

use std::{
    fmt,
    io::{self, IsTerminal as _, Write, stderr, stdout},
};

use crate::failure::Failure;
use escapes::Guarded;

/// Where a command writes, and what kind of reader it has.
///
/// Results go to `out`, messages about them to `err`.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about two streams"
)]
pub struct Console {
    pub out: Box<dyn Write + Send>,
    pub err: Box<dyn Write + Send>,
    /// Whether a person reads `err` live.
    pub watched: bool,
    /// Whether to colour `out`.
    pub colours: bool,
    /// Whether `out` is a terminal.
    pub terminal: bool,
    /// Whether `out` is this process's standard output, whose reader may leave.
    of_process: bool,
    has_progress: bool,
}

impl Console {
    /// This process's outputs. A terminal gets colours unless the settings turn them off.
    pub fn of_process(colours: bool) -> Self {
        Self {
            out: Box::new(stdout()),
            err: Box::new(stderr()),
            watched: stderr().is_terminal(),
            colours: colours && stdout().is_terminal(),
            terminal: stdout().is_terminal(),
            of_process: true,
            has_progress: false,
        }
    }

    /// Writers for the container's standard output and standard error. If the target is a terminal,
    /// colours are the only escape sequences that pass.
    pub fn for_containers(&mut self) -> (Guarded<&mut dyn Write>, Guarded<&mut dyn Write>) {
        (
            Guarded::new(&mut self.out, self.terminal),
            Guarded::new(&mut self.err, self.watched),
        )
    }

    /// Waits until the output's reader is gone.
    pub fn reader_gone(&self) -> impl Future<Output = ()> + Send + use<> {
        let of_process = self.of_process;
        async move {
            if of_process {
                reader::gone().await;
            } else {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Writes a result.
    pub fn print(&mut self, text: &str) -> Result<(), Failure> {
        self.clear_progress();
        let written = self.out.write_all(text.as_bytes());
        written.and_then(|()| self.out.flush())?;
        Ok(())
    }

    /// Writes a result and a newline.
    pub fn print_line(&mut self, line: &str) -> Result<(), Failure> {
        self.print(&format!("{line}\n"))
    }

    /// Writes a message. If nobody reads it, the command goes on.
    pub fn tell(&mut self, sentence: &(impl fmt::Display + ?Sized)) {
        self.clear_progress();
        drop(write(
            &mut self.err,
            &format!("containerlease: {sentence}\n"),
        ));
    }

    /// Shows a watching person what the command waits for. The next message replaces it.
    pub fn progress(&mut self, sentence: &str) {
        if self.watched {
            self.clear_progress();
            drop(write(&mut self.err, sentence));
            self.has_progress = true;
        }
    }

    /// Removes the progress line.
    pub fn clear_progress(&mut self) {
        if std::mem::take(&mut self.has_progress) {
            drop(write(&mut self.err, "\r\x1b[K"));
        }
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").finish_non_exhaustive()
    }
}

/// In one write, so that another program's output cannot interrupt the line.
fn write(to: &mut dyn Write, text: &str) -> io::Result<()> {
    to.write_all(text.as_bytes())?;
    to.flush()
}
