//! The webhook fields of a provision.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::{Fields, kind, whole};
use crate::webhook::{NotASecret, NotifyUrl, Secret, Webhook};

const URL: &str = "notifyUrl";
const SECRET: &str = "notifySecret";
const WARN: &str = "warnSeconds";

/// The webhook that an owner asks for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Notify {
    url: NotifyUrl,
    /// None: we generate one.
    secret: Option<Secret>,
    warn_seconds: Option<u32>,
}

impl Notify {
    /// The webhook of a new lease.
    pub fn webhook(&self) -> Webhook {
        Webhook {
            url: self.url.clone(),
            secret: self.secret.clone().unwrap_or_else(Secret::generate),
            warn_seconds: self.warn_seconds,
        }
    }
}

impl Fields {
    /// `lasts` is the lease's duration, if it could be parsed.
    pub(super) fn notify(&mut self, lasts: Option<Duration>, private: bool) -> Option<Notify> {
        let url = self.notify_url(private);
        let secret = self.notify_secret();
        let warn_seconds = self.warn_seconds(lasts);
        let Some(url) = url else {
            for (field, given) in [(SECRET, secret.is_some()), (WARN, warn_seconds.is_some())] {
                if given && !self.faults.iter().any(|fault| fault.field == URL) {
                    self.fault(field, format!("It needs {URL}."));
                }
            }
            return None;
        };
        Some(Notify {
            url,
            secret,
            warn_seconds,
        })
    }

    // The URL and the secret may be confidential, so no error here repeats one.

    fn notify_url(&mut self, private: bool) -> Option<NotifyUrl> {
        let url = match self.take(URL)? {
            Value::String(text) => {
                NotifyUrl::parse(&text, private).map_err(|error| error.to_string())
            }
            other => Err(format!("It is {}, not text.", kind(&other))),
        };
        self.keep(URL, url)
    }

    fn notify_secret(&mut self) -> Option<Secret> {
        let secret = match self.take(SECRET)? {
            Value::String(text) => text.parse().map_err(|error: NotASecret| error.to_string()),
            other => Err(format!("It is {}, not text.", kind(&other))),
        };
        self.keep(SECRET, secret)
    }

    fn warn_seconds(&mut self, lasts: Option<Duration>) -> Option<u32> {
        let value = self.take(WARN)?;
        let most = lasts?.as_secs().saturating_sub(1);
        let number = value.as_number().and_then(whole);
        let seconds = number
            .filter(|seconds| (1..=most).contains(seconds))
            .and_then(|seconds| u32::try_from(seconds).ok())
            .ok_or_else(|| {
                format!("It must be a whole number from 1 to {most}, shorter than the lease.")
            });
        self.keep(WARN, seconds)
    }
}
