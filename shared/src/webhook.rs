//! Webhooks: notifications to an owner, their receiver and their signature. Pure.
//!
//! They follow Standard Webhooks: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.
//! At-least-once delivery: a [`Notification`] commits together with the lease's change, and we
//! retry until it is delivered or given up. Its [id](Notification::id) follows from its content,
//! so a receiver recognises repeats.

pub mod address;
mod port;

use std::{fmt, str::FromStr, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ring::{hmac, rand::SecureRandom};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thiserror::Error;
use url::{Host, Url};
use utoipa::ToSchema;

use crate::{
    lease::{Lease, State},
    names::{LeaseId, Owner},
    time::Time,
};

/// The number of attempts before a notification is given up.
pub const ATTEMPTS: u32 = 10;

/// How long after its event we still try to deliver a notification.
pub const TRIED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a claim on a delivery lasts. After this time another process may take over a
/// delivery without an outcome. It is longer than any delivery and its writes.
pub const CLAIM_LIMIT: Duration = Duration::from_secs(45);

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

/// The event that a notification reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum Event {
    /// The lease will end soon.
    #[serde(rename = "lease.expiring")]
    Expiring,
    /// The lease has ended.
    #[serde(rename = "lease.ended")]
    Ended,
}

/// A notification to the owner of a lease, and the state of its delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    pub lease: LeaseId,
    pub owner: Owner,
    /// The host and port of its receiver; none if an earlier version wrote the record.
    pub receiver: Option<String>,
    pub event: Event,
    /// The time of the event: the warning's time, or when the container was gone.
    pub at: Time,
    pub state: DeliveryState,
    /// Number of delivery attempts.
    pub attempts: u32,
    /// The earliest time of the next attempt; none once there will be none.
    pub next_attempt_at: Option<Time>,
    /// The receiver's last response status, if any.
    pub last_status: Option<u16>,
    /// Why the last attempt failed, as a text for the owner.
    pub last_error: Option<String>,
}

/// The state of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// It is due, now or later.
    Pending,
    /// The receiver accepted it.
    Delivered,
    /// We gave up after the last attempt.
    Failed,
    /// It became obsolete: a warning whose lease has ended, or ends at another time now.
    Dropped,
}

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

impl Event {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expiring => "lease.expiring",
            Self::Ended => "lease.ended",
        }
    }
}

impl Notification {
    /// The warning before the end of a running lease; none if its owner wants none.
    pub fn warning(lease: &Lease) -> Option<Self> {
        let at = lease.webhook.as_ref()?.warns_at(lease.expires_at)?;
        Some(Self::pending(lease, Event::Expiring, at))
    }

    /// The notification of a lease's end, when its container was gone at `removed_at`. None without
    /// a webhook, and none if the lease never ran: its caller already has the error answer.
    pub fn ended(lease: &Lease, removed_at: Time) -> Option<Self> {
        lease.webhook.as_ref()?;
        lease.placement.as_ref()?;
        Some(Self::pending(lease, Event::Ended, removed_at))
    }

    fn pending(lease: &Lease, event: Event, at: Time) -> Self {
        Self {
            lease: lease.id,
            owner: lease.owner.clone(),
            receiver: lease.webhook.as_ref().and_then(|to| to.url.authority()),
            event,
            at,
            state: DeliveryState::Pending,
            attempts: 0,
            next_attempt_at: Some(at),
            last_status: None,
            last_error: None,
        }
    }

    /// The id of the notification for its receiver: the same in each attempt, but a new one for
    /// each end that a warning announces.
    pub fn id(&self) -> String {
        match self.event {
            Event::Expiring => format!("msg_{}_expiring_{}", self.lease, self.at.as_millis()),
            Event::Ended => format!("msg_{}_ended", self.lease),
        }
    }

    /// The message. `lease` is the lease as its owner may see it.
    pub fn body(&self, lease: &Value) -> String {
        json!({"type": self.event, "timestamp": self.at, "data": lease}).to_string()
    }

