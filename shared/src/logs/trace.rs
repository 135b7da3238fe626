//! Lines that belong together: a stack trace says its level once, in its first line.
//!
//! What a line leaves for the next one of its stream is its [`Context`]: the level that it
//! said, or that the lines before it have said for it, and what may come. It is in the
//! line's cursor, so a reading that goes on after a cursor knows what the reading before it
//! knew, and a line has one level for all of them. A reading that begins within a trace
//! (`tail`, `since`, the first kept line) knows nothing, and takes such lines as info until
//! one says its level.

use std::{fmt, str::FromStr};

use super::Level;

/// For how long a line waits for one that belongs to it, in nanoseconds.
pub(super) const TOGETHER: i64 = 1_000_000_000;

/// A line that is longer, in bytes, has no shape of a trace.
const SHAPED: usize = 4 * 1024;

/// What a line leaves for the next one. Its text is two letters, or one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    level: Level,
    part: Part,
}

/// What was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// A line that says its level. Indented lines belong to it.
    Said,
    /// A line of a trace.
    Trace,
    /// A line of a trace that has its message behind it: one line more that is not indented.
    Announced,
}

/// What a line looks like, whatever its neighbours are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Blank,
    /// The first line of a trace, or one behind the line that logs it.
    Opening(Part),
    /// A line that belongs to what was before.
    Frame(Part),
    /// One that does so behind another line of a trace alone.
    Rest,
    Indented,
    Plain,
}

/// The level of a line behind one that has left `context`, and what it leaves itself.
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
            // A trace that nobody has logged is an error of its own.
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
    // Whoever belongs to an info line is info anyway.
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
    // Python. The exception itself stands behind the indented lines, and may have any name.
    if text == "Traceback (most recent call last):" {
        return Shape::Opening(Part::Announced);
    }
    if indented && text.starts_with("File \"") {
        return Shape::Frame(Part::Announced);
    }
    if indented && is_frame_of_java(text) {
        return Shape::Frame(Part::Trace);
    }
    // Rust: the message stands in the next line.
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

/// The text is no context.
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
