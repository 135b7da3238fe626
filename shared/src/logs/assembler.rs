//! What the engine sends of a log, put together into entries.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::{
    Cursor, Entry, Position, Stream, redrawn::Redrawn, stamp_of, text_of, timestamp, trace,
};

/// With how many lines of the same timestamp a line is compared.
const TEXTS_COMPARED: usize = 32;

/// Makes entries from what the engine sends, each line after a cursor exactly once.
#[derive(Debug)]
pub struct Assembler {
    /// What was passed on already.
    after: Cursor,
    /// The last line that was read of each stream, passed on or not.
    read: Cursor,
    /// What the lines of each stream with that line's timestamp say, as hashes.
    read_texts: [Vec<u64>; 2],
    unfinished: [Option<Unfinished>; 2],
    /// Whether nothing can be missing between what was passed on and what comes next.
    joins: bool,
}

/// A line whose end has not come yet.
#[derive(Debug)]
struct Unfinished {
    nanos: i64,
    line: Redrawn,
}

impl Assembler {
    /// Goes on after `cursor`. The engine must be read from
    /// [`since_second`](Cursor::since_second) on.
    pub fn after(cursor: Cursor) -> Self {
        Self {
            after: cursor,
            read: Cursor::default(),
            read_texts: [Vec::new(), Vec::new()],
            unfinished: [None, None],
            joins: !is_behind_a_line(&cursor),
        }
    }

    /// Notes that what comes from now on was read anew and may not join what came before.
    pub fn begin_anew(&mut self) {
        self.read = Cursor::default();
        self.read_texts = [Vec::new(), Vec::new()];
        self.unfinished = [None, None];
        self.joins = false;
    }

    /// The cursor after all that was passed on so far.
    pub fn cursor(&self) -> Cursor {
        self.after
    }

    /// Takes one piece as the engine sends it: a timestamp, a space, and a line or, where
    /// the line is longer than 16 KiB, a part of one.
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

    /// The lines whose end will not come any more, when the log has ended.
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
            // The reading that gave this cursor may have known more of what was before.
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
            // The engine keeps text, and has replaced such bytes before we see them.
            replaced: message.contains(char::REPLACEMENT_CHARACTER),
            message,
            stream,
            truncated,
            cursor: self.after,
            position,
            after_gap,
        })
    }

    /// How many lines with this stamp were read before this one; none where it is one of
    /// them.
    fn count_among_same(&mut self, stream: Stream, nanos: i64, text: &[u8]) -> Option<u32> {
        let read_texts = &mut self.read_texts[stream as usize];
        let text = hash_of(text);
        let count = match *self.read.of(stream) {
            Some(last) if last.nanos == nanos => {
                // When a log is rotated the engine sends its last lines again. That a program
                // writes one line twice within a nanosecond has not been seen.
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

/// Whether the cursor's own line is in the log, if the log goes back that far: then it is the
/// first that a reading meets.
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
