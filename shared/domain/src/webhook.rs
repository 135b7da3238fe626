//! Webhooks: where an owner is notified, and how that is signed. Pure.
//!
//! They follow Standard Webhooks: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.
//! What is sent is a [`Notification`](crate::notification::Notification).

pub mod address;
mod port;

use std::{fmt, str::FromStr, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ring::{hmac, rand::SecureRandom};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::{Host, Url};
use utoipa::ToSchema;

use crate::time::Time;

/// The longest URL, in bytes.
pub const LONGEST_URL: usize = 2048;

const SECRET_PREFIX: &str = "whsec_";
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// The length of a generated secret.
const MADE_BYTES: usize = 32;

/// The webhook of a lease.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    pub url: NotifyUrl,
    pub secret: Secret,
    /// How many seconds before the lease's end its owner receives a warning; none: no warning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn_seconds: Option<u32>,
}

/// The URL of a receiver. It may contain a secret, so no log and no answer has it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NotifyUrl(String);

/// The key that signs notifications. Its text is `whsec_` and base64.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^whsec_[A-Za-z0-9+/]+={0,2}$")]
pub struct Secret(Vec<u8>);

/// Why a URL is refused: a sentence for the caller, which does not repeat the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UrlRefused {
    #[error("It must be a URL such as https://example.org/hook, of at most {LONGEST_URL} bytes.")]
    NotOne,
    #[error("It must begin with https://.")]
    Scheme,
    #[error("It must hold no user name, no password and no fragment.")]
    Extra,
    #[error("Its host must be on the public internet.")]
    Host,
    #[error("Its port must be 443, or one above 1023 that belongs to no other protocol.")]
    Port,
}

/// The text is not a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("It must be whsec_ and the base64 of 24 to 64 bytes.")]
pub struct NotASecret;

impl Webhook {
    /// When to warn the owner of a lease that ends at `expires_at`.
    pub fn warns_at(&self, expires_at: Time) -> Option<Time> {
        let seconds = self.warn_seconds?;
        Some(expires_at.minus(Duration::from_secs(seconds.into())))
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("warn_seconds", &self.warn_seconds)
            .finish_non_exhaustive()
    }
}

impl NotifyUrl {
    /// Parses a URL. Checks an address in it here; the addresses of a host name are checked at
    /// each delivery. With `private`, plain HTTP, this machine and private networks are allowed.
    pub fn parse(text: &str, private: bool) -> Result<Self, UrlRefused> {
        // Refuse characters that a URL parser would repair or drop.
        let odd = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
        if text.len() > LONGEST_URL || text.chars().any(odd) {
            return Err(UrlRefused::NotOne);
        }
        let url = Url::parse(text).map_err(|_| UrlRefused::NotOne)?;
        match url.scheme() {
            "https" => {}
            "http" if private => {}
            _ => return Err(UrlRefused::Scheme),
        }
        if !has_host(text) {
            return Err(UrlRefused::NotOne);
        }
        if has_user(text) || url.fragment().is_some() {
            return Err(UrlRefused::Extra);
        }
        let allowed = match url.host().ok_or(UrlRefused::NotOne)? {
            Host::Ipv4(v4) => address::is_allowed(v4.into(), private),
            Host::Ipv6(v6) => address::is_allowed(v6.into(), private),
            Host::Domain(name) => private || !is_of_this_machine(name),
        };
        if !allowed {
            return Err(UrlRefused::Host);
        }
        if !url
            .port_or_known_default()
            .is_some_and(|it| port::is_allowed(it, private))
        {
            return Err(UrlRefused::Port);
        }
        let fits = url.as_str().parse::<http::Uri>().is_ok();
        if fits && url.as_str().len() <= LONGEST_URL {
            Ok(Self(url.into()))
        } else {
            Err(UrlRefused::NotOne)
        }
    }

    /// Its host, and its port if it names one. They identify the receiver, to limit concurrent
    /// deliveries to it.
    pub fn authority(&self) -> Option<String> {
        Some(self.uri()?.authority()?.as_str().to_owned())
    }

    /// The URL as a request needs it.
    pub fn uri(&self) -> Option<http::Uri> {
        self.0.parse().ok()
    }
}

/// Whether two slashes and a host follow the scheme. A URL parser accepts any number of slashes.
fn has_host(text: &str) -> bool {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    !rest.is_empty() && !rest.starts_with('/')
}

/// Whether the part before the path, the query and the fragment has an `@`. A parsed URL does not
/// show a user with an empty name.
fn has_user(text: &str) -> bool {
    let rest = text.split_once(':').map_or("", |(_, rest)| rest);
    let rest = rest.trim_start_matches('/');
    let authority = rest.split(['/', '?', '#']).next();
    authority.is_some_and(|authority| authority.contains('@'))
}

/// Whether the name means this machine, whatever a resolver says.
fn is_of_this_machine(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

impl fmt::Debug for NotifyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NotifyUrl")
    }
}

impl Secret {
    /// A new secret.
    pub fn generate() -> Self {
        let mut bytes = vec![0; MADE_BYTES];
        ring::rand::SystemRandom::new()
            .fill(&mut bytes)
            .expect("the operating system has random numbers");
        Self(bytes)
    }

    /// The signature of a message that is sent at `seconds` since 1970.
    pub fn sign(&self, id: &str, seconds: i64, body: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let signed = format!("{id}.{seconds}.{body}");
        let tag = hmac::sign(&key, signed.as_bytes());
        format!("v1,{}", BASE64.encode(tag))
    }
}

impl FromStr for Secret {
    type Err = NotASecret;

    fn from_str(text: &str) -> Result<Self, NotASecret> {
        let encoded = text.strip_prefix(SECRET_PREFIX).ok_or(NotASecret)?;
        let bytes = BASE64.decode(encoded).map_err(|_| NotASecret)?;
        if SECRET_BYTES.contains(&bytes.len()) {
            Ok(Self(bytes))
        } else {
            Err(NotASecret)
        }
    }
}

impl TryFrom<String> for Secret {
    type Error = NotASecret;

    fn try_from(text: String) -> Result<Self, NotASecret> {
        text.parse()
    }
}

impl From<Secret> for String {
    fn from(secret: Secret) -> Self {
        format!("{SECRET_PREFIX}{}", BASE64.encode(secret.0))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests;
