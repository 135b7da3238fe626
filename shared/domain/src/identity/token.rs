//! API tokens: secrets that programs send, and what is kept of them.
//!
//! A token is `cl_ID_SECRET`. The id finds its record, which has only the SHA-256 digest of the whole
//! text. That is enough, since the secret is 256 random bits, which nobody can guess.

use std::{fmt, str::FromStr, time::Duration};

use ring::{digest, rand::SecureRandom as _};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use super::{Identity, Role, Scopes, Subject};
use crate::{
    hex::{hex, is_hex},
    names::Owner,
    time::Time,
};

/// What every token begins with, so that scanners for leaked secrets can find it.
const PREFIX: &str = "cl";

/// Length of a token's id, in hexadecimal digits.
const ID_DIGITS: usize = 12;

/// Random bytes of a token's secret.
const SECRET_BYTES: usize = 32;

/// How long the record of a token is kept after its end or its revocation.
pub(super) const TOKEN_HISTORY: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How far apart two records of a token's use are, at least: each is a write.
const USE_STEP: Duration = Duration::from_secs(60 * 60);

/// The public part of a token.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, example = "5f0c2a9d41be")]
pub struct TokenId(String);

/// The text is not the id of a token, or not a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a token is cl_, 12 hexadecimal digits, _ and 64 more")]
pub struct NotAToken;

impl TokenId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TokenId {
    type Error = NotAToken;

    fn try_from(text: String) -> Result<Self, NotAToken> {
        if is_hex(&text, ID_DIGITS) {
            Ok(Self(text))
        } else {
            Err(NotAToken)
        }
    }
}

impl FromStr for TokenId {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, NotAToken> {
        Self::try_from(text.to_owned())
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The whole text of a token, which only its holder has. It is shown once and never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenText {
    id: TokenId,
    text: String,
}

/// The machine gave no random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the operating system gave no random bits")]
pub struct NoRandomBits;

impl TokenText {
    /// A new one.
    pub fn generate() -> Result<Self, NoRandomBits> {
        let mut bytes = [0; ID_DIGITS / 2 + SECRET_BYTES];
        let random = ring::rand::SystemRandom::new();
        random.fill(&mut bytes).map_err(|_| NoRandomBits)?;
        let (id, secret) = bytes.split_at(ID_DIGITS / 2);
        let id = TokenId(hex(id));
        let text = format!("{PREFIX}_{id}_{}", hex(secret));
        Ok(Self { id, text })
    }

    /// The public part.
    pub fn id(&self) -> &TokenId {
        &self.id
    }

    /// The whole text, for its holder.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What is kept of it.
    pub fn digest(&self) -> TokenDigest {
        let digest = digest::digest(&digest::SHA256, self.text.as_bytes());
        TokenDigest(hex(digest.as_ref()))
    }
}

impl FromStr for TokenText {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let parts: Vec<_> = text.split('_').collect();
        let [PREFIX, id, secret] = parts.as_slice() else {
            return Err(NotAToken);
        };
        if !is_hex(secret, 2 * SECRET_BYTES) {
            return Err(NotAToken);
        }
        Ok(Self {
            id: id.parse()?,
            text: text.to_owned(),
        })
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenText({PREFIX}_{}_…)", self.id)
    }
}

/// The SHA-256 digest of a token, in hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenDigest(String);

impl TokenDigest {
    /// Whether the digests are the same. How long that takes says nothing of how much of them is.
    pub fn is(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.0.as_bytes(), other.0.as_bytes());
        let pairs = ours.iter().zip(theirs);
        ours.len() == theirs.len() && pairs.fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(…)")
    }
}

/// What is on record of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub id: TokenId,
    pub digest: TokenDigest,
    /// What it is for, in its maker's words.
    pub name: String,
    pub owner: Owner,
    pub role: Role,
    /// The scopes to which it is narrowed; none: all that its role has, also later.
    pub scopes: Option<Scopes>,
    pub created_at: Time,
    pub created_by: Subject,
    pub expires_at: Time,
    pub revoked_at: Option<Time>,
    /// When it was last used, to the hour.
    pub last_used_at: Option<Time>,
}

/// A token to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSpec {
    pub name: String,
    pub owner: Owner,
    pub role: Role,
    /// The scopes to which it is narrowed; none: all that its role has.
    pub scopes: Option<Scopes>,
    pub expires_at: Time,
}

/// Whether a token can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenState {
    Active,
    Expired,
    Revoked,
}

impl Token {
    /// The record of a new token.
    pub fn new(wanted: TokenSpec, secret: &TokenText, by: &Identity, now: Time) -> Self {
        Self {
            id: secret.id().clone(),
            digest: secret.digest(),
            name: wanted.name,
            owner: wanted.owner,
            role: wanted.role,
            scopes: wanted.scopes,
            created_at: now,
            created_by: by.subject.clone(),
            expires_at: wanted.expires_at,
            revoked_at: None,
            last_used_at: None,
        }
    }

