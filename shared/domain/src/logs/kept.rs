//! The end of a log, kept beside the receipt of its lease.
//!
//! By then the container is gone, and the engine's log with it. We keep the same entries that
//! viewers receive, so a cursor from the live stream also works in the kept log.

use std::{
    collections::VecDeque,
    io::{Read as _, Write as _},
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde::Deserialize;

use super::{Assembler, Cursor, Entry, Level, Position, Start, Stream, Tail, stamp_of};

/// The number of last lines that are kept.
pub const KEPT_LINES: usize = 1_000;

/// The number of last pieces to read for them. It exceeds the number of kept lines, because the
/// first lines lack their context: the first line of a stack trace states the level of all its
/// lines.
pub const KEPT_PIECES: u32 = 1_128;

/// The limit on the kept lines' texts, in bytes.
const TEXT_LIMIT: usize = 256 * 1024;

/// The limit on the packed lines, in bytes. A DynamoDB item has at most 400 KB, and a write
/// costs per KiB.
const PACKED_LIMIT: usize = 128 * 1024;

/// The limit on an unpacked log, in bytes.
const UNPACKED_LIMIT: u64 = 8 * 1024 * 1024;

/// The last lines of the log of a stopped container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptLog {
    /// Oldest first.
    pub entries: Vec<Entry>,
    /// The cursor after the lines that were left out; none if the log is complete.
    pub before: Option<Cursor>,
}

/// Collects the last lines of a log from its last pieces.
#[derive(Debug)]
pub struct Keeper {
    assembler: Assembler,
    entries: VecDeque<Entry>,
    bytes: usize,
    pieces: u32,
    /// The first timestamp of each stream.
    first: [Option<i64>; 2],
    before: Option<Cursor>,
}

impl Default for Keeper {
    fn default() -> Self {
        Self {
            assembler: Assembler::after(Cursor::default()),
            entries: VecDeque::new(),
            bytes: 0,
            pieces: 0,
            first: [None, None],
            before: None,
        }
    }
}

impl Keeper {
    /// Takes the next of the last [`KEPT_PIECES`] pieces, as the engine sends it.
    pub fn take(&mut self, stream: Stream, piece: &[u8]) {
        self.pieces += 1;
        if let Some((nanos, _)) = stamp_of(piece) {
            self.first[stream as usize].get_or_insert(nanos);
        }
        if let Some(entry) = self.assembler.take(stream, piece) {
            self.push(entry);
        }
    }

    /// Starts again with the next piece, because the log before it was damaged.
    pub fn begin_anew(&mut self) {
        while !self.entries.is_empty() {
            self.forget_first();
        }
        self.assembler.begin_anew();
        self.first = [None, None];
        // The damaged part counts as earlier lines.
        self.pieces = KEPT_PIECES;
    }

    /// The lines, after all pieces.
    pub fn finish(mut self) -> KeptLog {
        let unfinished: Vec<_> = self.assembler.finish().collect();
        for entry in unfinished {
            self.push(entry);
        }
        if self.pieces >= KEPT_PIECES {
            // Earlier lines are missing here. The first piece may be the end of a line. Earlier
            // lines may share the first timestamp, so the counts of its lines may be wrong.
            for entry in std::mem::take(&mut self.entries) {
                if self.first[entry.stream as usize] == Some(entry.position.nanos) {
                    let all_of_its_stamp = Position {
                        count: u32::MAX,
                        ..entry.position
                    };
                    self.leave_out(entry.stream, all_of_its_stamp);
                } else {
                    self.entries.push_back(entry);
                }
            }
        }
        while self.entries.len() > KEPT_LINES {
            self.forget_first();
        }
        KeptLog {
            entries: self.entries.into(),
            before: self.before,
        }
    }

    fn push(&mut self, entry: Entry) {
        self.bytes += entry.message.len();
        self.entries.push_back(entry);
        while self.bytes > TEXT_LIMIT && self.entries.len() > 1 {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes -= entry.message.len();
            self.leave_out(entry.stream, entry.position);
        }
    }

    fn leave_out(&mut self, stream: Stream, position: Position) {
        self.before.get_or_insert_default().pass(stream, position);
    }
}

