//! Reads single variables, and says which is wrong and why.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use super::{CertificateSource, EngineAddress, QueueUrls, SettingsError};

/// The shortest key, in characters.
const SHORTEST_KEY: usize = 16;

/// The variables of an environment.
pub(super) struct Reader<L>(pub(super) L);

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    /// An empty variable counts as not set: a template or a compose file leaves a variable out
    /// in this way.
    pub(super) fn optional(&self, variable: &'static str) -> Option<String> {
        (self.0)(variable).filter(|value| !value.is_empty())
    }

    /// A secret key. A short one is refused, because it could be guessed.
    pub(super) fn key(&self, variable: &'static str) -> Result<Option<String>, SettingsError> {
        match self.optional(variable) {
            Some(key) if key.trim().len() < SHORTEST_KEY => Err(SettingsError {
                variable,
                value: "…".to_owned(),
                problem: format!("it must have at least {SHORTEST_KEY} characters"),
            }),
            key => Ok(key),
        }
    }

    pub(super) fn text(&self, variable: &'static str, default: &str) -> String {
        self.optional(variable)
            .unwrap_or_else(|| default.to_owned())
    }

    pub(super) fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        variable: &'static str,
        default: &str,
    ) -> Result<T, SettingsError> {
        let value = self.text(variable, default);
        value.parse().map_err(|error: T::Err| SettingsError {
            variable,
            problem: error.to_string(),
            value,
        })
    }

    pub(super) fn number<T>(
        &self,
        variable: &'static str,
        default: T,
        range: RangeInclusive<T>,
    ) -> Result<T, SettingsError>
    where
        T: std::str::FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(value) = self.optional(variable) else {
            return Ok(default);
        };
        match value.parse() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(SettingsError {
                variable,
                value,
                problem: format!(
                    "it must be a whole number from {} to {}",
                    range.start(),
                    range.end()
                ),
            }),
        }
    }

    pub(super) fn optional_number(
        &self,
        variable: &'static str,
        range: RangeInclusive<u32>,
    ) -> Result<Option<u32>, SettingsError> {
        match self.optional(variable) {
            None => Ok(None),
            Some(_) => self.number(variable, 0, range).map(Some),
        }
    }

    pub(super) fn seconds(
        &self,
        variable: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Result<Duration, SettingsError> {
        self.number(variable, default, range)
            .map(Duration::from_secs)
    }

    pub(super) fn queues(&self) -> Result<Option<QueueUrls>, SettingsError> {
        const ENDS: &str = "CONTAINERLEASE_END_QUEUE";
        const DELIVERIES: &str = "CONTAINERLEASE_DELIVERY_QUEUE";
        let missing = |variable| SettingsError {
            variable,
            value: String::new(),
            problem: "only one of the two queues is set; set the other too".to_owned(),
        };
        match (self.optional(ENDS), self.optional(DELIVERIES)) {
            (Some(ends), Some(deliveries)) => Ok(Some(QueueUrls { ends, deliveries })),
            (None, None) => Ok(None),
            (Some(_), None) => Err(missing(DELIVERIES)),
            (None, Some(_)) => Err(missing(ENDS)),
        }
    }

    pub(super) fn engine(&self) -> Result<EngineAddress, SettingsError> {
        const HOST: &str = "DOCKER_HOST";
        const CERTIFICATES: &str = "DOCKER_CERT_PATH";
        const SECRET: &str = "CONTAINERLEASE_DOCKER_SECRET";
        let value = self.text(HOST, "unix:///var/run/docker.sock");
        let refused = |problem: &str| SettingsError {
            variable: HOST,
            value: value.clone(),
            problem: problem.to_owned(),
        };
        if let Some(path) = value.strip_prefix("unix://") {
            return if path.starts_with('/') {
                Ok(EngineAddress::Unix(PathBuf::from(path)))
            } else {
                Err(refused("the socket's path must be absolute"))
            };
        }
        let Some(authority) = value
            .strip_prefix("tcp://")
            .or_else(|| value.strip_prefix("https://"))
        else {
            return Err(refused("it must begin with unix:// or tcp://"));
        };
        let authority = authority.trim_end_matches('/');
        let parsed: Result<http::uri::Authority, _> = authority.parse();
        if !parsed.is_ok_and(|a| a.port_u16().is_some() && !a.as_str().contains('@')) {
            return Err(refused(
                "it must name a host and a port, such as tcp://192.0.2.7:2376",
            ));
        }
        let folder = self.optional(CERTIFICATES).map(PathBuf::from);
        let secret = self.optional(SECRET);
        let certificates = match (folder, secret) {
            (Some(folder), _) => CertificateSource::Folder(folder),
            (None, Some(secret)) => CertificateSource::Secret(secret),
            (None, None) => {
                return Err(refused(
                    "an engine over TCP is reached by mutual TLS only: set DOCKER_CERT_PATH to \
                     the folder with ca.pem, cert.pem and key.pem, or \
                     CONTAINERLEASE_DOCKER_SECRET to a secret that holds them",
                ));
            }
        };
        Ok(EngineAddress::Tls {
            authority: authority.to_owned(),
            certificates,
        })
    }
}