    /// What its holder may do.
    pub fn scopes(&self) -> Scopes {
        self.scopes.clone().unwrap_or_else(|| self.role.scopes())
    }

    pub fn state(&self, now: Time) -> TokenState {
        if self.revoked_at.is_some() {
            TokenState::Revoked
        } else if self.expires_at <= now {
            TokenState::Expired
        } else {
            TokenState::Active
        }
    }

    /// The caller who sends that secret; none if it is another one or the token has ended.
    pub fn identify(&self, secret: &TokenText, now: Time) -> Option<Identity> {
        let right = self.digest.is(&secret.digest());
        (right && self.state(now) == TokenState::Active).then(|| self.identity())
    }

    /// The caller who holds it.
    pub fn identity(&self) -> Identity {
        Identity {
            subject: Subject::Token(self.id.clone()),
            owner: self.owner.clone(),
            role: self.role,
            scopes: self.scopes(),
            until: Some(self.expires_at),
        }
    }

    /// Whether its use at `now` is worth a record.
    pub fn use_is_news(&self, now: Time) -> bool {
        self.last_used_at
            .is_none_or(|last| last.until(now) >= USE_STEP)
    }

    /// When its record may go.
    pub fn purge_at(&self) -> Time {
        let end = self.revoked_at.unwrap_or(self.expires_at);
        end.plus(TOKEN_HISTORY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_millis(1_000_000_000);
    const HOUR: Duration = Duration::from_secs(60 * 60);

    fn token(secret: &TokenText) -> Token {
        let wanted = TokenSpec {
            name: "laptop".to_owned(),
            owner: Owner::try_from("team".to_owned()).unwrap(),
            role: Role::User,
            scopes: None,
            expires_at: NOW.plus(HOUR),
        };
        Token::new(wanted, secret, &Identity::local(), NOW)
    }

    #[test]
    fn a_secret_has_256_random_bits_besides_its_id() {
        let (one, other) = (
            TokenText::generate().unwrap(),
            TokenText::generate().unwrap(),
        );
        assert_ne!(one, other);
        assert_eq!(one.reveal().len(), "cl__".len() + 12 + 64);
        assert_eq!(one.reveal().parse(), Ok(one.clone()));
        assert!(one.reveal().starts_with(&format!("cl_{}_", one.id())));
    }

    #[test]
    fn neither_a_secret_nor_its_digest_is_in_a_log() {
        let secret = TokenText::generate().unwrap();
        let told = format!("{secret:?} {:?}", token(&secret));
        let hidden = secret.reveal().rsplit('_').next().unwrap();
        assert!(!told.contains(hidden) && !told.contains(&secret.digest().0));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let right = TokenText::generate().unwrap().reveal().to_owned();
        let upper = right.to_uppercase();
        for wrong in [
            "",
            "cl_",
            "cl__",
            &right[..right.len() - 1],
            &right[1..],
            &upper,
            &format!("{right}0"),
            &format!("{right}_"),
            &right.replacen('_', "-", 1),
            &right.replace("cl_", "xx_"),
        ] {
            assert_eq!(wrong.parse::<TokenText>(), Err(NotAToken), "{wrong}");
        }
    }

    #[test]
    fn only_its_own_secret_identifies_the_holder_and_only_until_its_end() {
        let secret = TokenText::generate().unwrap();
        let token = token(&secret);
        let identity = token.identify(&secret, NOW).unwrap();
        assert_eq!(identity.subject, Subject::Token(token.id.clone()));
        assert_eq!(identity.scopes, Role::User.scopes());
        assert_eq!(identity.owner, token.owner);
        assert_eq!(token.identify(&secret, NOW.plus(HOUR)), None);
        let same_id = format!("cl_{}_{}", secret.id(), "0".repeat(64));
        let same_id = same_id.parse().unwrap();
        assert_eq!(token.identify(&same_id, NOW), None);
        let revoked = Token {
            revoked_at: Some(NOW),
            ..token
        };
        assert_eq!(revoked.identify(&secret, NOW), None);
        assert_eq!(revoked.purge_at(), NOW.plus(TOKEN_HISTORY));
    }

    #[test]
    fn a_use_is_recorded_once_an_hour() {
        let secret = TokenText::generate().unwrap();
        let mut token = token(&secret);
        assert!(token.use_is_news(NOW));
        token.last_used_at = Some(NOW);
        assert!(!token.use_is_news(NOW.plus(HOUR.saturating_sub(Duration::from_secs(1)))));
        assert!(token.use_is_news(NOW.plus(HOUR)));
    }
}