impl KeptLog {
    /// The messages of the last lines: at most `lines` lines, at most `bytes` bytes together.
    pub fn last_messages(&self, lines: usize, bytes: usize) -> Vec<String> {
        let mut room = bytes;
        let last = self.entries.iter().rev().take(lines).map_while(|entry| {
            room = room.checked_sub(entry.message.len())?;
            Some(entry.message.clone())
        });
        let mut last: Vec<_> = last.collect();
        last.reverse();
        last
    }

    /// The cursor after which a view with this start begins.
    pub fn resolve(&self, start: &Start) -> Cursor {
        let without = start.without_a_log();
        let Start::With {
            tail: Tail::Lines(lines),
            ..
        } = start
        else {
            return without;
        };
        let Some(older) = self.entries.len().checked_sub(*lines as usize) else {
            return without;
        };
        let mut cursor = self.before.unwrap_or_default();
        for entry in &self.entries[..older] {
            cursor.pass(entry.stream, entry.position);
        }
        cursor.joined(without)
    }

    /// Whether lines between `cursor` and the first kept line may be missing.
    pub fn has_gap_after(&self, cursor: &Cursor) -> bool {
        self.before.is_some_and(|before| !cursor.covers(&before))
    }

    /// Packs as many of the last lines as fit.
    pub fn pack(mut self) -> (Vec<u8>, Option<Cursor>) {
        loop {
            let packed = self.packed();
            if packed.len() <= PACKED_LIMIT || self.entries.len() <= 1 {
                return (packed, self.before);
            }
            let kept = self.entries.split_off(self.entries.len().div_ceil(2));
            let before = self.before.get_or_insert_default();
            for entry in std::mem::replace(&mut self.entries, kept) {
                before.pass(entry.stream, entry.position);
            }
        }
    }

    fn packed(&self) -> Vec<u8> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        for entry in &self.entries {
            writeln!(packed, "{}", entry.to_line()).expect("a vector takes all bytes");
        }
        packed.finish().expect("a vector takes all bytes")
    }

    /// Unpacks packed lines; the error says why they cannot be read.
    pub fn unpack(packed: &[u8], before: Option<Cursor>) -> Result<Self, String> {
        let mut text = String::new();
        GzDecoder::new(packed)
            .take(UNPACKED_LIMIT)
            .read_to_string(&mut text)
            .map_err(|error| error.to_string())?;
        let entries = text.lines().map(entry_of);
        Ok(Self {
            entries: entries.collect::<Result<_, _>>()?,
            before,
        })
    }
}

