//! The login of a lease's service.

use std::fmt;

use ring::rand::SecureRandom as _;
use serde::{Deserialize, Serialize};

use crate::hex::hex;

/// The length of a generated password, before it is written as hexadecimal.
const MADE_BYTES: usize = 16;

/// User and password of a lease's service. Only the lease's owner may see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// The container's port on which the service listens.
    pub container_port: u16,
    pub user: String,
    pub password: Password,
}

/// A password. `Debug` does not print it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    /// A new password of hexadecimal digits, which need no escaping in a URL, a shell or a file.
    pub fn generate() -> Self {
        let mut bytes = [0; MADE_BYTES];
        ring::rand::SystemRandom::new()
            .fill(&mut bytes)
            .expect("the operating system has random numbers");
        Self(hex(&bytes))
    }

    /// A known password.
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
