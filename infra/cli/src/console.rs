//! Standard output and standard error, or what stands for them.

use std::{
    fmt,
    io::{self, IsTerminal as _, Write, stderr, stdout},
};

use crate::failure::Failure;

/// Where a command writes, and who reads it.
///
/// What was asked for goes to `out`, and what there is to say about it to `err`.
pub struct Console {
    pub out: Box<dyn Write + Send>,
    pub err: Box<dyn Write + Send>,
    /// Whether a person reads what is written to `err` as it is written.
    pub watched: bool,
    /// Whether `out` is to have colours.
    pub colours: bool,
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
            has_progress: false,
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
