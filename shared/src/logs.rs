//! A container's log: what the engine sends, as entries with cursors, and entries as frames.
//!
//! Pure: bytes in, entries out. The engine timestamps every line in nanoseconds, and the
//! lines of one stream (stdout, stderr) come in the order of their timestamps. Between the
//! two streams there is no such order, and several lines may have one timestamp. So a
//! [`Cursor`] holds a position in each stream: a timestamp, and how many lines of that
//! stream had the same one before.

mod kept;
mod level;
mod page;
mod start;

use std::{
    fmt,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

pub use kept::{KEPT_LINES, KEPT_PIECES, Keeper, KeptLog};
pub use level::Level;
pub use page::{Filling, NotAQuery, PAGE_DEFAULT, PAGE_LIMIT, Page, Query, SEARCH_LIMIT};
pub use start::{NotAStart, Start, TAIL_LIMIT, Tail};

/// The longest line that is kept whole, in bytes; of a longer one this much is kept.
pub const LINE_LIMIT: usize = 64 * 1024;

/// The longest JSON text of one entry, in bytes. API Gateway takes messages of 128 KiB.
const ENTRY_LIMIT: usize = 120 * 1024;

/// How far apart the two streams' lines may lie out of order in the log, in nanoseconds.
/// The engine stamps a line right before it writes it; this is a thousand times as long.
const DISORDER: i64 = 2_000_000_000;

/// With how many lines of the same timestamp a line is compared.
const TEXTS_COMPARED: usize = 32;

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// One line of a container's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LogEntry)]
pub struct Entry {
    /// When the engine received it: RFC 3339 in UTC with nine decimals.
    #[schema(format = DateTime)]
    pub timestamp: String,
    /// What the line itself says of its level; info where it says nothing.
    pub level: Level,
    /// The line without its end; bytes that are not UTF-8 are replaced.
    pub message: String,
    pub stream: Stream,
    /// Whether the line was longer than is kept.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub truncated: bool,
    /// Whether it holds U+FFFD, which stands for bytes that are no UTF-8.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub replaced: bool,
    /// Where to go on after this line.
    #[schema(value_type = String, example = "1795512600123456789.0_0")]
    pub cursor: Cursor,
    /// The line's own place in its stream.
    #[serde(skip)]
    pub(crate) position: Position,
}

/// Where a line was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = LogStream)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// A place in a container's log, after which reading can go on.
///
/// Its text is `NANOS.COUNT_NANOS.COUNT`, stdout first; users should not read it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cursor {
    stdout: Option<Position>,
    stderr: Option<Position>,
}

/// The text is not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a cursor is what an earlier entry has given, unchanged")]
pub struct NotACursor;

/// A line in one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Position {
    /// Nanoseconds since the epoch.
    pub(crate) nanos: i64,
    /// How many lines of the stream with the same timestamp came before.
    count: u32,
}

impl Cursor {
    /// The place before the first line that the engine has stamped `nanos` after the epoch
    /// or later.
    pub fn before(nanos: i64) -> Self {
        let last_before = Some(Position {
            nanos: nanos.saturating_sub(1),
            count: u32::MAX,
        });
        Self {
            stdout: last_before,
            stderr: last_before,
        }
    }

    /// The place before the first line that the engine has stamped in this second after the
    /// epoch or later.
    pub(crate) fn before_second(second: i64) -> Self {
        Self::before(second.saturating_mul(NANOS_PER_SECOND))
    }

    /// The newer of the two streams' stamps, in nanoseconds after the epoch.
    pub(crate) fn newest(&self) -> Option<i64> {
        self.stdout.max(self.stderr).map(|newest| newest.nanos)
    }

    /// Whether every line up to `other` is also one up to this place.
    pub fn covers(&self, other: &Self) -> bool {
        self.stdout >= other.stdout && self.stderr >= other.stderr
    }

