//! Variables for a lease's program, as `docker run` takes them: `KEY=VALUE`, or `KEY` alone for its
//! value in the caller's environment.

use std::str::FromStr;

use thiserror::Error;

/// A variable; without a value it is taken from the caller's environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    key: String,
    value: Option<String>,
}

/// Why a text is not a variable. No sentence repeats the text: it may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum NotAVariable {
    #[error("has no name before the =: give it as KEY=VALUE")]
    NoName,
    #[error(
        "begins with export, a word of the shell: give it as KEY=VALUE, without quotes, which \
         would become part of the value"
    )]
    Export,
    #[error("has a space in its name: give it as KEY=VALUE, without a space before the =")]
    Space,
    #[error("is not text in UTF-8")]
    NotText,
}

/// A line of a file is not a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("line {line} {why}")]
pub(super) struct NotALine {
    line: usize,
    why: NotAVariable,
}

impl FromStr for Variable {
    type Err = NotAVariable;

    fn from_str(text: &str) -> Result<Self, NotAVariable> {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (text, None),
        };
        if key.is_empty() {
            return Err(NotAVariable::NoName);
        }
        if key.starts_with("export ") || key.starts_with("export\t") {
            return Err(NotAVariable::Export);
        }
        if key.contains([' ', '\t']) {
            return Err(NotAVariable::Space);
        }
        Ok(Self {
            key: key.to_owned(),
            value,
        })
    }
}

impl Variable {
    /// Its key and value; `None` if it should come from the caller's environment and is not set
    /// there.
    #[expect(
        clippy::disallowed_methods,
        reason = "the call names the variable that is passed on; it is no setting"
    )]
    pub(super) fn resolve(self) -> Option<(String, String)> {
        let Self { key, value } = self;
        let value = value.or_else(|| std::env::var(&key).ok())?;
        Some((key, value))
    }
}

/// The variables of a file, one per line, as docker reads them: a byte-order mark, empty lines and
/// lines that begin with `#` are skipped, and quotes are part of the value.
pub(super) fn lines(file: &[u8]) -> Result<Vec<Variable>, NotALine> {
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let mut variables = Vec::new();
    for (index, bytes) in file.split(|byte| *byte == b'\n').enumerate() {
        let wrong = |why| NotALine {
            line: index + 1,
            why,
        };
        let text = str::from_utf8(bytes).map_err(|_| wrong(NotAVariable::NotText))?;
        let text = text.strip_suffix('\r').unwrap_or(text);
        let text = text.trim_start_matches([' ', '\t']);
        if !text.is_empty() && !text.starts_with('#') {
            variables.push(text.parse().map_err(wrong)?);
        }
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(key: &str, value: Option<&str>) -> Variable {
        Variable {
            key: key.to_owned(),
            value: value.map(str::to_owned),
        }
    }

    #[test]
    fn a_file_is_read_as_docker_reads_it() {
        let file = "\u{feff}# for the tests\nA=1\r\n\n  B=two words \n#C=3\nD=\"quoted\"\n\
                    E='it''s'\nF=a=b\nG=\nHOME\nI=\"a\n";
        assert_eq!(
            lines(file.as_bytes()),
            Ok(vec![
                variable("A", Some("1")),
                variable("B", Some("two words ")),
                variable("D", Some("\"quoted\"")),
                variable("E", Some("'it''s'")),
                variable("F", Some("a=b")),
                variable("G", Some("")),
                variable("HOME", None),
                variable("I", Some("\"a")),
            ])
        );
        assert_eq!(lines(b"\xef\xbb\xbfA=1"), lines(b"A=1"));
    }

    #[test]
    fn a_line_that_is_wrong_is_named_by_its_number_and_not_repeated() {
        for (file, line, why) in [
            (&b"A=1\n\nexport B=secret"[..], 3, NotAVariable::Export),
            (b"export\tB=secret", 1, NotAVariable::Export),
            (b"export B", 1, NotAVariable::Export),
            (b"A =secret", 1, NotAVariable::Space),
            (b"two words", 1, NotAVariable::Space),
            (b"# x\n=secret", 2, NotAVariable::NoName),
            (b"A=1\nB=\xff", 2, NotAVariable::NotText),
        ] {
            let refused = lines(file).unwrap_err();
            assert_eq!(refused, NotALine { line, why });
            assert!(!refused.to_string().contains("secret"));
        }
    }

    #[test]
    fn a_name_alone_is_the_callers_own() {
        let resolved = |text: &str| text.parse::<Variable>().unwrap().resolve();
        let path = resolved("PATH").expect("whoever runs tests has a PATH");
        assert_eq!(path.0, "PATH");
        assert!(!path.1.is_empty());
        assert_eq!(resolved("PATH=x"), Some(("PATH".into(), "x".into())));
        assert_eq!(resolved("NOBODY_HAS_THIS_VARIABLE"), None);
    }
}
