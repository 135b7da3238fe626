//! The lines that gather for a viewer's next post.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::{Event, Skip, ring::Line};
use crate::logs::{self, Cursor};

/// How many bytes of lines make a frame full.
const FRAME_BYTES: usize = 24 * 1024;

/// Lines that come so soon after a frame wait, until [`FRAME_PAUSE`] after it. Lines that
/// are farther apart wait for nobody.
const FRAME_CLOSE: Duration = Duration::from_millis(10);

/// The least time between two frames while lines come close behind each other.
const FRAME_PAUSE: Duration = Duration::from_millis(25);

/// What has gathered.
pub(super) struct Frame {
    /// What is posted one after another. Mostly it is one.
    parts: VecDeque<Part>,
    /// The most that a part may have, in bytes.
    limit: usize,
    /// When the first of the lines was taken.
    since: Instant,
    /// After the last line that was taken or left out.
    pub(super) cursor: Cursor,
}

/// What is posted at once.
pub(super) struct Part {
    pub(super) text: String,
    /// How many lines of the container it has; none where it is an event.
    pub(super) lines: u64,
    /// After what is in it.
    pub(super) cursor: Cursor,
}

impl Frame {
    pub(super) fn after(cursor: Cursor, limit: usize) -> Self {
        Self {
            parts: VecDeque::new(),
            limit,
            since: Instant::now(),
            cursor,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Goes on after `cursor`. What has gathered was posted before.
    pub(super) fn go_on_after(&mut self, cursor: Cursor) {
        self.cursor = cursor;
    }

    /// Takes a line, unless the viewer has it or skips it; says whether there is room for
    /// more.
    pub(super) fn take(&mut self, line: &Line, skip: &mut Option<Skip>) -> bool {
        let before = self.cursor;
        if !self.cursor.pass(line.stream, line.position) {
            return true;
        }
        if let Some(skip) = skip
            .as_mut()
            .filter(|skip| line.position.nanos <= skip.until)
        {
            skip.lines += 1;
            skip.to = self.cursor;
            return true;
        }
        if self.parts.is_empty() {
            self.since = Instant::now();
        }
        if line.after_gap {
            let (lines, cursor) = (None, before);
            self.parts.push_back(Part {
                text: Event::Skipped { lines, cursor }.to_frame(),
                lines: 0,
                cursor,
            });
        }
        let text = logs::line_within(&line.text, &self.cursor, self.limit);
        let last = self.parts.back_mut().filter(|part| {
            let together = part.text.len() + 1 + text.len();
            part.lines > 0 && together <= self.limit
        });
        if let Some(part) = last {
            part.text.push('\n');
            part.text.push_str(&text);
            part.lines += 1;
            part.cursor = self.cursor;
        } else {
            self.parts.push_back(Part {
                text,
                lines: 1,
                cursor: self.cursor,
            });
        }
        // The first line after a skip is told apart from what was left out.
        self.parts.len() == 1 && self.parts[0].text.len() < FRAME_BYTES && skip.is_none()
    }

    /// What is posted next.
    pub(super) fn next_part(&mut self) -> Option<Part> {
        self.parts.pop_front()
    }

    /// When what has gathered is to be posted, after a frame that was posted at `last_post`.
    pub(super) fn flush_at(&self, last_post: Option<Instant>) -> Instant {
        match last_post {
            Some(at) if self.since.duration_since(at) < FRAME_CLOSE => at + FRAME_PAUSE,
            _ => self.since,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::{Assembler, Stream};

    /// What API Gateway carries.
    const LIMIT: usize = 31 * 1024;

    fn lines(texts: &[String]) -> Vec<Line> {
        let mut assembler = Assembler::after(Cursor::default());
        let lines = texts.iter().zip(0..).map(|(text, number)| {
            let stamp = crate::time::Time::from_millis(number);
            let piece = format!("{stamp} {text}\n");
            let entry = assembler.take(Stream::Stdout, piece.as_bytes());
            Line::from(&entry.expect("it is a line"))
        });
        lines.collect()
    }

    /// All parts that the lines are posted in, a viewer's post after the other.
    fn parts(lines: &[Line]) -> Vec<Part> {
        let mut frame = Frame::after(Cursor::default(), LIMIT);
        let mut parts = Vec::new();
        for line in lines {
            if !frame.take(line, &mut None) {
                parts.extend(std::iter::from_fn(|| frame.next_part()));
            }
        }
        parts.extend(std::iter::from_fn(|| frame.next_part()));
        parts
    }

    #[test]
    fn no_frame_is_longer_than_it_may_be_and_no_line_is_lost() {
        // Escape sequences are six times as long in JSON. Some fit, some do not.
        let texts: Vec<_> = (0..400)
            .map(|number| "\u{1b}[32m█\u{1b}[0m".repeat(number * 5))
            .collect();
        let lines = lines(&texts);
        let parts = parts(&lines);
        assert!(parts.iter().all(|part| part.text.len() <= LIMIT));
        let posted: Vec<serde_json::Value> = parts
            .iter()
            .flat_map(|part| part.text.lines())
            .map(|line| serde_json::from_str(line).expect("a line is an object"))
            .collect();
        assert_eq!(posted.len(), texts.len());
        let mut cut = 0;
        for (line, text) in posted.iter().zip(&texts) {
            let message = line["message"].as_str().expect("it has a message");
            assert!(text.starts_with(message));
            assert_eq!(line["truncated"] == true, message.len() < text.len());
            cut += usize::from(message.len() < text.len());
        }
        assert!(cut > 50 && cut < 300, "{cut} of 400 lines were cut");
        // The cursor of each part is the one of its last line, cut or not.
        for part in &parts {
            let last = part.text.lines().last().expect("a part has a line");
            let last: serde_json::Value = serde_json::from_str(last).expect("it is an object");
            assert_eq!(last["cursor"], part.cursor.to_string());
        }
    }

    #[test]
    fn a_gap_is_told_between_the_lines_that_it_is_between() {
        let mut lines = lines(&["a".to_owned(), "b".to_owned(), "c".to_owned()]);
        lines[1].after_gap = true;
        let mut frame = Frame::after(Cursor::default(), LIMIT);
        assert!(frame.take(&lines[0], &mut None));
        assert!(!frame.take(&lines[1], &mut None));
        assert!(!frame.take(&lines[2], &mut None));
        let parts: Vec<_> = std::iter::from_fn(|| frame.next_part()).collect();
        assert_eq!(parts.len(), 3);
        let event: serde_json::Value = serde_json::from_str(&parts[1].text).expect("an object");
        assert_eq!(event["event"], "skipped");
        assert_eq!(event["cursor"], parts[0].cursor.to_string());
        assert_eq!(event.get("lines"), None);
        assert_eq!(parts[2].lines, 2);
        // Who has the line already has no gap there.
        let mut frame = Frame::after(parts[2].cursor, LIMIT);
        assert!(frame.take(&lines[1], &mut None) && frame.is_empty());
    }
}
