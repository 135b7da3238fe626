//! Joins the pieces of a log that the engine sends into entries.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::{
    Cursor, Entry, Position, Stream, redrawn::Redrawn, stamp_of, text_of, timestamp, trace,
};

/// The number of lines with the same timestamp that a line is compared with.
const TEXTS_COMPARED: usize = 32;

/// Turns the engine's pieces into entries: each line after a cursor exactly once.
#[derive(Debug)]
pub struct Assembler {
    /// The cursor after all entries passed on so far.
    after: Cursor,
    /// The last line read from each stream, whether passed on or not.
    read: Cursor,
    /// For each stream, hashes of the lines with that line's timestamp.
    read_texts: [Vec<u64>; 2],
    unfinished: [Option<Unfinished>; 2],
    /// Whether no line can be missing between the last entry passed on and the next one.
    joins: bool,
}

/// A line whose end has not arrived yet.
#[derive(Debug)]
struct Unfinished {
    nanos: i64,
    line: Redrawn,
}

impl Assembler {
    /// Continues after `cursor`. The caller must read the engine's log from
    /// [`since_second`](Cursor::since_second).
    pub fn after(cursor: Cursor) -> Self {
        Self {
            after: cursor,
            read: Cursor::default(),
            read_texts: [Vec::new(), Vec::new()],
            unfinished: [None, None],
            joins: !is_behind_a_line(&cursor),
        }
    }

    /// Starts a new reading, whose pieces may not continue from the previous ones.
    pub fn begin_anew(&mut self) {
        self.read = Cursor::default();
        self.read_texts = [Vec::new(), Vec::new()];
        self.unfinished = [None, None];
        self.joins = false;
    }

    /// The cursor after all entries passed on so far.
    pub fn cursor(&self) -> Cursor {
        self.after
    }

    /// Takes one piece as the engine sends it: a timestamp, a space, and a line, or a part of a
    /// line longer than 16 KiB.
    pub fn take(&mut self, stream: Stream, piece: &[u8]) -> Option<Entry> {
        let (nanos, part) = stamp_of(piece)?;
        let (part, finished) = match part.strip_suffix(b"\n") {
            Some(rest) => (rest, true),
            None => (part, false),
        };
        let unfinished = &mut self.unfinished[stream as usize];
        let unfinished = unfinished.get_or_insert_with(|| Unfinished {
            nanos,
            line: Redrawn::default(),
        });
        unfinished.line.push(part);
        if finished {
            self.finish_line(stream)
        } else {
            None
        }
    }

    /// The unfinished lines, once the log has ended.
    pub fn finish(&mut self) -> impl Iterator<Item = Entry> {
        [Stream::Stdout, Stream::Stderr]
            .map(|stream| self.finish_line(stream))
            .into_iter()
            .flatten()
    }

    fn finish_line(&mut self, stream: Stream) -> Option<Entry> {
        let Unfinished { nanos, line } = self.unfinished[stream as usize].take()?;
        let (text, truncated) = line.finish();
        let count = self.count_among_same(stream, nanos, &text)?;
        let message = text_of(text, truncated);
        let last = self.read.of(stream).or(*self.after.of(stream));
        let context = last.filter(|last| nanos - last.nanos <= trace::TOGETHER);
        let (level, context) = trace::level_of(context.and_then(|last| last.context), &message);
        let mut position = Position {
            nanos,
            count,
            context,
        };
        let after = *self.after.of(stream);
        if after == Some(position) {
            // The reading that gave this cursor may have seen more of the earlier lines.
            position.context = after.and_then(|after| after.context);
        }
        *self.read.of(stream) = Some(position);
        if !self.after.pass(stream, position) {
            self.joins = true;
            return None;
        }
        let after_gap = !std::mem::replace(&mut self.joins, true);
        Some(Entry {
            timestamp: timestamp(nanos),
            level,
            // The engine stores text, so it replaced such bytes before we see them.
            replaced: message.contains(char::REPLACEMENT_CHARACTER),
            message,
            stream,
            truncated,
            cursor: self.after,
            position,
            after_gap,
        })
    }

    /// The number of lines with this timestamp that were read before this one; none if this line
    /// repeats one of them.
    fn count_among_same(&mut self, stream: Stream, nanos: i64, text: &[u8]) -> Option<u32> {
        let read_texts = &mut self.read_texts[stream as usize];
        let text = hash_of(text);
        let count = match *self.read.of(stream) {
            Some(last) if last.nanos == nanos => {
                // When a log rotates, the engine sends its last lines again. We have never seen a
                // program write the same line twice within a nanosecond.
                if read_texts.contains(&text) {
                    return None;
                }
                last.count.saturating_add(1)
            }
            _ => {
                read_texts.clear();
                0
            }
        };
        if read_texts.len() == TEXTS_COMPARED {
            read_texts.remove(0);
        }
        read_texts.push(text);
        Some(count)
    }
}

/// Whether the cursor is at a line. A reading meets that line first if the log still has it, and
/// then no line is missing.
fn is_behind_a_line(cursor: &Cursor) -> bool {
    let newest = cursor.newest_position();
    newest.is_some_and(|newest| newest.is_of_a_line())
}

fn hash_of(text: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
