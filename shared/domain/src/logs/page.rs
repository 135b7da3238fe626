//! A page of a log: a caller's query, and the lines in the answer.

use serde::{
    Deserialize as _,
    de::{IntoDeserializer as _, value},
};
use thiserror::Error;

use super::{Cursor, Entry, Level, NotAStart, Start, start};
use crate::time::Time;

/// The greatest number of lines in a page.
pub const PAGE_LIMIT: u32 = 1_000;

/// The default number of lines in a page.
pub const PAGE_DEFAULT: u32 = 100;

/// A page is full when its lines have this many bytes, as JSON.
const PAGE_BYTES: usize = 1024 * 1024;

/// The longest search text, in characters.
pub const SEARCH_LIMIT: usize = 200;

/// The lines that a caller asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub start: Start,
    /// The greatest number of lines.
    pub limit: u32,
    /// Only lines of this level and above.
    pub level: Option<Level>,
    /// Only lines that contain this text, which is in lower case.
    search: Option<String>,
}

/// Why a query is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotAQuery {
    #[error(transparent)]
    Start(#[from] NotAStart),
    #[error("Give limit as a number from 1 to {PAGE_LIMIT}.")]
    Limit,
    #[error("Give level as one of trace, debug, info, warn and error.")]
    Level,
    #[error("Give search as a text of at most {SEARCH_LIMIT} characters.")]
    Search,
}

/// Lines of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub entries: Vec<Entry>,
    /// Where to continue: after all lines that were examined.
    pub cursor: Cursor,
    /// Whether the log already has lines after the cursor.
    pub more: bool,
    /// Whether lines are missing, because the log does not continue from the cursor or is damaged.
    pub gap: bool,
}

impl Query {
    /// Parses the parameters of a request. An empty text counts as absent. A relative `since`
    /// counts back from `now`.
    pub fn parse<'p>(
        parameter: impl Fn(&str) -> Option<&'p str>,
        now: Time,
    ) -> Result<Self, NotAQuery> {
        let given = |name| parameter(name).filter(|text| !text.is_empty());
        let start = Start::parse(given("cursor"), given("tail"), given("since"), now)?;
        let limit = match given("limit") {
            None => PAGE_DEFAULT,
            Some(text) => start::number(text)
                .filter(|limit| (1..=PAGE_LIMIT).contains(limit))
                .ok_or(NotAQuery::Limit)?,
        };
        let level = given("level").map(|text| {
            let name: value::StrDeserializer<'_, value::Error> = text.into_deserializer();
            Level::deserialize(name).map_err(|_| NotAQuery::Level)
        });
        let search = given("search").map(|text| {
            let short = text.chars().count() <= SEARCH_LIMIT;
            short.then(|| text.to_lowercase()).ok_or(NotAQuery::Search)
        });
        Ok(Self {
            start,
            limit,
            level: level.transpose()?,
            search: search.transpose()?,
        })
    }

    fn wants(&self, entry: &Entry) -> bool {
        self.level.is_none_or(|least| entry.level >= least)
            && (self.search.as_ref()).is_none_or(|text| entry.message.to_lowercase().contains(text))
    }
}

/// A page under construction.
#[derive(Debug)]
pub struct Filling<'q> {
    query: &'q Query,
    page: Page,
    bytes: usize,
}

impl<'q> Filling<'q> {
    /// An empty page of the lines after `cursor`.
    pub fn after(cursor: Cursor, query: &'q Query) -> Self {
        Self {
            query,
            page: Page {
                entries: Vec::new(),
                cursor,
                more: false,
                gap: false,
            },
            bytes: 0,
        }
    }

    /// Takes the next line of the log. Skips it if it lies before the cursor or the query does not
    /// want it. Returns whether the page needs another line.
    pub fn take(&mut self, entry: Entry) -> bool {
        let mut cursor = self.page.cursor;
        if !cursor.pass(entry.stream, entry.position) {
            return true;
        }
        let full = self.page.entries.len() >= self.query.limit as usize;
        if full || self.bytes >= PAGE_BYTES {
            self.page.more = true;
            return false;
        }
        self.page.cursor = cursor;
        self.page.gap |= entry.after_gap;
        if self.query.wants(&entry) {
            let (entry, bytes) = Entry { cursor, ..entry }.bounded();
            self.bytes += bytes;
            self.page.entries.push(entry);
        }
        true
    }

    /// The page as it is when the time for filling it runs out.
    pub fn cut_off(mut self) -> Page {
        self.page.more = true;
        self.page
    }

