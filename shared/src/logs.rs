//! A container's log: the engine's bytes become entries with cursors, and entries become frames.
//!
//! Pure: bytes in, entries out.
//!
//! - [`assembler`]: joins the engine's pieces into entries, each exactly once.
//! - [`redrawn`]: a line that a program redrew, such as a progress bar; keeps the last state.
//! - [`level`] and [`trace`]: the level of a line, and the lines that belong together.
//! - [`cursor`]: positions in a log.
//! - [`start`] and [`page`]: a caller's request.
//! - [`kept`]: the end of a log, which outlives the container.

mod assembler;
mod cursor;
mod kept;
mod level;
mod page;
mod redrawn;
mod start;
mod trace;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use assembler::Assembler;
pub use cursor::{Cursor, NotACursor};
pub use kept::{KEPT_LINES, KEPT_PIECES, Keeper, KeptLog};
pub use level::Level;
pub use page::{Filling, NotAQuery, PAGE_DEFAULT, PAGE_LIMIT, Page, Query, SEARCH_LIMIT};
pub use start::{NotAStart, Start, TAIL_LIMIT, Tail};

pub(crate) use cursor::Position;
use cursor::{DISORDER, NANOS_PER_SECOND};

/// The longest line, in bytes; a longer line is cut.
pub const LINE_LIMIT: usize = 64 * 1024;

/// The longest JSON text of one entry, in bytes. API Gateway accepts messages of up to 128 KiB.
const ENTRY_LIMIT: usize = 120 * 1024;

/// One line of a container's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LogEntry)]
pub struct Entry {
    /// When the engine received it: RFC 3339 in UTC with nine decimals.
    #[schema(format = DateTime)]
    pub timestamp: String,
    /// The level that the line states, or the line that it belongs to; otherwise info.
    pub level: Level,
    /// The line without its line ending. Of a line that its program redrew, the last state. Bytes
    /// that are not UTF-8 are replaced.
    pub message: String,
    pub stream: Stream,
    /// Whether the line was cut, because it was too long to keep or to send.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub truncated: bool,
    /// Whether the message contains U+FFFD, which replaces bytes that are not UTF-8.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub replaced: bool,
    /// The cursor to continue after this line.
    #[schema(value_type = String, example = "1795512600123456789.0_0")]
    pub cursor: Cursor,
    /// The line's own position in its stream.
    #[serde(skip)]
    pub(crate) position: Position,
    /// Whether lines before it are missing, because the log did not continue from the last read.
    #[serde(skip)]
    pub(crate) after_gap: bool,
}

/// The stream that a line was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = LogStream)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// The stream, from the engine's flag.
pub(crate) fn stream_of(stderr: bool) -> Stream {
    if stderr {
        Stream::Stderr
    } else {
        Stream::Stdout
    }
}

/// The engine's timestamp of a piece, in Unix nanoseconds, and the rest of the piece.
pub(crate) fn stamp_of(piece: &[u8]) -> Option<(i64, &[u8])> {
    let space = piece.iter().position(|byte| *byte == b' ')?;
    let nanos = std::str::from_utf8(&piece[..space])
        .ok()?
        .parse::<jiff::Timestamp>()
        .ok()
        .and_then(|stamp| i64::try_from(stamp.as_nanosecond()).ok())?;
    Some((nanos, &piece[space + 1..]))
}

/// The Unix second to read from so that no line near this timestamp is missed.
pub(crate) fn second_before_disorder(nanos: i64) -> i64 {
    let before = nanos.saturating_sub(2 * DISORDER);
    before.div_euclid(NANOS_PER_SECOND).max(0)
}

/// Bytes as text. `truncated`: one of our limits cut them.
pub(crate) fn text_of(mut bytes: Vec<u8>, truncated: bool) -> String {
    if truncated && let Some(last) = bytes.utf8_chunks().last() {
        // Drop a character that our limit cut in two: the program wrote a valid one.
        let cut = last.invalid();
        if std::str::from_utf8(cut).is_err_and(|error| error.error_len().is_none()) {
            let whole = bytes.len() - cut.len();
            bytes.truncate(whole);
        }
    }
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn timestamp(nanos: i64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(nanos))
        .map(|stamp| format!("{stamp:.9}"))
        .unwrap_or_default()
}

impl Entry {
    /// The entry as one line of a frame, without the newline.
    pub fn to_line(&self) -> String {
        let line = self.to_json();
        if line.len() <= ENTRY_LIMIT {
            line
        } else {
            self.clone().within(ENTRY_LIMIT).to_json()
        }
    }

    /// The entry, cut as for a frame, and its length as JSON.
    fn bounded(self) -> (Self, usize) {
        let bytes = self.to_json().len();
        if bytes <= ENTRY_LIMIT {
            return (self, bytes);
        }
        let bounded = self.within(ENTRY_LIMIT);
        let bytes = bounded.to_json().len();
        (bounded, bytes)
    }

