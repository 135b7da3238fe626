//! Lines that belong together: a stack trace states its level once, in its first line.
//!
//! Each line leaves a [`Context`] for the next line of its stream: a level, stated or inherited,
//! and the kind of line that may follow. The context is part of the line's cursor, so a reading
//! that continues after a cursor gives each line the same level as an uninterrupted one. A
//! reading that begins inside a trace (`tail`, `since`, the first kept line) has no context, and
//! treats such lines as info until one states its level.

use std::{fmt, str::FromStr};

use super::Level;

/// The longest time between two lines that belong together, in nanoseconds.
pub(super) const TOGETHER: i64 = 1_000_000_000;

/// The longest line, in bytes, that can be part of a trace.
const SHAPED: usize = 4 * 1024;

/// The context that a line leaves for the next one. Its text is one or two letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    level: Level,
    part: Part,
}

/// The kind of the previous line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// A line that states its level. Indented lines belong to it.
    Said,
    /// A line of a trace.
    Trace,
    /// A line of a trace whose message follows, as one more line that is not indented.
    Announced,
}

/// The shape of a line, without regard to its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Blank,
    /// The first line of a trace, or the line after the one that logs it.
    Opening(Part),
    /// A line that belongs to the previous line.
    Frame(Part),
    /// A line that does so only after another line of a trace.
    Rest,
    Indented,
    Plain,
}

/// The level of a line after one that left `context`, and the line's own context.
#[expect(clippy::match_same_arms, reason = "the order is the rule")]
pub(super) fn level_of(context: Option<Context>, line: &str) -> (Level, Option<Context>) {
    let inherited = |part| {
        let level = context.map_or(Level::Info, |before| before.level);
        (level, context.map(|before| Context { part, ..before }))
    };
    match (shape_of(line), context.map(|before| before.part)) {
        (Shape::Blank, None | Some(Part::Said)) => (Level::Info, context),
        (Shape::Blank, Some(part)) => inherited(part),
        (Shape::Opening(part), _) => {
            let before = context.map(|before| before.level);
            // A trace that no line logged as a warning or worse counts as an error.
            let level = before.filter(|level| *level >= Level::Warn);
            let level = level.unwrap_or(Level::Error);
            (level, Some(Context { level, part }))
        }
        (Shape::Rest, Some(Part::Trace | Part::Announced)) => inherited(Part::Trace),
        (Shape::Frame(part), Some(_))
        | (Shape::Indented, Some(part @ (Part::Trace | Part::Announced))) => inherited(part),
        (Shape::Indented, Some(Part::Said)) => said(line).unwrap_or_else(|| inherited(Part::Said)),
        (Shape::Plain, Some(Part::Announced)) => {
            said(line).unwrap_or_else(|| inherited(Part::Trace))
        }
        (Shape::Frame(_) | Shape::Rest | Shape::Indented | Shape::Plain, _) => {
            said(line).unwrap_or((Level::Info, None))
        }
    }
}

fn said(line: &str) -> Option<(Level, Option<Context>)> {
    let level = Level::said_by(line)?;
    // A line that belongs to an info line is info anyway.
    let context = (level != Level::Info).then_some(Context {
        level,
        part: Part::Said,
    });
    Some((level, context))
}

fn shape_of(line: &str) -> Shape {
    let text = line.trim();
    if text.is_empty() {
        return Shape::Blank;
    }
    let indented = line.starts_with([' ', '\t']);
    if text.len() > SHAPED {
        return if indented {
            Shape::Indented
        } else {
            Shape::Plain
        };
    }
    // Python. The exception itself comes after the indented lines, and may have any name.
    if text == "Traceback (most recent call last):" {
        return Shape::Opening(Part::Announced);
    }
    if indented && text.starts_with("File \"") {
        return Shape::Frame(Part::Announced);
    }
    if indented && is_frame_of_java(text) {
        return Shape::Frame(Part::Trace);
    }
    // Rust: the message is in the next line.
    if text.starts_with("thread '") && text.contains(" panicked at ") {
        return Shape::Opening(Part::Announced);
    }
    if is_opening(text) {
        return Shape::Opening(Part::Trace);
    }
    if is_frame(text) {
        return Shape::Frame(Part::Trace);
    }
    if is_rest(text) {
        return Shape::Rest;
    }
    if indented {
        Shape::Indented
    } else {
        Shape::Plain
    }
}

