//! Ring buffer of the lines that a follow read last.

use std::collections::VecDeque;

use containerlease_domain::logs::{Cursor, Entry, Position, Stream};

/// The latest lines.
#[derive(Debug)]
pub(super) struct Ring {
    pub(super) lines: VecDeque<Line>,
    pub(super) bytes: usize,
    /// The sequence number of the first line.
    pub(super) first: u64,
    /// The position before the first line.
    pub(super) before: Cursor,
    /// The position after the last line.
    pub(super) after: Cursor,
}

/// A line without its cursor, which differs per viewer.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) stream: Stream,
    pub(super) position: Position,
    pub(super) text: Box<str>,
    /// Whether lines before it are missing.
    pub(super) after_gap: bool,
}

impl From<&Entry> for Line {
    fn from(entry: &Entry) -> Self {
        Self {
            stream: entry.stream,
            position: entry.position,
            text: entry.to_line_without_cursor().into_boxed_str(),
            after_gap: entry.after_gap,
        }
    }
}

impl Ring {
    pub(super) fn empty_at(cursor: Cursor) -> Self {
        Self {
            lines: VecDeque::new(),
            bytes: 0,
            first: 0,
            before: cursor,
            after: cursor,
        }
    }

    pub(super) fn end(&self) -> u64 {
        self.first + self.lines.len() as u64
    }

    pub(super) fn push(&mut self, line: Line) {
        self.after.pass(line.stream, line.position);
        self.bytes += line.text.len();
        self.lines.push_back(line);
    }

    pub(super) fn forget_first(&mut self) {
        if let Some(line) = self.lines.pop_front() {
            self.bytes -= line.text.len();
            self.first += 1;
            self.before.pass(line.stream, line.position);
        }
    }
}

/// Where the follow was when a viewer's next line was not in its ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ahead {
    pub(super) cursor: Cursor,
    pub(super) lines: u64,
}

/// The result of taking lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// All lines were taken.
    All,
    /// The taker wants no more for now; there are more.
    Enough,
    /// The ring has lost the line with this number, which is next.
    FallenOut { next: Option<u64> },
}