    /// The place up to which all lines are that are up to one of the two.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        Self {
            stdout: self.stdout.max(other.stdout),
            stderr: self.stderr.max(other.stderr),
        }
    }

    /// Moves over a line, unless it is behind this place already.
    pub(crate) fn pass(&mut self, stream: Stream, position: Position) -> bool {
        let passed = self.of(stream);
        let is_new = passed.is_none_or(|passed| passed < position);
        if is_new {
            *passed = Some(position);
        }
        is_new
    }

    /// From which second after the epoch on the engine must be read so that nothing after
    /// this cursor is missed.
    pub fn since_second(&self) -> i64 {
        let newest = self.stdout.max(self.stderr);
        let oldest = match (self.stdout, self.stderr) {
            (Some(a), Some(b)) => Some(a.min(b)),
            _ => None,
        };
        let Some(newest) = newest else { return 0 };
        // A stream that was silent for an hour need not be read for an hour.
        let horizon = newest.nanos.saturating_sub(DISORDER);
        let nanos = oldest.map_or(horizon, |oldest| oldest.nanos.max(horizon));
        nanos.div_euclid(NANOS_PER_SECOND).max(0)
    }

    fn of(&mut self, stream: Stream) -> &mut Option<Position> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let write = |f: &mut fmt::Formatter<'_>, position| match position {
            Some(Position { nanos, count }) => write!(f, "{nanos}.{count}"),
            None => f.write_str("0"),
        };
        write(f, self.stdout)?;
        f.write_str("_")?;
        write(f, self.stderr)
    }
}

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let (stdout, stderr) = text.split_once('_').ok_or(NotACursor)?;
        let position = |text: &str| {
            if text == "0" {
                return Ok(None);
            }
            let (nanos, count) = text.split_once('.').ok_or(NotACursor)?;
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            if !digits(nanos) || !digits(count) {
                return Err(NotACursor);
            }
            Ok(Some(Position {
                nanos: nanos.parse().map_err(|_| NotACursor)?,
                count: count.parse().map_err(|_| NotACursor)?,
            }))
        };
        Ok(Self {
            stdout: position(stdout)?,
            stderr: position(stderr)?,
        })
    }
}

impl Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

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
}

/// A line whose end has not come yet.
#[derive(Debug)]
struct Unfinished {
    nanos: i64,
    text: Vec<u8>,
    truncated: bool,
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
        }
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
            Some(rest) => (rest.strip_suffix(b"\r").unwrap_or(rest), true),
            None => (part, false),
        };

        let unfinished = &mut self.unfinished[stream as usize];
        let line = unfinished.get_or_insert_with(|| Unfinished {
            nanos,
            text: Vec::new(),
            truncated: false,
        });
        let room = LINE_LIMIT - line.text.len();
        line.text.extend_from_slice(&part[..part.len().min(room)]);
        line.truncated |= part.len() > room;
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
        let line = self.unfinished[stream as usize].take()?;
        let read = self.read.of(stream);
        let read_texts = &mut self.read_texts[stream as usize];
        let text = hash_of(&line.text);
        let count = match *read {
            Some(last) if last.nanos == line.nanos => {
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
        let position = Position {
            nanos: line.nanos,
            count,
        };
        *read = Some(position);
        if !self.after.pass(stream, position) {
            return None;
        }
        let message = text_of(line.text, line.truncated);
        Some(Entry {
            timestamp: timestamp(line.nanos),
            level: Level::of(&message),
            // The engine keeps text, and has replaced such bytes before we see them.
            replaced: message.contains(char::REPLACEMENT_CHARACTER),
            message,
            stream,
            truncated: line.truncated,
            cursor: self.after,
            position,
        })
    }
}

/// The stream that the engine means.
pub(crate) fn stream_of(stderr: bool) -> Stream {
    if stderr {
        Stream::Stderr
    } else {
        Stream::Stdout
    }
}

/// The engine's stamp of a piece, in nanoseconds after the epoch, and the piece without it.
pub(crate) fn stamp_of(piece: &[u8]) -> Option<(i64, &[u8])> {
    let space = piece.iter().position(|byte| *byte == b' ')?;
    let nanos = std::str::from_utf8(&piece[..space])
        .ok()?
        .parse::<jiff::Timestamp>()
        .ok()
        .and_then(|stamp| i64::try_from(stamp.as_nanosecond()).ok())?;
    Some((nanos, &piece[space + 1..]))
}

