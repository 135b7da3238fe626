//! Idempotency keys: a caller names a request, so that it runs once however often it arrives.
//! Pure.
//!
//! The table holds neither the key nor the request. It holds the key's SHA-256, to find it, and
//! an HMAC of the request under the key, to tell requests apart. Somebody who reads the table
//! would have to guess the key before they could test guesses of the request.

use std::{str::FromStr, time::Duration};

use ring::{digest, hmac};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::hex::hex;

/// How long a key stays bound to the first request that used it.
pub const KEY_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest key, in characters.
pub const LONGEST: usize = 255;

/// A caller's name for a request.
#[derive(Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// The text is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an idempotency key is 1 to 255 visible ASCII characters, without spaces")]
pub struct NotAKey;

/// Tells requests under the same key apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl IdempotencyKey {
    /// The digest that the table finds the key by.
    pub fn digest(&self) -> String {
        hex(digest::digest(&digest::SHA256, self.0.as_bytes()).as_ref())
    }

    /// The fingerprint of a request in its canonical form.
    pub fn fingerprint(&self, canonical: &str) -> Fingerprint {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_bytes());
        Fingerprint(hex(hmac::sign(&key, canonical.as_bytes()).as_ref()))
    }
}

impl FromStr for IdempotencyKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if visible && (1..=LONGEST).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAKey)
        }
    }
}

impl std::fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdempotencyKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_visible_ascii_within_its_bounds() {
        for good in [
            "k",
            "01a20b88-030a-7756-a432-845cd24bdf01",
            "a,b",
            "!~",
            &"x".repeat(255),
        ] {
            assert!(good.parse::<IdempotencyKey>().is_ok(), "{good}");
        }
        for wrong in [
            "",
            " ",
            "a b",
            "a\tb",
            "a\n",
            "é",
            "a\u{7f}",
            &"x".repeat(256),
        ] {
            assert_eq!(wrong.parse::<IdempotencyKey>(), Err(NotAKey), "{wrong}");
        }
    }

    #[test]
    fn a_fingerprint_depends_on_key_and_request_and_shows_neither() {
        let key = |text: &str| text.parse::<IdempotencyKey>().unwrap();
        let one = key("hunter2").fingerprint("a request");
        assert_eq!(one, key("hunter2").fingerprint("a request"));
        assert_ne!(one, key("hunter2").fingerprint("another request"));
        assert_ne!(one, key("hunter3").fingerprint("a request"));
        let shown = format!("{one:?} {:?} {}", key("hunter2"), key("hunter2").digest());
        assert!(!shown.contains("hunter2") && !shown.contains("a request"));
    }

    #[test]
    fn digests_are_those_of_the_standards() {
        let key: IdempotencyKey = "abc".parse().unwrap();
        assert_eq!(
            key.digest(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let jefe: IdempotencyKey = "Jefe".parse().unwrap();
        assert_eq!(
            jefe.fingerprint("what do ya want for nothing?").0,
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
