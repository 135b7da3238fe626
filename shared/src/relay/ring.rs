//! The lines that a follow has read last, for its viewers to take.

use std::collections::VecDeque;

use crate::logs::{Cursor, Entry, Position, Stream};

/// The lines that were read last.
#[derive(Debug)]
pub(super) struct Ring {
    pub(super) lines: VecDeque<Line>,
    pub(super) bytes: usize,
    /// The sequence number of the first line.
    pub(super) first: u64,
    /// The place before the first line.
    pub(super) before: Cursor,
    /// The place after the last line.
    pub(super) after: Cursor,
}

/// A line without the cursor, which is each viewer's own.
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

/// Where the follow stood when a viewer found no place in its ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ahead {
    pub(super) cursor: Cursor,
    pub(super) lines: u64,
}

/// How taking lines went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// All that there was.
    All,
    /// As much as the taker wanted; there is more.
    Enough,
    /// The ring has lost the line of this number, which is next.
    FallenOut { next: Option<u64> },
}
