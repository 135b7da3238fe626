//! `KEY=VALUE`, the form of labels; pure.

use std::str::FromStr;

use thiserror::Error;

/// A key and its value. The value may be empty and may hold more `=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    pub key: String,
    pub value: String,
}

/// The text is not a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("give it as KEY=VALUE")]
pub struct NotAPair;

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
}