    /// Whether the notification still applies to the lease at `now`. A warning applies only to the
    /// lease's present end, and only until then.
    pub fn stands(&self, lease: &Lease, now: Time) -> bool {
        match self.event {
            Event::Expiring => {
                let warns_at = |webhook: &Webhook| webhook.warns_at(lease.expires_at);
                lease.state == State::Running
                    && !lease.is_expired(now)
                    && lease.webhook.as_ref().and_then(warns_at) == Some(self.at)
            }
            Event::Ended => true,
        }
    }

    /// The notification after a process claimed its delivery at `now`.
    pub fn claimed(&self, now: Time) -> Self {
        Self {
            attempts: self.attempts + 1,
            next_attempt_at: Some(now.plus(CLAIM_LIMIT)),
            ..self.clone()
        }
    }

    /// The notification after the receiver accepted it with this status.
    pub fn delivered(&self, status: u16) -> Self {
        Self {
            last_status: Some(status),
            last_error: None,
            ..self.settled(DeliveryState::Delivered)
        }
    }

    /// The notification after an attempt failed at `now`. It is given up after [`ATTEMPTS`]
    /// attempts, `tried_for` after its event, or if the failure says that this attempt was the
    /// `last`. `jitter` is from 0 to 1.
    pub fn failed(&self, failure: &Failure, now: Time, tried_for: Duration, jitter: f64) -> Self {
        let next = now.plus(backoff(self.attempts, jitter));
        let over = failure.last || self.attempts >= ATTEMPTS || next >= self.at.plus(tried_for);
        let failed = Self {
            last_status: failure.status,
            last_error: Some(failure.why.clone()),
            ..self.clone()
        };
        if over {
            failed.settled(DeliveryState::Failed)
        } else {
            Self {
                next_attempt_at: Some(next),
                ..failed
            }
        }
    }

    /// The notification once it no longer applies.
    pub fn dropped(&self) -> Self {
        self.settled(DeliveryState::Dropped)
    }

    fn settled(&self, state: DeliveryState) -> Self {
        Self {
            state,
            next_attempt_at: None,
            ..self.clone()
        }
    }
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The receiver's response status, if any.
    pub status: Option<u16>,
    /// A text for the owner.
    pub why: String,
    /// Whether another attempt would be useless.
    pub last: bool,
}

