//! Whether callers must sign in.

use super::{Reader, SettingsError};

const VARIABLE: &str = "CONTAINERLEASE_SIGN_IN";

/// Whether a function refuses a caller whom nobody has identified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignIn {
    /// It does. This is the default: a missing setting opens nothing.
    Required,
    /// Every caller is the one owner, with all rights.
    None,
}

impl SignIn {
    pub(super) fn read<L>(read: &Reader<L>) -> Result<Self, SettingsError>
    where
        L: Fn(&str) -> Option<String>,
    {
        match read.text(VARIABLE, "required").as_str() {
            "required" => Ok(Self::Required),
            "none" => Ok(Self::None),
            value => Err(SettingsError {
                variable: VARIABLE,
                value: value.to_owned(),
                problem: "it must be required or none".to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_sign_in_unless_it_says_none() {
        let read = |value: &'static str| SignIn::read(&Reader(move |_: &str| Some(value.into())));
        assert_eq!(read("").unwrap(), SignIn::Required);
        assert_eq!(read("required").unwrap(), SignIn::Required);
        assert_eq!(read("none").unwrap(), SignIn::None);
        for wrong in ["None", "off", "false"] {
            assert!(read(wrong).unwrap_err().to_string().contains(VARIABLE));
        }
    }
}
