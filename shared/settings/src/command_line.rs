//! What only the command line reads.

use std::path::PathBuf;

use super::{DATA, environment, reader::Reader};

/// The settings that only the command line reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLineSettings {
    /// The server's address, as written.
    pub url: String,
    /// The token that it signs in with, if given. One that is given but empty stays: whoever meant to
    /// give one must not be somebody else without it.
    pub token: Option<Token>,
    /// The data folder of a server on this machine, which holds the token otherwise.
    pub data: PathBuf,
    /// Whether to show colours on a terminal; see <https://no-color.org>.
    pub colours: bool,
}

/// A caller's sign-in token. `Debug` does not print it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

impl CommandLineSettings {
    /// Reads the process's environment.
    pub fn from_env() -> Self {
        Self::parse(environment)
    }

    /// Reads the settings from `lookup`, which gives a variable's value.
    pub fn parse(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let read = Reader(lookup);
        let unwanted = read.optional("NO_COLOR").is_some();
        let unknown = read.optional("TERM").is_some_and(|term| term == "dumb");
        Self {
            url: read.text("CONTAINERLEASE_URL", "http://127.0.0.1:8080"),
            token: (read.0)("CONTAINERLEASE_TOKEN").map(|text| Token(text.trim().to_owned())),
            data: PathBuf::from(read.text("CONTAINERLEASE_DATA", DATA)),
            colours: !unwanted && !unknown,
        }
    }
}
