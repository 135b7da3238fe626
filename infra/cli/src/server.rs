//! The server's address, the caller's token, the trusted certificates.

use std::{fmt, net::IpAddr, str::FromStr, sync::Arc};

use containerlease_domain::names::LeaseId;
use containerlease_settings::{CommandLineSettings, SettingsError, Token};
use http::{HeaderValue, Uri, uri::Scheme};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio_tungstenite::Connector;

/// A server's address, `http://HOST:PORT` or `https://HOST`. It may have a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    secure: bool,
    authority: http::uri::Authority,
    /// Without a trailing slash.
    path: String,
    /// Identifies the caller.
    token: Option<Token>,
}

/// The text is not the address of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "an address begins with http:// or https:// and names a host, such as http://127.0.0.1:8080"
)]
pub struct NotAServer;

/// The operating system trusts no certificate authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NobodyTrusted;

impl Server {
    /// The server that the settings name.
    pub fn of(settings: &CommandLineSettings) -> Result<Self, SettingsError> {
        let url = &settings.url;
        url.parse().map_err(|error: NotAServer| SettingsError {
            variable: "CONTAINERLEASE_URL",
            value: url.clone(),
            problem: error.to_string(),
        })
    }

    /// Adds the caller's token: the one in the settings or else, for a server on this machine, the
    /// one in its data folder if this user may read that. A token is never sent where others could
    /// read it on its way.
    ///
    /// On Linux, no token is read from a folder: the server knows this user without one, and if it
    /// does not run, another user's program may listen in its place.
    pub fn called_with(self, settings: &CommandLineSettings) -> Result<Self, SettingsError> {
        let is_here = self.is_on_this_machine();
        let refuse = |problem: &str| SettingsError {
            variable: "CONTAINERLEASE_TOKEN",
            value: "…".to_owned(),
            problem: problem.to_owned(),
        };
        let from_file = || {
            if cfg!(target_os = "linux") {
                return None;
            }
            let text = std::fs::read_to_string(settings.data.join("token")).ok()?;
            Some(Token(text.trim().to_owned())).filter(|token| !token.0.is_empty())
        };
        let token = match &settings.token {
            // Without it, the server could take this user for somebody who may do more.
            Some(Token(text))
                if text.is_empty() || !text.bytes().all(|it| it.is_ascii_graphic()) =>
            {
                return Err(refuse(
                    "it is no token; put one there, or unset the variable",
                ));
            }
            Some(token) if self.secure || is_here => Some(token.clone()),
            Some(_) => {
                return Err(refuse(
                    "a token is not sent over plain HTTP to another machine; use https://, or unset \
                     the variable",
                ));
            }
            None if is_here => from_file(),
            None => None,
        };
        Ok(Self { token, ..self })
    }

    /// The header that identifies the caller.
    pub fn authorization(&self) -> Option<HeaderValue> {
        let token = self.token.as_ref()?;
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.0)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    fn is_on_this_machine(&self) -> bool {
        let host = self.authority.host();
        let ip = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// The address of a lease's log, with a query.
    pub fn log_url(&self, lease: &LeaseId, query: &str) -> String {
        let scheme = if self.secure { "wss" } else { "ws" };
        let (authority, path) = (&self.authority, &self.path);
        format!("{scheme}://{authority}{path}/ws/logs/{lease}{query}")
    }

    /// The address of a path of the API, such as `/containers`.
    pub fn api_url(&self, path: &str) -> String {
        format!("{self}/api{path}")
    }

    /// How to open a WebSocket to it.
    pub fn connector(&self) -> Result<Connector, NobodyTrusted> {
        if !self.secure {
            return Ok(Connector::Plain);
        }
        Ok(Connector::Rustls(Arc::new(self.tls()?)))
    }

    /// The certificate authorities that it must be certified by. For https these are the operating
    /// system's, so a company's own authority works too; `SSL_CERT_FILE` replaces them. For http
    /// there are none.
    pub fn tls(&self) -> Result<ClientConfig, NobodyTrusted> {
        let mut trusted = RootCertStore::empty();
        if self.secure {
            trusted.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if trusted.is_empty() {
                return Err(NobodyTrusted);
            }
        }
        // Named explicitly: the default provider depends on which crates are linked.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        Ok(ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider knows the protocol's versions")
            .with_root_certificates(trusted)
            .with_no_client_auth())
    }
}

impl FromStr for Server {
    type Err = NotAServer;

    fn from_str(text: &str) -> Result<Self, NotAServer> {
        let uri: Uri = text.parse().map_err(|_| NotAServer)?;
        let secure = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return Err(NotAServer),
        };
        let authority = uri.authority().ok_or(NotAServer)?;
        if authority.host().is_empty() || authority.as_str().contains('@') || uri.query().is_some()
        {
            return Err(NotAServer);
        }
        Ok(Self {
            secure,
            authority: authority.clone(),
            path: uri.path().trim_end_matches('/').to_owned(),
            token: None,
        })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_url(server: &str, query: &str) -> String {
        let lease = "0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c".parse().unwrap();
        server.parse::<Server>().unwrap().log_url(&lease, query)
    }

    #[test]
    fn a_log_is_below_the_servers_address() {
        const LOG: &str = "/ws/logs/0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c";
        for (server, expected) in [
            ("http://127.0.0.1:8080", "ws://127.0.0.1:8080"),
            ("http://127.0.0.1:8080/", "ws://127.0.0.1:8080"),
            ("HTTPS://leases.example.org", "wss://leases.example.org"),
            ("https://example.org/a/b/", "wss://example.org/a/b"),
            ("http://[::1]:8080", "ws://[::1]:8080"),
        ] {
            let url = log_url(server, "?tail=5");
            assert_eq!(url, format!("{expected}{LOG}?tail=5"), "{server}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for wrong in [
            "",
            "127.0.0.1:8080",
            "/ws",
            "ws://127.0.0.1:8080",
            "ftp://example.org",
            "http://",
            "http:///path",
            "http://user@example.org",
            "http://example.org?x",
            "http://a b",
        ] {
            assert_eq!(wrong.parse::<Server>(), Err(NotAServer), "{wrong}");
        }
    }

    #[test]
    fn a_token_goes_nowhere_where_others_could_read_it() {
        let settings = |token: Option<&str>| CommandLineSettings {
            url: String::new(),
            token: token.map(|token| Token(token.to_owned())),
            data: "/no/such/folder".into(),
            colours: false,
        };
        let sent = |server: &str, token| {
            let server: Server = server.parse().unwrap();
            let called = server.called_with(&settings(token)).ok()?;
            let sent = called.authorization();
            Some(sent.map(|value| value.to_str().unwrap().to_owned()))
        };
        let bearer = Some(Some("Bearer t".to_owned()));
        for server in [
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "http://localhost",
            "https://example.org",
        ] {
            assert_eq!(sent(server, Some("t")), bearer, "{server}");
            assert_eq!(sent(server, None), Some(None), "{server}");
            // Whoever gives one that cannot be sent is not to be somebody else without it.
            for wrong in ["", "a b", "t\u{fffd}"] {
                assert_eq!(sent(server, Some(wrong)), None, "{server} with {wrong:?}");
            }
        }
        for server in [
            "http://example.org",
            "http://localhost.example.org",
            "http://127.0.0.1.example.org",
        ] {
            assert_eq!(sent(server, Some("t")), None, "{server}");
        }
    }

    #[test]
    fn plain_http_needs_no_certificates() {
        let server: Server = "http://127.0.0.1:8080".parse().unwrap();
        assert!(matches!(server.connector(), Ok(Connector::Plain)));
    }
}