/// Java, .NET, JavaScript and Ruby: `at …`, `… 12 more`, `from …`.
fn is_frame_of_java(text: &str) -> bool {
    text.starts_with("at ")
        || text.starts_with("from ")
        || text.starts_with("--- End of ")
        || text.starts_with("---> ")
        || text.starts_with("Suppressed: ")
        || text
            .strip_prefix("... ")
            .is_some_and(|rest| rest.ends_with(" more"))
}

fn is_opening(text: &str) -> bool {
    const BEGINNINGS: [&str; 7] = [
        "Exception in thread ",
        "Unhandled exception",
        "Unhandled Exception",
        "Uncaught ",
        "panic: ",
        "fatal error: ",
        "Fatal error: ",
    ];
    BEGINNINGS.iter().any(|begin| text.starts_with(begin))
        // Go.
        || (text.starts_with("goroutine ") && text.ends_with("]:"))
        || names_an_exception(text)
        || (is_place_in_ruby(text) && text.ends_with("Error)"))
}

/// `java.lang.IllegalStateException: …`, `ValueError`.
fn names_an_exception(text: &str) -> bool {
    let name = text.split_once(": ").map_or(text, |(name, _)| name);
    let name = name.strip_suffix(':').unwrap_or(name);
    let is_path = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_.$:".contains(&byte));
    let last = name.rsplit(['.', '$', ':']).next().unwrap_or(name);
    let of_a_kind = ["Error", "Exception"].iter().any(|kind| {
        last.strip_suffix(kind).is_some_and(|what| {
            !what.is_empty() && what.starts_with(|c: char| c.is_ascii_uppercase())
        })
    });
    is_path && of_a_kind
}

fn is_frame(text: &str) -> bool {
    const BEGINNINGS: [&str; 7] = [
        "Caused by:",
        "stack backtrace:",
        "note: run with `RUST_BACKTRACE",
        "note: Some details are omitted",
        "During handling of the above exception, ",
        "The above exception was the direct cause of ",
        "Stack trace:",
    ];
    BEGINNINGS.iter().any(|begin| text.starts_with(begin))
        || is_call_in_go(text)
        || is_place_in_ruby(text)
}

fn is_rest(text: &str) -> bool {
    // PHP: `#0 /app/index.php(3): run()`.
    let is_numbered = text.strip_prefix('#').is_some_and(|rest| {
        let number = rest.bytes().take_while(u8::is_ascii_digit).count();
        number > 0 && rest[number..].starts_with(' ')
    });
    is_numbered || text.starts_with("created by ") || text.starts_with("exit status ")
}

/// `main.(*Server).Run(0xc000010000)`, `main.main()`, and zap's `main.main`.
fn is_call_in_go(text: &str) -> bool {
    let (function, arguments) = text
        .strip_suffix(')')
        .and_then(|text| text.rsplit_once('('))
        .unwrap_or((text, ""));
    let is_name = function.starts_with(|c: char| c.is_ascii_alphabetic())
        && function.contains('.')
        && !function.ends_with('.')
        && function
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_./*()-[]{}%".contains(&byte));
    is_name
        && arguments
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || b"x, .?{}_".contains(&byte))
}

/// `app/models/user.rb:3:in 'name'`.
fn is_place_in_ruby(text: &str) -> bool {
    let place = text.split_once(":in ").map(|(place, what)| {
        let line = place.rsplit(':').next().unwrap_or_default();
        !line.is_empty()
            && line.bytes().all(|byte| byte.is_ascii_digit())
            && what.starts_with(['\'', '`'])
    });
    place.unwrap_or(false)
}

/// The text is not a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAContext;

const LEVELS: [(Level, u8); 5] = [
    (Level::Trace, b't'),
    (Level::Debug, b'd'),
    (Level::Info, b'i'),
    (Level::Warn, b'w'),
    (Level::Error, b'e'),
];

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = LEVELS.iter().find(|(level, _)| *level == self.level);
        let (_, letter) = letter.expect("every level has a letter");
        write!(f, "{}", char::from(*letter))?;
        f.write_str(match self.part {
            Part::Said => "",
            Part::Trace => "t",
            Part::Announced => "m",
        })
    }
}

impl FromStr for Context {
    type Err = NotAContext;

    fn from_str(text: &str) -> Result<Self, NotAContext> {
        let (letter, part) = text.as_bytes().split_first().ok_or(NotAContext)?;
        let level = LEVELS.iter().find(|(_, known)| known == letter);
        let (level, _) = level.ok_or(NotAContext)?;
        let part = match part {
            b"" => Part::Said,
            b"t" => Part::Trace,
            b"m" => Part::Announced,
            _ => return Err(NotAContext),
        };
        Ok(Self {
            level: *level,
            part,
        })
    }
}

#[cfg(test)]
mod tests;
