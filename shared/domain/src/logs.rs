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

pub use cursor::Position;
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
    pub position: Position,
    /// Whether lines before it are missing, because the log did not continue from the last read.
    #[serde(skip)]
    pub after_gap: bool,
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
pub fn stream_of(stderr: bool) -> Stream {
    if stderr {
        Stream::Stderr
    } else {
        Stream::Stdout
    }
}

/// The engine's timestamp of a piece, in Unix nanoseconds, and the rest of the piece.
pub fn stamp_of(piece: &[u8]) -> Option<(i64, &[u8])> {
    let space = piece.iter().position(|byte| *byte == b' ')?;
    let nanos = std::str::from_utf8(&piece[..space])
        .ok()?
        .parse::<jiff::Timestamp>()
        .ok()
        .and_then(|stamp| i64::try_from(stamp.as_nanosecond()).ok())?;
    Some((nanos, &piece[space + 1..]))
}

/// The Unix second to read from so that no line near this timestamp is missed.
pub fn second_before_disorder(nanos: i64) -> i64 {
    let before = nanos.saturating_sub(2 * DISORDER);
    before.div_euclid(NANOS_PER_SECOND).max(0)
}

/// Bytes as text. `truncated`: one of our limits cut them.
pub fn text_of(mut bytes: Vec<u8>, truncated: bool) -> String {
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
    pub fn to_line_without_cursor(&self) -> String {
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
pub fn line_within(without_cursor: &str, cursor: &Cursor, limit: usize) -> String {
    let line = format!("{without_cursor}{CURSOR_FIELD}{cursor}\"}}");
    if line.len() <= limit {
        return line;
    }
    kept::entry_of(&line).map_or(line, |entry| entry.within(limit).to_json())
}

#[cfg(test)]
mod tests;