    /// The page, once it is full or the log has no more lines.
    pub fn finish(self) -> Page {
        self.page
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::{Assembler, NotACursor, Stream, Tail};

    const NOW: Time = Time::from_millis(10_000_000);

    fn parse(parameters: &[(&str, &'static str)]) -> Result<Query, NotAQuery> {
        let parameter = |name: &str| {
            let found = parameters.iter().find(|(known, _)| *known == name);
            found.map(|(_, text)| *text)
        };
        Query::parse(parameter, NOW)
    }

    fn query(parameters: &[(&str, &'static str)]) -> Query {
        parse(parameters).unwrap()
    }

    fn entries(lines: &[&str]) -> Vec<Entry> {
        let mut assembler = Assembler::after(Cursor::default());
        let lines = lines.iter().enumerate().filter_map(|(number, line)| {
            let stamp = Time::from_millis(i64::try_from(number).unwrap_or(0));
            let piece = format!("{stamp} {line}\n");
            assembler.take(Stream::Stdout, piece.as_bytes())
        });
        lines.collect()
    }

    fn page(query: &Query, entries: &[Entry], cursor: Cursor) -> Page {
        let mut filling = Filling::after(cursor, query);
        for entry in entries {
            if !filling.take(entry.clone()) {
                break;
            }
        }
        filling.finish()
    }

    fn messages(page: &Page) -> Vec<&str> {
        let messages = page.entries.iter().map(|entry| entry.message.as_str());
        messages.collect()
    }

    #[test]
    fn what_is_not_given_means_the_first_hundred() {
        let query = query(&[("level", ""), ("search", "")]);
        assert_eq!((query.limit, query.level), (100, None));
        assert_eq!(query.start, Start::with_all());
    }

    #[test]
    fn everything_can_be_given() {
        let all = query(&[
            ("tail", "5"),
            ("since", "1h"),
            ("limit", "1000"),
            ("level", "warn"),
            ("search", "Größe"),
        ]);
        let start = Start::With {
            tail: Tail::Lines(5),
            since: Some(Time::from_millis(6_400_000)),
        };
        assert_eq!((all.start, all.limit), (start, 1_000));
        assert_eq!(all.level, Some(Level::Warn));
        assert_eq!(all.search.as_deref(), Some("größe"));
    }

    #[test]
    fn whatever_else_is_named_and_refused() {
        for (name, text, why) in [
            ("limit", "0", NotAQuery::Limit),
            ("limit", "1001", NotAQuery::Limit),
            ("limit", "-1", NotAQuery::Limit),
            ("limit", "all", NotAQuery::Limit),
            ("level", "fatal", NotAQuery::Level),
            ("level", "WARN", NotAQuery::Level),
            ("tail", "x", NotAQuery::Start(NotAStart::Tail)),
            ("since", "x", NotAQuery::Start(NotAStart::Since)),
            (
                "cursor",
                "x",
                NotAQuery::Start(NotAStart::Cursor(NotACursor)),
            ),
        ] {
            assert_eq!(parse(&[(name, text)]), Err(why), "{name}={text}");
        }
        let long = "x".repeat(SEARCH_LIMIT + 1);
        let parsed = Query::parse(|name| (name == "search").then_some(long.as_str()), NOW);
        assert_eq!(parsed, Err(NotAQuery::Search));
    }

    #[test]
    fn pages_follow_each_other_without_loss_or_repeat() {
        let lines: Vec<_> = (0..25).map(|number| number.to_string()).collect();
        let all = entries(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let query = query(&[("limit", "10")]);
        let mut read = Vec::new();
        let mut cursor = Cursor::default();
        for (length, more) in [(10, true), (10, true), (5, false), (0, false)] {
            let page = page(&query, &all, cursor);
            assert_eq!((page.entries.len(), page.more), (length, more));
            cursor = page.cursor;
            read.extend(page.entries);
        }
        assert_eq!(read, all);
    }

    #[test]
    fn a_full_page_that_is_also_the_last_one_says_so() {
        let all = entries(&["a", "b"]);
        let page = page(&query(&[("limit", "2")]), &all, Cursor::default());
        assert_eq!((page.entries.len(), page.more), (2, false));
    }

    #[test]
    fn filters_leave_lines_out_and_the_cursor_goes_past_them() {
        let all = entries(&["WARN: Disk full", "INFO: disk fine", "ERROR: broken", "x"]);
        let found = |parameters| {
            let page = page(&query(parameters), &all, Cursor::default());
            assert_eq!(page.cursor, all[3].cursor);
            messages(&page).join(", ")
        };
        assert_eq!(
            found(&[("level", "warn")]),
            "WARN: Disk full, ERROR: broken"
        );
        assert_eq!(found(&[("level", "error")]), "ERROR: broken");
        assert_eq!(
            found(&[("search", "DISK")]),
            "WARN: Disk full, INFO: disk fine"
        );
        assert_eq!(
            found(&[("search", "disk"), ("level", "warn")]),
            "WARN: Disk full"
        );
        assert_eq!(found(&[("search", "nothing")]), "");
    }

    #[test]
    fn a_page_is_bounded_in_bytes_and_has_one_line_at_least() {
        let long = "\u{1}".repeat(60 * 1024);
        let all = entries(&vec![long.as_str(); 100]);
        let first = page(&query(&[("limit", "1000")]), &all, Cursor::default());
        assert!(first.more);
        let bytes = serde_json::to_vec(&first.entries).unwrap().len();
        assert!(bytes < PAGE_BYTES + 128 * 1024, "{bytes}");
        assert!(first.entries.iter().all(|entry| entry.truncated));
    }

    #[test]
    fn a_page_that_was_cut_off_goes_on_where_it_was() {
        let all = entries(&["a", "b"]);
        let query = query(&[]);
        let mut filling = Filling::after(Cursor::default(), &query);
        filling.take(all[0].clone());
        let page = filling.cut_off();
        assert!(page.more);
        assert_eq!(page.cursor, all[0].cursor);
    }
}
