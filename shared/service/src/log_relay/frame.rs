//! Gathers the lines of a viewer's next post.

use std::{collections::VecDeque, time::Duration};

use containerlease_domain::logs::{self, Cursor};
use tokio::time::Instant;

use super::{Skip, ViewerEvent, ring::Line};

/// A frame with this many bytes of lines is full.
const FRAME_BYTES: usize = 24 * 1024;

/// Lines this soon after a frame wait until [`FRAME_PAUSE`] after it. Lines further apart do not
/// wait.
const FRAME_CLOSE: Duration = Duration::from_millis(10);

/// Shortest time between two frames while lines come close together.
const FRAME_PAUSE: Duration = Duration::from_millis(25);

/// The lines gathered so far.
pub(super) struct Frame {
    /// Parts are posted one after another; usually there is one.
    parts: VecDeque<Part>,
    /// Maximum size of a part, in bytes.
    limit: usize,
    /// When the first line was taken.
    since: Instant,
    /// After the last line that was taken or skipped.
    pub(super) cursor: Cursor,
}

/// The content of one post.
pub(super) struct Part {
    pub(super) text: String,
    /// Number of the container's lines in it; 0 for an event.
    pub(super) lines: u64,
    /// After its last line.
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

    /// Continues after `cursor`. The gathered lines must have been posted.
    pub(super) fn go_on_after(&mut self, cursor: Cursor) {
        self.cursor = cursor;
    }

    /// Takes a line, unless the viewer has it or skips it. Returns whether there is room for more.
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
                text: ViewerEvent::Skipped { lines, cursor }.to_frame(),
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
        // The first line after a skip must not share a frame with the message about the skip.
        self.parts.len() == 1 && self.parts[0].text.len() < FRAME_BYTES && skip.is_none()
    }

    /// The next part to post.
    pub(super) fn next_part(&mut self) -> Option<Part> {
        self.parts.pop_front()
    }

    /// When to post the gathered lines, after a frame posted at `last_post`.
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
    use containerlease_domain::logs::{Assembler, Stream};

    /// API Gateway's limit.
    const LIMIT: usize = 31 * 1024;

    fn lines(texts: &[String]) -> Vec<Line> {
        let mut assembler = Assembler::after(Cursor::default());
        let lines = texts.iter().zip(0..).map(|(text, number)| {
            let stamp = containerlease_domain::time::Time::from_millis(number);
            let piece = format!("{stamp} {text}\n");
            let entry = assembler.take(Stream::Stdout, piece.as_bytes());
            Line::from(&entry.expect("it is a line"))
        });
        lines.collect()
    }

    /// All parts in which the lines are posted, in order.
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
        // Escape sequences are six times as long in JSON, so some lines fit and some do not.
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
        // Each part's cursor is that of its last line, cut or not.
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
        // A viewer that already has the line sees no gap there.
        let mut frame = Frame::after(parts[2].cursor, LIMIT);
        assert!(frame.take(&lines[1], &mut None) && frame.is_empty());
    }
}
