//! Standard output and standard error, or what stands for them.

pub mod escapes;
mod reader;

use std::{
    fmt,
    io::{self, IsTerminal as _, Write, stderr, stdout},
};

use crate::failure::Failure;
use escapes::Guarded;

/// Where a command writes, and who reads it.
///
/// What was asked for goes to `out`, and what there is to say about it to `err`.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about two streams"
)]
pub struct Console {
    pub out: Box<dyn Write + Send>,
    pub err: Box<dyn Write + Send>,
    /// Whether a person reads what is written to `err` as it is written.
    pub watched: bool,
    /// Whether `out` is to have colours.
    pub colours: bool,
    /// Whether `out` is a terminal.
    pub terminal: bool,
    /// Whether `out` is this process's standard output, whose reader may go.
    of_process: bool,
    has_progress: bool,
}

impl Console {
    /// That of this process. A terminal gets colours unless they are unwanted.
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

    /// Where to show what a container has written, to its standard output and to its standard
    /// error. A terminal gets nothing that it would obey but colours.
    pub fn for_containers(&mut self) -> (Guarded<&mut dyn Write>, Guarded<&mut dyn Write>) {
        (
            Guarded::new(&mut self.out, self.terminal),
            Guarded::new(&mut self.err, self.watched),
        )
    }

    /// Waits until whoever reads the output is gone.
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

    /// Writes what was asked for.
    pub fn print(&mut self, text: &str) -> Result<(), Failure> {
        self.clear_progress();
        let written = self.out.write_all(text.as_bytes());
        written.and_then(|()| self.out.flush())?;
        Ok(())
    }

    /// Writes what was asked for, and the end of its line.
    pub fn print_line(&mut self, line: &str) -> Result<(), Failure> {
        self.print(&format!("{line}\n"))
    }

    /// Tells a sentence. That nobody hears it is no reason to stop.
    pub fn tell(&mut self, sentence: &(impl fmt::Display + ?Sized)) {
        self.clear_progress();
        drop(write(
            &mut self.err,
            &format!("containerlease: {sentence}\n"),
        ));
    }

    /// Tells a person, if one watches, what is waited for. The next one takes its place.
    pub fn progress(&mut self, sentence: &str) {
        if self.watched {
            self.clear_progress();
            drop(write(&mut self.err, sentence));
            self.has_progress = true;
        }
    }

    /// Takes the line away that tells what is waited for.
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

/// In one piece, so that another program's output does not come in between.
fn write(to: &mut dyn Write, text: &str) -> io::Result<()> {
    to.write_all(text.as_bytes())?;
    to.flush()
}
