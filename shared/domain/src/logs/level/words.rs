//! The name of a level among the first words of a line.
//!
//! A time, names and numbers may precede it, but hardly any prose: after prose, `error` is only a
//! word. The spelling counts as well: in capitals, in brackets, with a colon, or between
//! separators.

use super::Level;

/// The number of first words among which the level can be.
pub(super) const WORDS: usize = 6;

/// The number of words that are examined; those inside brackets count as one above.
const WORDS_WITH_BRACKETS: usize = 16;

/// What precedes a word.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the flags are independent; any combination is possible"
)]
struct Before {
    /// The number of words; a bracket counts as one.
    words: usize,
    /// How many of them are prose.
    prose: usize,
    /// Whether the first one is prose.
    begins_with_prose: bool,
    /// Whether anything but a time precedes.
    more_than_time: bool,
    /// Whether the last one is a separator.
    separator: bool,
    /// Whether a bracket is open.
    in_bracket: bool,
}

/// The level that a line's first words state.
pub(super) fn level(line: &str) -> Option<Level> {
    if let Some(level) = of_zap(line).or_else(|| of_interpreter(line)) {
        return Some(level);
    }
    let mut words = line
        .split([' ', '\t'])
        .filter(|word| !word.is_empty())
        .take(WORDS_WITH_BRACKETS)
        .peekable();
    let mut before = Before::default();
    while let Some(word) = words.next() {
        // Quoted text does not speak of this line's level.
        if before.words >= WORDS || word.starts_with(['"', '\'']) {
            return None;
        }
        if let Some(level) = of_word(word, words.peek().copied(), before) {
            return Some(level);
        }
        before = before.and(word);
    }
    None
}

impl Before {
    fn and(self, word: &str) -> Self {
        let opens = word.starts_with('[') && !word.contains(']');
        let in_bracket = (self.in_bracket || opens) && !word.contains(']');
        let separator = is_separator(word);
        let prose = !self.in_bracket && !opens && is_prose(word);
        Self {
            words: self.words + usize::from(!in_bracket),
            prose: self.prose + usize::from(prose),
            begins_with_prose: self.begins_with_prose || (self.words == 0 && prose),
            more_than_time: self.more_than_time || !is_of_a_time(word),
            separator,
            in_bracket,
        }
    }

    /// Whether loggers write a level after this.
    fn is_prefix(self) -> bool {
        // A time and the logger's name.
        self.prose == 0 || (self.prose == 1 && !self.begins_with_prose)
    }
}

fn of_word(word: &str, next: Option<&str>, before: Before) -> Option<Level> {
    let has_colon = word.ends_with(':');
    let bare = word.trim_end_matches([':', ',']);
    if let Some(level) = enclosed(bare, next, before) {
        return Some(level);
    }
    let bare = bare.trim_matches(['[', ']', '(', ')', '<', '>', '|']);
    let separated = before.separator && next.is_some_and(is_separator);
    let told = before.words == 0 || before.is_prefix() || has_colon || separated;
    if told && let Some(level) = shouted(bare, word) {
        return Some(level);
    }
    let heads = has_colon && !before.more_than_time;
    if heads || separated {
        return Level::of_name(bare);
    }
    None
}

/// `[error]`, `[core:error]`, `[warning  ]`, `(error)`, and Elastic's `[time][WARN ][name]`.
fn enclosed(bare: &str, next: Option<&str>, before: Before) -> Option<Level> {
    if let Some(open) = bare.strip_prefix('[') {
        let is_closed = open.ends_with(']') || next.is_some_and(|next| next.starts_with(']'));
        let names = open.trim_end_matches(']').split("][");
        return names.filter(|_| is_closed).find_map(|name| {
            let name = name.rsplit(':').next().unwrap_or(name);
            Level::of_name(name)
        });
    }
    let within = |open, close| bare.strip_prefix(open)?.strip_suffix(close);
    let name = within('(', ')').or_else(|| within('<', '>'));
    Level::of_name(name.filter(|_| before.prose == 0)?)
}

/// A name in capitals: alone, or as a part of `ERROR/MainProcess` (Celery), `thread/WARN]`
/// (Minecraft), `WARNING:root:…` (Python), `production.ERROR:` (monolog), `ERRO[0000]`
/// (logrus) and `ERR!` (npm).
fn shouted(bare: &str, word: &str) -> Option<Level> {
    let whole = bare.trim_end_matches('!');
    let first = whole.split([':', '/', '[']).next().unwrap_or(whole);
    let last = match word.trim_end_matches(':').strip_suffix(']') {
        Some(_) => whole.rsplit(['/', '[', ']']).next().unwrap_or(whole),
        None if word.ends_with(':') => whole.rsplit('.').next().unwrap_or(whole),
        None => whole,
    };
    [first, last].into_iter().find_map(|name| {
        let capitals = name
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        (name.len() > 2 && capitals).then(|| Level::of_name(name))?
    })
}

fn is_separator(word: &str) -> bool {
    word.bytes().all(|byte| b"-|".contains(&byte))
}

/// Whether the word belongs to a sentence, or is a name that looks like one.
fn is_prose(word: &str) -> bool {
    let word = word.trim_end_matches([',', '.', ';', ':']);
    let plain = !word.is_empty() && word.chars().all(char::is_alphabetic);
    // Ruby's letters, and time zones.
    let short = word.len() <= 4 && word.bytes().all(|byte| byte.is_ascii_uppercase());
    plain && !short && !is_of_a_date(word)
}

fn is_of_a_date(word: &str) -> bool {
    const NAMES: [&str; 19] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Mon",
        "Tue", "Wed", "Thu", "Fri", "Sat", "Sun",
    ];
    NAMES.contains(&word)
}

fn is_of_a_time(word: &str) -> bool {
    let bare = word.trim_matches(['[', ']', '(', ')', ',', ':']);
    let zone = bare.len() <= 4 && bare.bytes().all(|byte| byte.is_ascii_uppercase());
    is_of_a_date(bare)
        || zone
        || bare
            .trim_start_matches(['+', '-'])
            .starts_with(|c: char| c.is_ascii_digit())
}

/// zap's console format: time, level and the rest, in columns.
fn of_zap(line: &str) -> Option<Level> {
    let mut columns = line.split('\t');
    let begins_with_time = columns.next().is_some_and(is_of_a_time);
    let level = columns.next()?;
    begins_with_time.then(|| Level::of_name(level))?
}

/// Messages of PHP, npm and node themselves.
fn of_interpreter(line: &str) -> Option<Level> {
    let mut words = line.split_ascii_whitespace();
    let first = words.find(|word| !is_of_a_time(word) || *word == "PHP")?;
    let what = words.next()?;
    match first {
        "PHP" => Some(match what {
            "Fatal" | "Parse" | "Recoverable" | "Core" | "Compile" => Level::Error,
            "Warning:" => Level::Warn,
            "Notice:" | "Deprecated:" | "Strict" => Level::Info,
            _ => return None,
        }),
        "npm" => Level::of_name(what.trim_end_matches('!')),
        node if node.starts_with("(node:") && what.ends_with("Warning:") => Some(Level::Warn),
        _ => None,
    }
}