    /// The entry with its message cut so that the JSON has at most `limit` bytes. The other fields
    /// take about two hundred.
    fn within(mut self, limit: usize) -> Self {
        if self.to_json().len() <= limit {
            return self;
        }
        let message = std::mem::take(&mut self.message);
        self.truncated = true;
        let mut room = limit.saturating_sub(self.to_json().len());
        let fits = message.char_indices().find_map(|(at, character)| {
            let left = room.checked_sub(length_in_json(character));
            room = left.unwrap_or_default();
            left.is_none().then_some(at)
        });
        self.message = message;
        if let Some(fits) = fits {
            self.message.truncate(fits);
        }
        self
    }

    fn to_json(&self) -> String {
        serde_json::to_string(self).expect("an entry is made of texts")
    }

    /// The entry's line without its last field, the cursor. This part is the same for all viewers;
    /// [`line_within`] completes it.
    pub(crate) fn to_line_without_cursor(&self) -> String {
        let mut line = self.to_line();
        let cursor = line.rfind(CURSOR_FIELD).expect("an entry has a cursor");
        line.truncate(cursor);
        line
    }
}

/// The bytes of a character in a JSON text. A control character takes six, and coloured lines
/// have many of them.
fn length_in_json(character: char) -> usize {
    match character {
        '"' | '\\' | '\u{8}' | '\u{c}' | '\n' | '\r' | '\t' => 2,
        '\0'..='\u{1f}' => 6,
        other => other.len_utf8(),
    }
}

const CURSOR_FIELD: &str = ",\"cursor\":\"";

/// A line of a frame: the text without a cursor, and then the viewer's own cursor. The message
/// is cut if the line would be longer than `limit` bytes.
pub(crate) fn line_within(without_cursor: &str, cursor: &Cursor, limit: usize) -> String {
    let line = format!("{without_cursor}{CURSOR_FIELD}{cursor}\"}}");
    if line.len() <= limit {
        return line;
    }
    kept::entry_of(&line).map_or(line, |entry| entry.within(limit).to_json())
}

#[cfg(test)]
mod tests {
    use super::*;

    const T1: &str = "2026-11-24T09:30:00.123456789Z";
    const T2: &str = "2026-11-24T09:30:00.5Z";

    fn take(assembler: &mut Assembler, stream: Stream, piece: &str) -> Option<Entry> {
        assembler.take(stream, piece.as_bytes())
    }

    fn read_all(cursor: Cursor, pieces: &[(Stream, String)]) -> Vec<Entry> {
        let mut assembler = Assembler::after(cursor);
        let mut entries: Vec<_> = pieces
            .iter()
            .filter_map(|(stream, piece)| take(&mut assembler, *stream, piece))
            .collect();
        entries.extend(assembler.finish());
        entries
    }