/// Parses the entry from a line that [`Entry::to_line`] wrote.
pub(super) fn entry_of(line: &str) -> Result<Entry, String> {
    #[derive(Deserialize)]
    struct Line {
        timestamp: String,
        level: Level,
        message: String,
        stream: Stream,
        #[serde(default)]
        truncated: bool,
        #[serde(default)]
        replaced: bool,
        cursor: Cursor,
    }
    let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let mut cursor = line.cursor;
    // The cursor after a line holds the line's own position in its stream.
    let position = cursor.of(line.stream).ok_or("a line has no place")?;
    Ok(Entry {
        timestamp: line.timestamp,
        level: line.level,
        message: line.message,
        stream: line.stream,
        truncated: line.truncated,
        replaced: line.replaced,
        cursor: line.cursor,
        position,
        after_gap: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Time;

    /// A piece with one line, stamped `millis` milliseconds after the epoch.
    fn piece(millis: u32, text: &str) -> Vec<u8> {
        let stamp = Time::from_millis(millis.into());
        format!("{stamp} {text}\n").into_bytes()
    }

    fn kept(pieces: impl IntoIterator<Item = (Stream, Vec<u8>)>) -> KeptLog {
        let mut keeper = Keeper::default();
        for (stream, piece) in pieces {
            keeper.take(stream, &piece);
        }
        keeper.finish()
    }

    fn numbered(lines: u32) -> KeptLog {
        kept((0..lines).map(|number| {
            let stream = if number % 3 == 0 {
                Stream::Stderr
            } else {
                Stream::Stdout
            };
            (stream, piece(number, &number.to_string()))
        }))
    }

    fn messages(log: &KeptLog) -> Vec<&str> {
        let messages = log.entries.iter().map(|entry| entry.message.as_str());
        messages.collect()
    }

    #[test]
    fn a_short_log_is_kept_whole() {
        let log = numbered(7);
        assert_eq!(messages(&log), ["0", "1", "2", "3", "4", "5", "6"]);
        assert_eq!(log.before, None);
        assert!(!log.has_gap_after(&Cursor::default()));
        assert_eq!(log.last_messages(2, 100), ["5", "6"]);
        assert_eq!(log.last_messages(5, 3), ["4", "5", "6"]);
        assert_eq!(kept([]), KeptLog::default());
    }

    #[test]
    fn of_a_long_log_the_last_lines_are_kept_and_what_is_before_is_known() {
        let log = numbered(KEPT_PIECES);
        assert_eq!(log.entries.len(), KEPT_LINES);
        assert_eq!(log.entries[0].message, "128");
        assert!(log.has_gap_after(&Cursor::default()));
        let mut cursor = log.before.unwrap();
        assert!(!log.has_gap_after(&cursor));
        // A cursor from the live stream also works in the kept log.
        for entry in &log.entries {
            assert!(cursor.pass(entry.stream, entry.position), "{entry:?}");
        }
    }

    #[test]
    fn lines_that_cannot_be_told_from_earlier_ones_are_left_out() {
        let first = [(Stream::Stdout, piece(1, "the end of a long line"))];
        let doubled = (0..200).map(|_| (Stream::Stdout, piece(1, "same stamp")));
        let rest = (2..1_002).map(|number| (Stream::Stdout, piece(number, "x")));
        let log = kept(first.into_iter().chain(doubled).chain(rest));
        assert!(log.entries.iter().all(|entry| entry.message == "x"));
        let stamp_of_the_first = Cursor::before(2_000_000);
        assert!(log.has_gap_after(&Cursor::default()));
        assert!(stamp_of_the_first.covers(&log.before.unwrap()));
    }

    #[test]
    fn what_was_packed_comes_back_as_it_went() {
        for log in [numbered(0), numbered(50), numbered(KEPT_PIECES + 9)] {
            let (packed, before) = log.clone().pack();
            assert_eq!(KeptLog::unpack(&packed, before), Ok(log));
        }
        assert!(KeptLog::unpack(b"no gzip", None).is_err());
    }

    #[test]
    fn what_does_not_fit_is_left_out_from_the_beginning() {
        let random = |number| {
            let text: String = std::iter::repeat_with(fastrand::alphanumeric)
                .take(1_000)
                .collect();
            (Stream::Stdout, piece(number, &text))
        };
        let log = kept((0..600).map(random));
        assert!(log.entries.len() < 300, "{}", log.entries.len());
        let last = log.entries.last().cloned();
        let (packed, before) = log.clone().pack();
        assert!(packed.len() <= PACKED_LIMIT);
        let unpacked = KeptLog::unpack(&packed, before).unwrap();
        assert_eq!(unpacked.entries.last().cloned(), last);
        assert!(unpacked.entries.len() < log.entries.len());
        assert!(unpacked.has_gap_after(&log.before.unwrap()));

        let longest = "\u{1}".repeat(super::super::LINE_LIMIT);
        let (packed, _) = kept([(Stream::Stdout, piece(1, &longest))]).pack();
        assert!(packed.len() <= PACKED_LIMIT);
    }

    #[test]
    fn a_view_begins_in_what_is_kept_as_it_would_in_the_log() {
        let log = numbered(10);
        let after = |cursor: Cursor| {
            let mut cursor = cursor;
            let left = log.entries.iter();
            left.filter(|entry| cursor.pass(entry.stream, entry.position))
                .count()
        };
        let with = |tail, since: Option<i64>| {
            let since = since.map(Time::from_millis);
            log.resolve(&Start::With { tail, since })
        };
        assert_eq!(after(with(Tail::All, None)), 10);
        assert_eq!(after(with(Tail::Lines(3), None)), 3);
        assert_eq!(after(with(Tail::Lines(0), None)), 0);
        assert_eq!(after(with(Tail::Lines(99), None)), 10);
        assert_eq!(after(with(Tail::Lines(3), Some(9))), 1);
        assert_eq!(after(with(Tail::All, Some(6))), 4);
        let cursor = log.entries[4].cursor;
        assert_eq!(after(log.resolve(&Start::After(cursor))), 5);
    }
}
