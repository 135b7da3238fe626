//! A redrawn line: a progress bar writes each state over the previous one, with a carriage return
//! between them, and ends the line once.
//!
//! Such a line becomes one entry with its last visible state. We hold only two states, however
//! many there were, and read each byte once.

use super::LINE_LIMIT;

/// The part of a line that has arrived so far.
#[derive(Debug, Default)]
pub(super) struct Redrawn {
    /// The last finished state that is visible; if none is, an invisible one.
    shown: State,
    /// The state since the last carriage return.
    drawn: State,
}

/// The bytes of one state, at most [`LINE_LIMIT`].
#[derive(Debug, Default)]
struct State {
    text: Vec<u8>,
    truncated: bool,
}

impl Redrawn {
    /// Takes the next part of the line.
    pub(super) fn push(&mut self, part: &[u8]) {
        // Almost no line is redrawn.
        if !part.contains(&b'\r') {
            self.drawn.push(part);
            return;
        }
        let mut states = part.split(|byte| *byte == b'\r');
        // A split has at least one part.
        self.drawn.push(states.next().unwrap_or_default());
        for state in states {
            self.draw_over();
            self.drawn.push(state);
        }
    }

    /// The bytes of the visible state, and whether they were cut.
    pub(super) fn finish(mut self) -> (Vec<u8>, bool) {
        self.draw_over();
        (self.shown.text, self.shown.truncated)
    }

    fn draw_over(&mut self) {
        let in_place_of_nothing = !self.drawn.text.is_empty() && !self.shown.is_visible();
        if in_place_of_nothing || self.drawn.is_visible() {
            std::mem::swap(&mut self.shown, &mut self.drawn);
        }
        self.drawn.text.clear();
        self.drawn.truncated = false;
    }
}

impl State {
    fn push(&mut self, part: &[u8]) {
        let room = LINE_LIMIT - self.text.len();
        self.text.extend_from_slice(&part[..part.len().min(room)]);
        self.truncated |= part.len() > room;
    }

    /// Whether there is anything but spaces and escape sequences. If a bar clears itself with
    /// these at the end, we show the state before that.
    fn is_visible(&self) -> bool {
        let mut bytes = self.text.iter();
        while let Some(byte) = bytes.next() {
            match byte {
                // A control sequence ends with its final byte; any other has two bytes.
                0x1b => {
                    if bytes.next() == Some(&b'[') {
                        bytes.find(|byte| (0x40..=0x7e).contains(*byte));
                    }
                }
                b' ' | b'\t' => {}
                _ => return true,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(parts: &[&str]) -> String {
        let mut line = Redrawn::default();
        for part in parts {
            line.push(part.as_bytes());
        }
        let (text, truncated) = line.finish();
        assert!(!truncated);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn what_is_seen_last_is_shown() {
        for (parts, last) in [
            (&["plain"][..], "plain"),
            (&[""], ""),
            (&["dos\r"], "dos"),
            (&["dos\r\r"], "dos"),
            (&["  \r"], "  "),
            (&["10 %\r20 %\rdone"], "done"),
            (&["\r10 %\r20 %\r"], "20 %"),
            // A state may arrive in parts, and so may its end.
            (&["10 %\r2", "0 %", "\r", "30", " %"], "30 %"),
            (&["10 %", "\r"], "10 %"),
            // The spaces with which a bar clears itself are not visible.
            (&["99 %\r     \r"], "99 %"),
            (&["99 %\r\u{1b}[2K\r\u{1b}[K"], "99 %"),
            (
                &["99 %\r\u{1b}[K\u{1b}[32mdone\u{1b}[0m\r"],
                "\u{1b}[K\u{1b}[32mdone\u{1b}[0m",
            ),
            (&["\u{1b}[2K\r"], "\u{1b}[2K"),
        ] {
            assert_eq!(shown(parts), last, "{parts:?}");
        }
    }

    #[test]
    fn only_the_state_that_is_shown_can_be_cut() {
        let long = "x".repeat(LINE_LIMIT + 1);
        let shown = |text: String| {
            let mut line = Redrawn::default();
            line.push(text.as_bytes());
            let (text, truncated) = line.finish();
            (text.len(), truncated)
        };
        assert_eq!(shown(format!("{long}\rdone")), (4, false));
        assert_eq!(shown(format!("begun\r{long}")), (LINE_LIMIT, true));
        assert_eq!(shown(format!("{long}\r  ")), (LINE_LIMIT, true));
    }

    /// An implementation that reads all states again for each new one would take days.
    #[test]
    fn eight_million_states_are_held_as_two() {
        let part = "x\r".repeat(8 * 1024);
        let mut line = Redrawn::default();
        for _ in 0..1_024 {
            line.push(part.as_bytes());
            let held = line.shown.text.capacity() + line.drawn.text.capacity();
            assert!(held <= 2 * LINE_LIMIT, "{held} bytes are held");
        }
        assert_eq!(line.finish(), (b"x".to_vec(), false));
    }
}
