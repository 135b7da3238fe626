//! How the service of a lease is signed in to.

use std::fmt::{self, Write as _};

use ring::rand::SecureRandom as _;
use serde::{Deserialize, Serialize};

/// Of a password that we make.
const MADE_BYTES: usize = 16;

/// Who signs in to a lease's service, and with what. It is for the lease's owner alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// At which port of the container.
    pub container_port: u16,
    pub user: String,
    pub password: Password,
}

/// A password. It is not printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    /// A new one, of hexadecimal digits, so that it means the same in a URL, a shell and a file.
    pub fn generate() -> Self {
        let mut bytes = [0; MADE_BYTES];
        ring::rand::SystemRandom::new()
            .fill(&mut bytes)
            .expect("the operating system has random numbers");
        let mut text = String::new();
        for byte in bytes {
            write!(text, "{byte:02x}").expect("a text takes all that is written");
        }
        Self(text)
    }

    /// One that is known.
    pub fn known(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The password itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_long_new_each_time_and_not_printed() {
        let (one, other) = (Password::generate(), Password::generate());
        assert_ne!(one, other);
        assert_eq!(one.reveal().len(), 2 * MADE_BYTES);
        assert!(one.reveal().chars().all(|c| c.is_ascii_hexdigit()));
        assert!(!format!("{one:?}").contains(one.reveal()));
    }
}
