//! Where a view of a log starts, and where it resumes after an interruption.

use containerlease_domain::logs::{Cursor, Start, Tail};

/// A view of a log: where it starts or, once it has shown something, resumes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View(Start);

impl View {
    /// A view that has shown nothing yet.
    pub fn new(start: Start) -> Self {
        Self(start)
    }

    /// The query that asks for everything not yet shown, with its question mark; empty if none is
    /// needed.
    pub fn query(&self) -> String {
        match self.0 {
            Start::After(cursor) => format!("?cursor={cursor}"),
            Start::With { tail, since } => match (tail, since) {
                (Tail::All, None) => String::new(),
                (Tail::All, Some(since)) => format!("?since={since}"),
                (Tail::Lines(lines), None) => format!("?tail={lines}"),
                (Tail::Lines(lines), Some(since)) => format!("?tail={lines}&since={since}"),
            },
        }
    }

    /// Accepts a line unless it was already shown: after a fault, frames may come twice.
    pub fn take(&mut self, line: &Cursor) -> bool {
        if matches!(&self.0, Start::After(last) if last.covers(line)) {
            return false;
        }
        self.0 = Start::After(*line);
        true
    }

    /// Resumes after this position, up to which everything was read.
    pub fn go_on_after(&mut self, cursor: Cursor) {
        self.0 = Start::After(cursor);
    }

    /// Notes the position of a heartbeat. It matters only before the first line, when there is no
    /// other cursor: starting again with the same number of last lines might leave out new ones.
    pub fn note_heartbeat(&mut self, cursor: Cursor) {
        if matches!(self.0, Start::With { .. }) {
            self.0 = Start::After(cursor);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use containerlease_domain::time::Time;

    use super::*;

    const NOW: Time = Time::from_millis(1_795_512_600_000);

    fn after(cursor: &str) -> View {
        View::new(Start::After(cursor.parse().unwrap()))
    }

    fn with(tail: Tail, seconds_ago: Option<u64>) -> View {
        let since = seconds_ago.map(|seconds| NOW.minus(Duration::from_secs(seconds)));
        View::new(Start::With { tail, since })
    }

    fn take(view: &mut View, cursor: &str) -> bool {
        view.take(&cursor.parse().unwrap())
    }

    #[test]
    fn a_view_asks_for_what_it_was_called_with() {
        for (view, query) in [
            (with(Tail::All, None), ""),
            (with(Tail::Lines(0), None), "?tail=0"),
            (with(Tail::All, Some(90)), "?since=2026-11-24T09:28:30.000Z"),
            (
                with(Tail::Lines(5), Some(90)),
                "?tail=5&since=2026-11-24T09:28:30.000Z",
            ),
            (after("5.0_7.1"), "?cursor=5.0_7.1"),
        ] {
            assert_eq!(view.query(), query);
        }
    }

    #[test]
    fn a_view_goes_on_after_the_last_line_that_it_has_taken() {
        let mut view = with(Tail::Lines(10), Some(90));
        assert!(take(&mut view, "5.0_0"));
        assert!(take(&mut view, "5.0_7.0"));
        assert_eq!(view.query(), "?cursor=5.0_7.0");
    }

    #[test]
    fn a_line_is_taken_once() {
        let mut view = after("5.0_7.0");
        for again in ["5.0_7.0", "5.0_0", "0_7.0", "4.9_6.2"] {
            assert!(!take(&mut view, again), "{again}");
        }
        assert!(take(&mut view, "5.1_7.0"));
        assert!(!take(&mut view, "5.1_7.0"));
        assert!(take(&mut view, "5.1_7.1"));
    }

    #[test]
    fn a_view_without_a_line_goes_on_where_a_heartbeat_says() {
        let mut quiet = with(Tail::Lines(5), Some(90));
        quiet.note_heartbeat("5.0_0".parse().unwrap());
        assert_eq!(quiet.query(), "?cursor=5.0_0");
        // Lines since then must come again, whatever a later heartbeat says.
        quiet.note_heartbeat("6.0_0".parse().unwrap());
        assert_eq!(quiet.query(), "?cursor=5.0_0");
    }
}
