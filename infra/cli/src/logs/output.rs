//! The output of a log: lines, and messages about them.

use std::{
    io::{self, Write},
    time::Duration,
};

use containerlease_domain::logs::Stream;
use tokio::time::Instant;

use super::decode::Line;

/// The shortest time between two messages that the view is behind.
const BEHIND_AGAIN: Duration = Duration::from_secs(10);

/// The format of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// As the container wrote it, on the same stream.
    #[default]
    Plain,
    /// The same, with its timestamp in front.
    Timestamps,
    /// As received from the server, on standard output.
    Json,
}

/// Standard output and standard error, or a test's substitutes.
///
/// Lines are buffered until their frame ends. The order between the two streams is kept, for
/// readers who see both on one terminal.
#[derive(Debug)]
pub struct Output<O, E> {
    stdout: O,
    stderr: E,
    form: Form,
    waiting: Vec<u8>,
    /// The stream of the buffered lines.
    stream: Stream,
    interrupted: bool,
    told_behind: Option<Instant>,
    malformed: u64,
}

impl<O: Write, E: Write> Output<O, E> {
    /// An output that has shown nothing yet.
    pub fn new(stdout: O, stderr: E, form: Form) -> Self {
        Self {
            stdout,
            stderr,
            form,
            waiting: Vec::new(),
            stream: Stream::Stdout,
            interrupted: false,
            told_behind: None,
            malformed: 0,
        }
    }

    /// Shows a line, no later than the next [`flush`](Self::flush).
    pub fn line(&mut self, line: &Line<'_>) -> io::Result<()> {
        let stream = match self.form {
            Form::Plain | Form::Timestamps => line.stream,
            Form::Json => Stream::Stdout,
        };
        if self.stream != stream {
            self.flush()?;
            self.stream = stream;
        }
        let text = match self.form {
            Form::Plain => line.message.as_ref(),
            Form::Json => line.json,
            Form::Timestamps => {
                self.waiting.extend_from_slice(line.timestamp.as_bytes());
                self.waiting.push(b' ');
                line.message.as_ref()
            }
        };
        self.waiting.extend_from_slice(text.as_bytes());
        self.waiting.push(b'\n');
        Ok(())
    }

    /// Writes all buffered lines.
    pub fn flush(&mut self) -> io::Result<()> {
        let outcome = match self.stream {
            Stream::Stdout => write_all(&mut self.stdout, &self.waiting),
            Stream::Stderr => write_all(&mut self.stderr, &self.waiting),
        };
        self.waiting.clear();
        outcome
    }

    /// Says that the connection was lost, once until it is [back](Self::connected).
    pub fn interrupted(&mut self, pause: Duration) {
        if self.interrupted {
            return;
        }
        self.interrupted = true;
        if pause.is_zero() {
            self.tell("connection lost, connecting again");
        } else {
            let seconds = pause.as_secs_f64();
            self.tell(&format!(
                "connection lost, connecting again in {seconds:.1} s"
            ));
        }
    }

    /// Says that the connection is back, if it was lost.
    pub fn connected(&mut self) {
        if self.interrupted {
            self.interrupted = false;
            self.tell("connected again");
        }
    }

    /// Says how many lines the view is behind, unless it said so a moment ago.
    pub fn behind(&mut self, lines: u64, now: Instant) {
        let told = self.told_behind;
        if lines > 0 && told.is_none_or(|told| now.duration_since(told) >= BEHIND_AGAIN) {
            self.told_behind = Some(now);
            let words = if lines == 1 { "line" } else { "lines" };
            self.tell(&format!("{} {words} behind", with_commas(lines)));
        }
    }

    /// Says that lines are missing after the ones shown so far.
    pub fn skipped(&mut self, lines: Option<u64>) {
        // If the reader is gone, the next line notices.
        drop(self.flush());
        self.tell(&match lines {
            None => "lines may be missing here: the log is not kept that far back".to_owned(),
            Some(1) => "1 line is missing here".to_owned(),
            Some(lines) => format!("{} lines are missing here", with_commas(lines)),
        });
    }

    /// Counts an unreadable object, and reports the first.
    pub fn malformed(&mut self) {
        self.malformed += 1;
        if self.malformed == 1 {
            self.tell(
                "skipped a message of the server that this version cannot read; later ones are \
                 skipped without a word",
            );
        }
    }

    /// The number of unreadable objects so far.
    pub fn count_malformed(&self) -> u64 {
        self.malformed
    }

    /// Writes a message. If nobody reads it, the command goes on.
    pub fn tell(&mut self, sentence: &str) {
        let told = format!("containerlease: {sentence}\n");
        drop(write_all(&mut self.stderr, told.as_bytes()));
    }
}

/// In one write, so that another program's output cannot interrupt the line.
fn write_all(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}

fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use super::*;

    /// A terminal: both outputs in the order of the writes, each write with its output's name.
    #[derive(Clone, Default)]
    struct Terminal(Rc<RefCell<Vec<String>>>);

    struct Side {
        name: &'static str,
        terminal: Terminal,
    }

    impl Write for Side {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let text = String::from_utf8_lossy(bytes);
            let mut written = self.terminal.0.borrow_mut();
            written.push(format!("{}: {text}", self.name));
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Terminal {
        fn output(&self, form: Form) -> Output<Side, Side> {
            let side = |name| Side {
                name,
                terminal: self.clone(),
            };
            Output::new(side("out"), side("err"), form)
        }

        fn written(&self) -> Vec<String> {
            self.0.take()
        }
    }

    fn line(stream: Stream, message: &'static str) -> Line<'static> {
        Line {
            timestamp: "2026-11-24T09:30:00.500000000Z".into(),
            message: message.into(),
            stream,
            cursor: "5.0_0".parse().unwrap(),
            json: "{json}",
        }
    }

    fn show(form: Form) -> Vec<String> {
        let terminal = Terminal::default();
        let mut output = terminal.output(form);
        for (stream, message) in [
            (Stream::Stdout, "a"),
            (Stream::Stdout, ""),
            (Stream::Stderr, "b\u{1b}[31m"),
            (Stream::Stdout, "c"),
        ] {
            output.line(&line(stream, message)).unwrap();
        }
        output.flush().unwrap();
        terminal.written()
    }

    #[test]
    fn lines_go_where_the_container_wrote_them_and_keep_their_order() {
        assert_eq!(
            show(Form::Plain),
            ["out: a\n\n", "err: b\u{1b}[31m\n", "out: c\n"]
        );
    }

    #[test]
    fn timestamps_come_before_the_lines() {
        let shown = show(Form::Timestamps);
        assert_eq!(
            shown[1],
            "err: 2026-11-24T09:30:00.500000000Z b\u{1b}[31m\n"
        );
    }

    #[test]
    fn json_goes_to_standard_output_alone_and_a_frame_is_one_write() {
        assert_eq!(show(Form::Json), ["out: {json}\n{json}\n{json}\n{json}\n"]);
    }

    #[test]
    fn an_interruption_is_told_once_and_so_is_its_end() {
        let terminal = Terminal::default();
        let mut output = terminal.output(Form::Plain);
        output.connected();
        output.interrupted(Duration::from_millis(470));
        output.interrupted(Duration::from_millis(900));
        output.connected();
        output.connected();
        output.interrupted(Duration::ZERO);
        assert_eq!(
            terminal.written(),
            [
                "err: containerlease: connection lost, connecting again in 0.5 s\n",
                "err: containerlease: connected again\n",
                "err: containerlease: connection lost, connecting again\n",
            ]
        );
    }

    #[test]
    fn being_behind_is_told_now_and_then() {
        let terminal = Terminal::default();
        let mut output = terminal.output(Form::Plain);
        let begun = Instant::now();
        for (second, lines) in [
            (0, 0),
            (1, 1),
            (5, 999),
            (10, 1_000),
            (11, 1_234),
            (21, 1_234_567),
        ] {
            output.behind(lines, begun + Duration::from_secs(second));
        }
        assert_eq!(
            terminal.written(),
            [
                "err: containerlease: 1 line behind\n",
                "err: containerlease: 1,234 lines behind\n",
                "err: containerlease: 1,234,567 lines behind\n",
            ]
        );
    }

    #[test]
    fn lines_that_are_missing_are_told_where_they_are() {
        let terminal = Terminal::default();
        let mut output = terminal.output(Form::Plain);
        output.line(&line(Stream::Stdout, "a")).unwrap();
        for lines in [None, Some(1), Some(1_234)] {
            output.skipped(lines);
        }
        let written = terminal.written();
        assert_eq!(written[0], "out: a\n");
        let told = |text: &str| written.contains(&format!("err: containerlease: {text}\n"));
        assert!(told(
            "lines may be missing here: the log is not kept that far back"
        ));
        assert!(told("1 line is missing here") && told("1,234 lines are missing here"));
    }

    #[test]
    fn what_cannot_be_read_is_counted_and_told_once() {
        let terminal = Terminal::default();
        let mut output = terminal.output(Form::Plain);
        for _ in 0..3 {
            output.malformed();
        }
        assert_eq!(output.count_malformed(), 3);
        assert_eq!(terminal.written().len(), 1);
    }

    #[test]
    fn a_sentence_that_nobody_hears_stops_nothing() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut output = Output::new(Vec::new(), Closed, Form::Plain);
        output.interrupted(Duration::ZERO);
        output.line(&line(Stream::Stdout, "goes on")).unwrap();
        output.flush().unwrap();
        assert_eq!(output.stdout, b"goes on\n");
        output.line(&line(Stream::Stderr, "lost")).unwrap();
        assert_eq!(
            output.flush().unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
    }
}