/// The backoff after `attempts` failed attempts: 5 s, 20 s, 80 s and so on up to six hours.
/// `jitter` (0 to 1) picks between half and all of it. Ten attempts take ten to twenty hours.
fn backoff(attempts: u32, jitter: f64) -> Duration {
    const FIRST: Duration = Duration::from_secs(5);
    const LONGEST: Duration = Duration::from_secs(6 * 60 * 60);
    let steps = attempts.saturating_sub(1).min(10);
    let full = FIRST.saturating_mul(4_u32.pow(steps)).min(LONGEST);
    full.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalogue::ImageType, lease::Reason};
    use proptest::prelude::*;

    const NOW: Time = Time::from_millis(1_800_000_000_000);
    const MINUTE: Duration = Duration::from_secs(60);

    fn lease() -> Lease {
        Lease {
            id: LeaseId::generate(),
            owner: Owner::local(),
            version: 2,
            image_type: ImageType::for_tests("redis"),
            name: None,
            labels: std::collections::BTreeMap::new(),
            created_at: NOW,
            expires_at: NOW.plus(10 * MINUTE),
            hard_deadline: NOW.plus(60 * MINUTE),
            cpu_milli: 500,
            memory_mb: 256,
            disk_mb: Some(1024),
            egress: crate::egress::Egress::Open,
            amounts_counted: true,
            webhook: Some(Webhook {
                url: NotifyUrl::parse("https://example.org/t0ken", false).unwrap(),
                secret: Secret::generate(),
                warn_seconds: Some(120),
            }),
            placement: None,
            state: State::Running,
        }
    }

    fn refused(status: u16) -> Failure {
        Failure {
            status: Some(status),
            why: format!("it answered {status}"),
            last: false,
        }
    }

    #[test]
    fn a_url_is_https_and_names_a_host_of_the_public_internet() {
        for (url, private, expected) in [
            (
                "https://example.org/hook?a=b",
                false,
                Ok("https://example.org/hook?a=b"),
            ),
            (
                "HTTPS://Example.ORG:8443",
                false,
                Ok("https://example.org:8443/"),
            ),
            (
                "https://bücher.example/",
                false,
                Ok("https://xn--bcher-kva.example/"),
            ),
            (
                "https://[2606:4700::1111]/",
                false,
                Ok("https://[2606:4700::1111]/"),
            ),
            (
                "http://127.0.0.1:9009/hook",
                true,
                Ok("http://127.0.0.1:9009/hook"),
            ),
            ("http://localhost:9009/", true, Ok("http://localhost:9009/")),
            ("https://[fd12::1]/", true, Ok("https://[fd12::1]/")),
            ("http://example.org/", false, Err(UrlRefused::Scheme)),
            ("ftp://example.org/", true, Err(UrlRefused::Scheme)),
            ("file:///etc/passwd", true, Err(UrlRefused::Scheme)),
            ("example.org", false, Err(UrlRefused::NotOne)),
            ("", false, Err(UrlRefused::NotOne)),
            ("https://", false, Err(UrlRefused::NotOne)),
            ("https://exa mple.org/", false, Err(UrlRefused::NotOne)),
            (" https://example.org/", false, Err(UrlRefused::NotOne)),
            ("https://example.org/\tx", false, Err(UrlRefused::NotOne)),
            (
                "https://example.org/\r\nX: y",
                false,
                Err(UrlRefused::NotOne),
            ),
            ("https://user@example.org/", false, Err(UrlRefused::Extra)),
            ("https://:pass@example.org/", false, Err(UrlRefused::Extra)),
            ("https://@example.org/", false, Err(UrlRefused::Extra)),
            ("https:\\\\@example.org/", false, Err(UrlRefused::NotOne)),
            (
                "https://example.org#@8.8.8.8/",
                false,
                Err(UrlRefused::Extra),
            ),
            ("https://example.org/#", false, Err(UrlRefused::Extra)),
            ("https://127.0.0.1/", false, Err(UrlRefused::Host)),
            ("https://127.1/", false, Err(UrlRefused::Host)),
            ("https://2130706433/", false, Err(UrlRefused::Host)),
            ("https://0x7f.1/", false, Err(UrlRefused::Host)),
            ("https://0177.0.0.1/", false, Err(UrlRefused::Host)),
            ("https://127.0.0.1./", false, Err(UrlRefused::Host)),
            ("https://%31%32%37.0.0.1/", false, Err(UrlRefused::Host)),
            ("https://１２７.0.0.1/", false, Err(UrlRefused::Host)),
            ("https://0/", false, Err(UrlRefused::Host)),
            (
                "https://169.254.169.254/latest/meta-data/",
                false,
                Err(UrlRefused::Host),
            ),
            (
                "http://169.254.169.254/latest/meta-data/",
                true,
                Err(UrlRefused::Host),
            ),
            ("https://[::1]/", false, Err(UrlRefused::Host)),
            ("https://[::ffff:127.0.0.1]/", false, Err(UrlRefused::Host)),
            (
                "https://[64:ff9b::a9fe:a9fe]/",
                false,
                Err(UrlRefused::Host),
            ),
            ("https://[fd00:ec2::254]/", false, Err(UrlRefused::Host)),
            ("https://localhost/", false, Err(UrlRefused::Host)),
            ("https://LOCALHOST./", false, Err(UrlRefused::Host)),
            ("https://app.localhost:8080/", false, Err(UrlRefused::Host)),
        ] {
            let parsed = NotifyUrl::parse(url, private).map(|NotifyUrl(text)| text);
            assert_eq!(
                parsed.as_deref(),
                expected.as_ref().map(|url| *url),
                "{url}"
            );
        }
        let long = format!("https://example.org/{}", "a".repeat(LONGEST_URL));
        assert_eq!(NotifyUrl::parse(&long, false), Err(UrlRefused::NotOne));
        // The text is short enough, but its percent-encoded form is not.
        let grows = format!("https://example.org/{}", "ä".repeat(LONGEST_URL / 3));
        assert_eq!(NotifyUrl::parse(&grows, false), Err(UrlRefused::NotOne));
    }

    #[test]
    fn what_a_parser_would_mend_and_what_leads_to_another_service_is_refused() {
        for (url, private, expected) in [
            ("https://8.8.8.8:443/", false, Ok("https://8.8.8.8/")),
            ("https://8.8.8.8:22/", false, Err(UrlRefused::Port)),
            ("https://8.8.8.8:022/", false, Err(UrlRefused::Port)),
            ("https://example.org:0/", false, Err(UrlRefused::Port)),
            ("https://example.org:80/", false, Err(UrlRefused::Port)),
            ("https://example.org:25/", false, Err(UrlRefused::Port)),
            ("https://example.org:2375/", false, Err(UrlRefused::Port)),
            ("https://example.org:6379/", false, Err(UrlRefused::Port)),
            ("http://127.0.0.1:6379/", true, Err(UrlRefused::Port)),
            ("http://127.0.0.1:22/", true, Err(UrlRefused::Port)),
            ("http://127.0.0.1/", true, Ok("http://127.0.0.1/")),
            ("https:///x", false, Err(UrlRefused::NotOne)),
            ("https:////example.org/x", false, Err(UrlRefused::NotOne)),
            ("https:example.org", false, Err(UrlRefused::NotOne)),
            ("https:/example.org", false, Err(UrlRefused::NotOne)),
            ("https:\\\\example.org", false, Err(UrlRefused::NotOne)),
            ("https://\\example.org", false, Err(UrlRefused::NotOne)),
            ("https://example.org\\x", false, Err(UrlRefused::NotOne)),
            (
                "https://example.org\\@8.8.8.8",
                false,
                Err(UrlRefused::NotOne),
            ),
            ("https://example.org/x?a\\b", false, Err(UrlRefused::NotOne)),
            ("https://?x", false, Err(UrlRefused::NotOne)),
        ] {
            let parsed = NotifyUrl::parse(url, private).map(|NotifyUrl(text)| text);
            let expected = expected.map(str::to_owned);
            assert_eq!(parsed, expected, "{url}");
        }
    }

    proptest! {
        #[test]
        fn no_spelling_of_an_address_that_is_not_public_is_taken(bits: u32) {
            let v4 = std::net::Ipv4Addr::from_bits(bits);
            let [a, b, c, d] = v4.octets();
            let low = bits & 0xffff;
            for host in [
                v4.to_string(),
                bits.to_string(),
                format!("{bits:#x}"),
                format!("{bits:#o}").replace("0o", "0"),
                format!("{a:#x}.{b}.{low}"),
                format!("{a}.{b}.{c}.{d}."),
                format!("[::ffff:{v4}]"),
            ] {
                let parsed = NotifyUrl::parse(&format!("https://{host}/"), false);
                prop_assert_eq!(parsed.is_ok(), address::is_public(v4.into()), "{}", host);
            }
        }

        #[test]
        fn whatever_is_taken_can_be_sent_to(text in "https://[a-z0-9.]{1,20}[ -~]{0,40}") {
            if let Ok(url) = NotifyUrl::parse(&text, false) {
                let uri = url.uri().expect("it was parsed");
                prop_assert_eq!(uri.scheme_str(), Some("https"));
                prop_assert!(!uri.authority().expect("it has a host").as_str().contains('@'));
            }
        }
    }

    #[test]
    fn a_secret_is_24_to_64_bytes_and_comes_back_as_it_went() {
        for (bytes, good) in [(23, false), (24, true), (64, true), (65, false)] {
            let text = format!("{SECRET_PREFIX}{}", BASE64.encode(vec![7; bytes]));
            let secret = text.parse::<Secret>();
            assert_eq!(secret.is_ok(), good, "{bytes}");
            if let Ok(secret) = secret {
                assert_eq!(String::from(secret), text);
            }
        }
        for bad in [
            "",
            "whsec_",
            "whsec_!",
            &BASE64.encode([7; 32]),
            "whsec_ AAAA",
        ] {
            assert_eq!(bad.parse::<Secret>(), Err(NotASecret), "{bad}");
        }
        let made = String::from(Secret::generate());
        assert!(made.parse::<Secret>().is_ok());
        assert_ne!(made, String::from(Secret::generate()));
    }

    /// The specification's own example.
    #[test]
    fn a_signature_is_that_of_standard_webhooks() {
        let secret: Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signature = secret.sign(id, 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn neither_the_secret_nor_the_url_is_printed() {
        let lease = lease();
        let secret = String::from(lease.webhook.clone().unwrap().secret);
        let webhook = lease.webhook.as_ref().unwrap();
        for printed in [
            format!("{lease:?}"),
            format!("{:?} {:?}", webhook.secret, webhook.url),
        ] {
            assert!(
                !printed.contains(&secret[SECRET_PREFIX.len()..]),
                "{printed}"
            );
            assert!(!printed.contains("t0ken"), "{printed}");
        }
    }

    #[test]
    fn a_warning_is_for_one_end_and_until_then() {
        let lease = lease();
        let warning = Notification::warning(&lease).unwrap();
        assert_eq!(warning.at, NOW.plus(8 * MINUTE));
        assert_eq!(warning.next_attempt_at, Some(warning.at));
        let just_before = lease.expires_at.minus(Duration::from_millis(1));
        assert!(warning.stands(&lease, just_before));
        assert!(!warning.stands(&lease, lease.expires_at));

        let renewed = lease.renewed(NOW.plus(20 * MINUTE));
        assert!(!warning.stands(&renewed, just_before));
        let moved = Notification::warning(&renewed).unwrap();
        assert!(moved.stands(&renewed, just_before));
        assert_ne!(moved.id(), warning.id());

        let ending = lease.claimed(Reason::Deleted, NOW).unwrap();
        assert!(!warning.stands(&ending, just_before));

        let mut silent = lease;
        silent.webhook.as_mut().unwrap().warn_seconds = None;
        assert_eq!(Notification::warning(&silent), None);
    }

    #[test]
    fn of_a_lease_that_never_ran_nothing_is_told() {
        let mut lease = lease();
        assert_eq!(Notification::ended(&lease, NOW), None);
        lease.placement = Some(crate::lease::Placement {
            container: None,
            started_at: NOW,
            image: "redis:7".to_owned(),
            stand_in: false,
            ports: vec![],
            credentials: None,
        });
        let ended = Notification::ended(&lease, NOW).unwrap();
        assert_eq!(ended.id(), format!("msg_{}_ended", lease.id));
        assert!(!ended.id().contains('.'), "a dot separates what is signed");
    }

    #[test]
    fn a_notification_is_tried_again_later_each_time_and_given_up_in_a_day() {
        for jitter in [0.0, 1.0] {
            let mut now = NOW;
            let mut notification = Notification::warning(&lease()).unwrap();
            notification.at = NOW;
            let mut waits = vec![];
            while notification.state == DeliveryState::Pending {
                let claimed = notification.claimed(now);
                assert_eq!(claimed.next_attempt_at, Some(now.plus(CLAIM_LIMIT)));
                notification = claimed.failed(&refused(500), now, TRIED_FOR, jitter);
                if let Some(next) = notification.next_attempt_at {
                    waits.push(now.until(next));
                    now = next;
                }
            }
            assert_eq!(notification.state, DeliveryState::Failed);
            assert_eq!(notification.attempts, ATTEMPTS);
            assert_eq!(notification.last_status, Some(500));
            assert!(waits.is_sorted(), "{waits:?}");
            assert!(now < NOW.plus(TRIED_FOR), "{waits:?}");
        }
    }

    #[test]
    fn a_notification_is_given_up_when_its_time_is_over_or_nobody_wants_it() {
        let notification = Notification::warning(&lease()).unwrap().claimed(NOW);
        let given_up = |failure: &Failure, now, tried_for| {
            let after = notification.failed(failure, now, tried_for, 1.0);
            after.state == DeliveryState::Failed && after.next_attempt_at.is_none()
        };
        let hour = 60 * MINUTE;
        assert!(!given_up(&refused(500), notification.at, hour));
        assert!(given_up(&refused(500), notification.at.plus(hour), hour));
        let gone = Failure {
            last: true,
            ..refused(410)
        };
        assert!(given_up(&gone, notification.at, hour));
    }
}
