//! `KEY=VALUE`, as variables and labels are given; pure.

use std::str::FromStr;

use thiserror::Error;

/// A key and its value, which may be empty and hold more `=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    pub key: String,
    pub value: String,
}

/// The text is no pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("give it as KEY=VALUE")]
pub struct NotAPair;

/// A line of a file is no pair. The line may be a secret: it is named by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("line {line} is not KEY=VALUE")]
pub struct NotALine {
    pub line: usize,
}

impl FromStr for Pair {
    type Err = NotAPair;

    fn from_str(text: &str) -> Result<Self, NotAPair> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok(Self {
                key: key.to_owned(),
                value: value.to_owned(),
            }),
            _ => Err(NotAPair),
        }
    }
}

/// The pairs of a file, one a line, as docker reads them: without quotes, and without lines
/// that are empty or begin with `#`.
pub fn lines(text: &str) -> Result<Vec<Pair>, NotALine> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim_start()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(line, text)| text.parse().map_err(|NotAPair| NotALine { line }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &str, value: &str) -> Pair {
        Pair {
            key: key.to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn a_value_may_be_anything() {
        assert_eq!("A=b".parse(), Ok(pair("A", "b")));
        assert_eq!("A=".parse(), Ok(pair("A", "")));
        assert_eq!("A=b=c \"d\"".parse(), Ok(pair("A", "b=c \"d\"")));
        for wrong in ["", "A", "=b"] {
            assert_eq!(wrong.parse::<Pair>(), Err(NotAPair), "{wrong}");
        }
    }

    #[test]
    fn a_file_has_a_pair_on_each_line_that_says_anything() {
        let file = "# for the tests\nA=1\r\n\n  B=two words \n#C=3\n";
        assert_eq!(
            lines(file),
            Ok(vec![pair("A", "1"), pair("B", "two words ")])
        );
        assert_eq!(lines("A=1\n\nsecret"), Err(NotALine { line: 3 }));
    }
}
