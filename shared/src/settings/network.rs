//! On which of the engine's networks leased containers are.

use super::{Reader, SettingsError};

const VARIABLE: &str = "CONTAINERLEASE_NETWORK";

/// Which network leased containers are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkChoice {
    /// The engine's default bridge where that keeps its containers apart, else one of our own.
    Auto,
    /// One of our own in any case.
    Own,
}

impl NetworkChoice {
    pub(super) fn read<L>(read: &Reader<L>) -> Result<Self, SettingsError>
    where
        L: Fn(&str) -> Option<String>,
    {
        match read.text(VARIABLE, "auto").as_str() {
            "auto" => Ok(Self::Auto),
            "own" => Ok(Self::Own),
            value => Err(SettingsError {
                variable: VARIABLE,
                value: value.to_owned(),
                problem: "it is auto or own".to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_auto_or_own() {
        let read =
            |value: &'static str| NetworkChoice::read(&Reader(move |_: &str| Some(value.into())));
        assert_eq!(read("").unwrap(), NetworkChoice::Auto);
        assert_eq!(read("auto").unwrap(), NetworkChoice::Auto);
        assert_eq!(read("own").unwrap(), NetworkChoice::Own);
        assert!(read("host").unwrap_err().to_string().contains(VARIABLE));
    }
}
