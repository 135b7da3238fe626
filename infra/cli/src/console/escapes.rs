//! Makes a container's output safe for a terminal: colours stay, all other control sequences go.
//!
//! The program in the container may be anybody's. With escape sequences it could overwrite the
//! screen, set the window's title, or write to the clipboard. Only the sequences that colour text
//! ("select graphic rendition") remain; the others are removed whole, even if they are split
//! between two writes. A newline ends every sequence, so an unfinished one hides at most its own
//! line. A carriage return, which would overwrite a line, becomes a newline.

use std::io::{self, Write};

/// The longest colour sequence that passes, in characters.
const COLOUR_LIMIT: usize = 64;

/// An output that may be a terminal.
#[derive(Debug)]
pub struct Guarded<W> {
    to: W,
    /// Only for a terminal: other readers get the output unchanged.
    filter: Option<Filter>,
    /// The first bytes of an incomplete UTF-8 character.
    unfinished: Vec<u8>,
}

impl<W: Write> Guarded<W> {
    /// Wraps `to`.
    pub fn new(to: W, is_terminal: bool) -> Self {
        Self {
            to,
            filter: is_terminal.then(Filter::default),
            unfinished: Vec::new(),
        }
    }
}

impl<W: Write> Write for Guarded<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(filter) = &mut self.filter else {
            return self.to.write(bytes);
        };
        self.unfinished.extend_from_slice(bytes);
        let all = std::mem::take(&mut self.unfinished);
        let mut harmless = String::with_capacity(all.len());
        let mut chunks = all.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            filter.pass(chunk.valid(), &mut harmless);
            let invalid = chunk.invalid();
            let is_cut = std::str::from_utf8(invalid).is_err_and(|e| e.error_len().is_none());
            if chunks.peek().is_none() && is_cut {
                self.unfinished = invalid.to_vec();
            } else if !invalid.is_empty() {
                filter.pass("\u{fffd}", &mut harmless);
            }
        }
        self.to.write_all(harmless.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// The parser's position in a sequence. The states are those of ECMA-48.
#[derive(Debug, Default)]
enum State {
    #[default]
    Ground,
    /// After a carriage return.
    Returned,
    /// After ESC.
    Escape,
    /// After ESC and a character that introduces one more.
    Announced,
    /// In a control sequence, with its parameters so far; `None` once it cannot be a colour.
    Control(Option<String>),
    /// In a control string: a title, the clipboard, an image.
    Text,
    /// After ESC in a control string.
    TextEscape,
}

/// Removes what a terminal would obey.
#[derive(Debug, Default)]
struct Filter(State);

impl Filter {
    /// Appends the harmless part of `text` to `to`.
    fn pass(&mut self, text: &str, to: &mut String) {
        for character in text.chars() {
            self.0 = std::mem::take(&mut self.0).behind(character, to);
        }
    }
}

impl State {
    #[expect(
        clippy::match_same_arms,
        reason = "the order is the rule: an arm stands behind those that take its exceptions"
    )]
    fn behind(self, character: char, to: &mut String) -> Self {
        match (self, character) {
            (_, '\n') => {
                to.push('\n');
                Self::Ground
            }
            // Several in a row become one newline.
            (Self::Returned, '\r') => Self::Returned,
            (Self::Returned, other) => {
                to.push('\n');
                Self::Ground.behind(other, to)
            }
            // These abort a sequence.
            (_, '\u{18}' | '\u{1a}') => Self::Ground,
            (Self::Ground, '\r') => Self::Returned,
            (Self::Ground, '\t') => {
                to.push('\t');
                Self::Ground
            }
            (Self::Text, '\u{1b}') => Self::TextEscape,
            (Self::Text, '\u{7}' | '\u{9c}') | (Self::TextEscape, '\\') => Self::Ground,
            (Self::Text, _) => Self::Text,
            (Self::Escape | Self::TextEscape, '[') | (_, '\u{9b}') => {
                Self::Control(Some(String::new()))
            }
            (Self::Escape | Self::TextEscape, 'P' | 'X' | ']' | '^' | '_')
            | (_, '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}') => Self::Text,
            (_, '\u{1b}') => Self::Escape,
            (Self::Escape | Self::TextEscape | Self::Announced, ' '..='/') => Self::Announced,
            (Self::Escape | Self::TextEscape | Self::Announced, '0'..='~') => Self::Ground,
            (Self::Control(Some(mut colour)), '0'..=';') if colour.len() < COLOUR_LIMIT => {
                colour.push(character);
                Self::Control(Some(colour))
            }
            (Self::Control(colour), '@'..='~') => {
                if let Some(colour) = colour.filter(|_| character == 'm') {
                    to.push_str("\u{1b}[");
                    to.push_str(&colour);
                    to.push('m');
                }
                Self::Ground
            }
            (Self::Control(_), ' '..='?') => Self::Control(None),
            // A terminal obeys a control character inside a sequence and then goes on with the
            // sequence.
            (state, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}') => state,
            (_, printed) => {
                to.push(printed);
                Self::Ground
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(chunks: &[&[u8]]) -> String {
        let mut terminal = Vec::new();
        let mut guarded = Guarded::new(&mut terminal, true);
        for chunk in chunks {
            guarded.write_all(chunk).unwrap();
        }
        String::from_utf8(terminal).unwrap()
    }

    #[test]
    fn colours_stay_and_all_other_sequences_go() {
        for (text, left) in [
            ("plain\ttext ä€😀\n", "plain\ttext ä€😀\n"),
            (
                "\u{1b}[1;31mred\u{1b}[0m\u{1b}[m",
                "\u{1b}[1;31mred\u{1b}[0m\u{1b}[m",
            ),
            (
                "\u{1b}[38;2;1;2;3m\u{1b}[4:3mx",
                "\u{1b}[38;2;1;2;3m\u{1b}[4:3mx",
            ),
            // The cursor, the screen, modes, reports, the keyboard.
            ("a\u{1b}[2J\u{1b}[H\u{1b}[3;4Hb\u{1b}[K\u{1b}[1A", "ab"),
            ("a\u{1b}[?25l\u{1b}[?1049h\u{1b}[6n\u{1b}[>4;1mb", "ab"),
            ("a\u{1b}c\u{1b}7\u{1b}8\u{1b}(0\u{1b}#8\u{1b}=b", "ab"),
            // Titles, links and the clipboard, however they end.
            ("a\u{1b}]0;title\u{7}b\u{1b}]52;c;eA==\u{1b}\\c", "abc"),
            (
                "a\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\b",
                "alinkb",
            ),
            ("a\u{1b}]52;c;eA==\u{9c}b", "ab"),
            // Other control strings.
            (
                "a\u{1b}Pq#0~\u{1b}\\b\u{1b}_x\u{1b}\\c\u{1b}^x\u{1b}\\d\u{1b}Xx\u{1b}\\e",
                "abcde",
            ),
            // The same as single C1 characters.
            ("a\u{9b}2Jb\u{9b}31mc", "ab\u{1b}[31mc"),
            (
                "a\u{9d}52;c;eA==\u{9c}b\u{90}x\u{9c}c\u{9f}x\u{9c}d\u{9e}x\u{9c}e\u{98}x\u{9c}f",
                "abcdef",
            ),
            ("a\u{85}\u{84}\u{8d}b", "ab"),
            // Bell, backspace, delete, shifts and carriage returns.
            ("a\u{7}\u{8}\u{b}\u{c}\u{e}\u{f}\u{7f}\0b", "ab"),
            ("dos\r\nold\rnew\r\r\nend\r", "dos\nold\nnew\nend"),
            // A sequence within a sequence, an unfinished one, and an aborted one.
            ("\u{1b}[\u{1b}[2J\u{1b}\u{1b}]0;x\u{7}a", "a"),
            ("a\u{1b}]0;title\nb\u{1b}[12\nc\u{1b}\nd", "a\nb\nc\nd"),
            ("a\u{1b}]0;x\u{18}b\u{1b}[3\u{1a}c", "abc"),
            ("a\u{1b}]0;x\u{1b}[2Jb", "ab"),
            ("a\u{1b}[3\u{8}1mb", "a\u{1b}[31mb"),
            ("a\u{1b}[3 mb\u{1b}[<1mc", "abc"),
        ] {
            assert_eq!(shown(&[text.as_bytes()]), left, "{text:?}");
            // Byte by byte.
            let bytes: Vec<_> = text.as_bytes().chunks(1).collect();
            assert_eq!(shown(&bytes), left, "{text:?}");
        }
        let long = format!("a\u{1b}[{}mb", "1;".repeat(COLOUR_LIMIT));
        assert_eq!(shown(&[long.as_bytes()]), "ab");
        assert_eq!(shown(&[b"a\xff\x9b2Jb\xe2\x82"]), "a\u{fffd}\u{fffd}2Jb");
    }

    #[test]
    fn what_is_no_terminal_gets_all_as_it_is() {
        let raw = b"a\x1b]52;c;eA==\x07\xff\r\x9b";
        let mut file = Vec::new();
        Guarded::new(&mut file, false).write_all(raw).unwrap();
        assert_eq!(file, raw);
    }

    /// Whether a text holds only printable characters and colours.
    fn is_harmless(text: &str) -> bool {
        let mut rest = text;
        while let Some(at) = rest.find(|c: char| c.is_control() && c != '\n' && c != '\t') {
            let Some(sequence) = rest[at..].strip_prefix("\u{1b}[") else {
                return false;
            };
            let parameters = sequence.trim_start_matches(|c: char| "0123456789:;".contains(c));
            let Some(behind) = parameters.strip_prefix('m') else {
                return false;
            };
            rest = behind;
        }
        true
    }

    fn any_output() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            3 => "[ -~äöü]{0,8}".prop_map(String::into_bytes),
            3 => prop::sample::select(vec![
                "\u{1b}", "\u{1b}[", "\u{1b}]", "\u{1b}P", "\u{1b}\\", "\u{9b}", "\u{9d}", "\u{9c}",
                "m", "31m", "2J", "52;c;", "\u{7}", "\r", "\n", "\u{18}", ";", "?25l", " ",
            ]).prop_map(|part| part.as_bytes().to_vec()),
            2 => prop::collection::vec(any::<u8>(), 0..6),
        ];
        prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn whatever_is_written_a_terminal_obeys_colours_alone(
            output in any_output(),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let whole = shown(&[&output]);
            prop_assert!(is_harmless(&whole), "{whole:?}");
            // However the output is split into writes, the result is the same.
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(output.len() + 1)).collect();
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut begin = 0;
            for cut in cuts.into_iter().chain([output.len()]) {
                chunks.push(&output[begin..cut]);
                begin = cut;
            }
            prop_assert_eq!(shown(&chunks), whole);
        }

        #[test]
        fn what_has_no_control_character_stays(text in "[^\\p{Cc}]{0,40}") {
            prop_assert_eq!(shown(&[text.as_bytes()]), text);
        }
    }
}