/// A second after the epoch before which no line is that is written beside one with this
/// stamp, or that is needed to place it.
pub(crate) fn second_before_disorder(nanos: i64) -> i64 {
    let before = nanos.saturating_sub(2 * DISORDER);
    before.div_euclid(NANOS_PER_SECOND).max(0)
}

fn hash_of(text: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// Bytes as text. They were cut off by a limit of ours where they are `truncated`.
pub(crate) fn text_of(mut bytes: Vec<u8>, truncated: bool) -> String {
    if truncated && let Some(last) = bytes.utf8_chunks().last() {
        // A character that our limit has cut in two is no fault of the text.
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
            self.clone().shortened().to_json()
        }
    }

    /// The entry with what a frame would have of it, and how long it is as JSON.
    fn bounded(self) -> (Self, usize) {
        let bytes = self.to_json().len();
        if bytes <= ENTRY_LIMIT {
            return (self, bytes);
        }
        let shortened = self.shortened();
        let bytes = shortened.to_json().len();
        (shortened, bytes)
    }

    /// A control character takes six characters in JSON. What is cut here is not text.
    fn shortened(mut self) -> Self {
        let keep = self.message.floor_char_boundary(ENTRY_LIMIT / 8);
        self.message.truncate(keep);
        self.truncated = true;
        self
    }

    fn to_json(&self) -> String {
        serde_json::to_string(self).expect("an entry is made of texts")
    }

    /// The entry's line up to its cursor, which is the last field: what all viewers have in
    /// common. [`push_line`] makes a line of it.
    pub(crate) fn to_line_without_cursor(&self) -> String {
        let mut line = self.to_line();
        let cursor = line.rfind(CURSOR_FIELD).expect("an entry has a cursor");
        line.truncate(cursor);
        line
    }
}

const CURSOR_FIELD: &str = ",\"cursor\":\"";

/// Adds a line to a frame: its text without a cursor, and the viewer's own cursor after it.
pub(crate) fn push_line(frame: &mut String, without_cursor: &str, cursor: &Cursor) {
    use std::fmt::Write as _;
    if !frame.is_empty() {
        frame.push('\n');
    }
    frame.push_str(without_cursor);
    write!(frame, "{CURSOR_FIELD}{cursor}\"}}").expect("a text takes all that is written to it");
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
        let mut frame = String::new();
        push_line(&mut frame, &entry.to_line_without_cursor(), &entry.cursor);
        assert_eq!(frame, entry.to_line());
    }

    #[test]
    fn a_cursor_covers_what_lies_before_it_in_both_streams() {
        let cursor = |text: &str| text.parse::<Cursor>().unwrap();
        let (early, late) = (cursor("5.0_7.1"), cursor("5.1_7.1"));
        assert!(late.covers(&early) && late.covers(&late) && !early.covers(&late));
        let ahead_in_one = cursor("9.0_0");
        assert!(!ahead_in_one.covers(&early) && !early.covers(&ahead_in_one));
        assert_eq!(ahead_in_one.joined(early), cursor("9.0_7.1"));
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
        // A reading that goes on after the first line counts as the first reading did.
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

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is_one() {
        for cursor in read_all(
            Cursor::default(),
            &[
                (Stream::Stdout, format!("{T1} a\n")),
                (Stream::Stderr, format!("{T2} b\n")),
            ],
        )
        .iter()
        .map(|entry| entry.cursor)
        .chain([Cursor::default()])
        {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for wrong in [
            "",
            "_",
            "0",
            "0_",
            "1_1",
            "1.1",
            "-1.0_0",
            "1.-1_0",
            "1.0_0_0",
            "+1.0_0",
            "99999999999999999999.0_0",
            "1.99999999999_0",
            "x.y_z.w",
        ] {
            assert_eq!(wrong.parse::<Cursor>(), Err(NotACursor), "{wrong}");
        }
    }

    #[test]
    fn the_engine_is_read_from_a_second_before_all_that_may_be_missing() {
        let since = |text: &str| text.parse::<Cursor>().unwrap().since_second();
        assert_eq!(since("0_0"), 0);
        assert_eq!(since("100900000000.0_100100000000.2"), 100);
        assert_eq!(since("100900000000.0_0"), 98);
        assert_eq!(since("3600000000000.0_5000000000.0"), 3598);
    }
}