    #[test]
    fn a_line_becomes_an_entry_with_a_full_timestamp() {
        let mut assembler = Assembler::after(Cursor::default());
        let entry = take(
            &mut assembler,
            Stream::Stderr,
            &format!("{T2} ready to go\n"),
        )
        .unwrap();
        assert_eq!(entry.timestamp, "2026-11-24T09:30:00.500000000Z");
        assert_eq!(entry.message, "ready to go");
        assert_eq!(entry.stream, Stream::Stderr);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&entry.to_line()).unwrap(),
            serde_json::json!({
                "timestamp": "2026-11-24T09:30:00.500000000Z",
                "level": "info",
                "message": "ready to go",
                "stream": "stderr",
                "cursor": "0_1795512600500000000.0",
            })
        );
        let line = line_within(&entry.to_line_without_cursor(), &entry.cursor, ENTRY_LIMIT);
        assert_eq!(line, entry.to_line());
    }

    #[test]
    fn reading_begins_with_the_first_line_at_or_after_a_time() {
        let pieces = [
            (Stream::Stdout, format!("{T1} early\n")),
            (Stream::Stderr, format!("{T2} now\n")),
            (Stream::Stderr, format!("{T2} now too\n")),
        ];
        let since = Cursor::before(1_795_512_600_500_000_000);
        let messages: Vec<_> = read_all(since, &pieces)
            .into_iter()
            .map(|entry| entry.message)
            .collect();
        assert_eq!(messages, ["now", "now too"]);
    }

    #[test]
    fn resuming_after_any_entry_gives_the_rest_and_nothing_twice() {
        let pieces: Vec<_> = [
            (Stream::Stdout, format!("{T1} one\n")),
            (Stream::Stdout, format!("{T1} two\n")),
            (Stream::Stderr, format!("{T2} a\n")),
            (Stream::Stdout, format!("{T1} three\n")),
            (Stream::Stderr, format!("{T2} b\n")),
            (Stream::Stdout, format!("{T2} four\n")),
        ]
        .into();
        let all = read_all(Cursor::default(), &pieces);
        assert_eq!(all.len(), 6);
        for (index, entry) in all.iter().enumerate() {
            let rest = read_all(entry.cursor, &pieces);
            assert_eq!(rest, all[index + 1..], "after {}", entry.message);
        }
    }

    #[test]
    fn what_the_engine_sends_again_when_it_rotates_comes_once() {
        let line = |stamp: &str, text: &str| (Stream::Stdout, format!("{stamp} {text}\n"));
        let (one, two, three) = (line(T1, "one"), line(T1, "two"), line(T2, "three"));
        let again = [
            one.clone(),
            two.clone(),
            two.clone(),
            one.clone(),
            three.clone(),
            three.clone(),
            two,
            three,
            line(T2, "four"),
        ];
        let messages = |cursor, pieces: &[_]| -> Vec<_> {
            let entries = read_all(cursor, pieces).into_iter();
            entries.map(|entry| entry.message).collect()
        };
        let all = messages(Cursor::default(), &again);
        assert_eq!(all, ["one", "two", "three", "four"]);
        // A reading that continues after the first line counts as the first reading did.
        let after_one = read_all(Cursor::default(), &[one])[0].cursor;
        assert_eq!(messages(after_one, &again), all[1..]);
    }

    #[test]
    fn a_long_line_is_joined_and_a_too_long_one_is_cut_and_marked() {
        let chunk = "x".repeat(16 * 1024);
        let joined = read_all(
            Cursor::default(),
            &[
                (Stream::Stdout, format!("{T1} {chunk}")),
                (Stream::Stderr, format!("{T1} between\n")),
                (Stream::Stdout, format!("{T1} end\n")),
            ],
        );
        assert_eq!(joined[1].message.len(), chunk.len() + 3);
        assert!(!joined[1].truncated);
        let pieces: Vec<_> = (0..5)
            .map(|_| (Stream::Stdout, format!("{T1} {chunk}")))
            .chain([(Stream::Stdout, format!("{T1} end\n"))])
            .collect();
        let cut = read_all(Cursor::default(), &pieces);
        assert_eq!((cut.len(), cut[0].message.len()), (1, LINE_LIMIT));
        assert!(cut[0].truncated);
    }

    #[test]
    fn a_last_line_without_an_end_comes_when_the_log_ends() {
        let entries = read_all(Cursor::default(), &[(Stream::Stdout, format!("{T1} half"))]);
        assert_eq!(entries[0].message, "half");
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_and_nothing_panics() {
        let mut assembler = Assembler::after(Cursor::default());
        let mut piece = format!("{T1} ").into_bytes();
        piece.extend([0xff, 0x00, b'\r', b'\n']);
        let entry = assembler.take(Stream::Stdout, &piece).unwrap();
        assert_eq!(entry.message, "\u{fffd}\u{0}");
        assert!(entry.replaced);
        for nonsense in [&b""[..], b"x", b"no timestamp\n", &[0xff, b' ', b'\n']] {
            assert_eq!(assembler.take(Stream::Stdout, nonsense), None);
        }
    }

    #[test]
    fn a_character_that_a_limit_has_cut_in_two_is_left_out() {
        let bytes = |text: &str, cut: usize| text.as_bytes()[..text.len() - cut].to_vec();
        assert_eq!(text_of(bytes("xä", 1), true), "x");
        assert_eq!(text_of(bytes("xä", 1), false), "x\u{fffd}");
        assert_eq!(text_of(bytes("xä", 0), true), "xä");
        let with_another = [b"\xff", "ä€".as_bytes()].concat();
        assert_eq!(text_of(with_another[..5].to_vec(), true), "\u{fffd}ä");
        assert_eq!(text_of(b"x\xff".to_vec(), true), "x\u{fffd}");
        assert_eq!(text_of(Vec::new(), true), "");
    }

    #[test]
    fn a_line_is_cut_at_a_character_so_that_its_json_fits() {
        let bar = "\u{1b}[32m█▉\"\\\t\u{1b}[0m".repeat(4_000);
        for text in [
            "\u{1}".repeat(60_000),
            "x".repeat(60_000),
            "ä€😀".repeat(6_000),
            bar,
        ] {
            let pieces = [(Stream::Stdout, format!("{T1} {text}\n"))];
            let entry = read_all(Cursor::default(), &pieces).remove(0);
            let whole = entry.message.clone();
            for limit in [300, 1_000, 8_001, 31 * 1024] {
                let line = line_within(&entry.to_line_without_cursor(), &entry.cursor, limit);
                let spare = limit - line.len();
                assert!(spare < 6, "{spare} of {limit} bytes are left");
                let cut = kept::entry_of(&line).unwrap();
                assert!(cut.truncated && whole.starts_with(&cut.message));
                assert_eq!(cut.cursor, entry.cursor);
            }
        }
    }

    #[test]
    fn an_entry_fits_into_a_message_whatever_it_holds() {
        let pieces: Vec<_> = (0..4)
            .map(|_| {
                (
                    Stream::Stdout,
                    format!("{T1} {}", "\u{1}".repeat(16 * 1024)),
                )
            })
            .collect();
        let entries = read_all(Cursor::default(), &pieces);
        let line = entries[0].to_line();
        assert!(line.len() <= ENTRY_LIMIT, "{}", line.len());
        assert!(line.contains("\"truncated\":true"));
    }
}
