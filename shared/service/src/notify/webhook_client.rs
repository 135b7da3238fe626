//! The webhook client: sends notifications to their receivers, and connects nowhere else.
//!
//! It resolves a receiver's name itself, every address found must be
//! [allowed](containerlease_domain::webhook::address), and it connects to exactly the address that was checked:
//! nothing resolves the name a second time. Redirects are not followed, because their targets were
//! not checked. Of an answer only the head is read.
//!
//! Errors tell the lease's owner in words why nothing was delivered. They reveal nothing about our
//! network except that it must not be sent into.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, StatusCode, Uri, header, uri::Scheme};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, Client},
    rt::{TokioExecutor, TokioIo},
};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::net::TcpStream;

use containerlease_domain::{
    notification::Failure,
    time::Time,
    webhook::{Webhook, address},
};

/// Time limit of a whole delivery, from the name to the head of the answer.
pub const LIMIT: Duration = Duration::from_secs(10);

/// Time limit for connecting to one of a receiver's addresses.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// Maximum size of an answer's head, in bytes.
const LARGEST_HEAD: usize = 16 * 1024;

/// Sends notifications.
#[derive(Debug)]
pub struct WebhookClient {
    /// Whether loopback and private networks are allowed too.
    private: bool,
    /// Created for the first delivery: most functions never send anything.
    client: OnceLock<Client<HttpsConnector<Checked>, Full<Bytes>>>,
}

/// Why nothing was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotDelivered {
    #[error("the URL's host, or one of its addresses, is not on the public internet")]
    Forbidden,
    #[error("the URL's host has no address")]
    Unresolved,
    #[error("could not connect to the receiver")]
    Unreachable,
    #[error("the receiver's certificate is not trusted")]
    Untrusted,
    #[error("the connection ended before there was an answer")]
    Cut,
    #[error("there was no answer within 10 s")]
    TimedOut,
    #[error("the receiver answered with a redirect, which is not followed")]
    Redirected(StatusCode),
    #[error("the receiver answered that it wants no more notifications")]
    Gone,
    #[error("the receiver answered with a status that is not a success")]
    Refused(StatusCode),
}

impl WebhookClient {
    /// Creates a client; with `private` it may also send to loopback and private networks.
    pub fn new(private: bool) -> Self {
        Self {
            private,
            client: OnceLock::new(),
        }
    }

    /// Sends a message that its receiver identifies by `id`. Returns the receiver's success status.
    pub async fn carry(
        &self,
        webhook: &Webhook,
        id: &str,
        body: String,
    ) -> Result<StatusCode, NotDelivered> {
        let carried = tokio::time::timeout(LIMIT, self.post(webhook, id, body)).await;
        carried.unwrap_or(Err(NotDelivered::TimedOut))
    }

    async fn post(
        &self,
        webhook: &Webhook,
        id: &str,
        body: String,
    ) -> Result<StatusCode, NotDelivered> {
        let seconds = Time::now().as_millis().div_euclid(1000);
        let request = Request::post(webhook.url.uri().ok_or(NotDelivered::Forbidden)?)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, "ContainerLease")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", webhook.secret.sign(id, seconds, &body))
            .body(Full::from(body))
            .expect("the URL was parsed, and the headers are visible ASCII");
        let client = self.client.get_or_init(|| client(self.private));
        let answer = client.request(request).await;
        let status = answer.map_err(|error| failure_of(&error))?.status();
        match status {
            _ if status.is_success() => Ok(status),
            _ if status.is_redirection() => Err(NotDelivered::Redirected(status)),
            StatusCode::GONE => Err(NotDelivered::Gone),
            _ => Err(NotDelivered::Refused(status)),
        }
    }
}

impl From<NotDelivered> for Failure {
    fn from(failure: NotDelivered) -> Self {
        let status = match failure {
            NotDelivered::Redirected(status) | NotDelivered::Refused(status) => Some(status),
            NotDelivered::Gone => Some(StatusCode::GONE),
            _ => None,
        };
        Self {
            status: status.map(|status| status.as_u16()),
            why: failure.to_string(),
            last: failure == NotDelivered::Gone,
        }
    }
}

/// A client that keeps no connection open: notifications are rare, and a function may be frozen in
/// between.
fn client(private: bool) -> Client<HttpsConnector<Checked>, Full<Bytes>> {
    let mut trusted = RootCertStore::empty();
    let authorities = rustls_native_certs::load_native_certs();
    for error in &authorities.errors {
        tracing::warn!(%error, "could not read an authority of the operating system");
    }
    trusted.add_parsable_certificates(authorities.certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows the protocol's versions")
        .with_root_certificates(trusted)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(Checked { private });
    Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .http1_max_buf_size(LARGEST_HEAD)
        .build(connector)
}

/// Connects to a receiver's address after checking it.
#[derive(Clone, Debug)]
struct Checked {
    private: bool,
}

impl tower_service::Service<Uri> for Checked {
    type Response = TokioIo<TcpStream>;
    type Error = NotDelivered;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let private = self.private;
        Box::pin(async move {
            let stream = connect(&uri, private).await?;
            Ok(TokioIo::new(stream))
        })
    }
}

async fn connect(uri: &Uri, private: bool) -> Result<TcpStream, NotDelivered> {
    let encrypted = uri.scheme() == Some(&Scheme::HTTPS);
    // The setting may have changed since the URL was accepted.
    if !encrypted && !private {
        return Err(NotDelivered::Forbidden);
    }
    let host = uri.host().ok_or(NotDelivered::Forbidden)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
    let found = tokio::net::lookup_host((host, port)).await;
    let addresses: Vec<_> = found.map_err(|_| NotDelivered::Unresolved)?.collect();
    for address in checked(&addresses, private)? {
        let connecting = tokio::time::timeout(CONNECT_LIMIT, TcpStream::connect(address));
        if let Ok(Ok(stream)) = connecting.await {
            return Ok(stream);
        }
    }
    Err(NotDelivered::Unreachable)
}

/// The addresses of a host, if all of them are allowed: a single forbidden one suggests that the
/// name is an attack.
fn checked(addresses: &[SocketAddr], private: bool) -> Result<&[SocketAddr], NotDelivered> {
    let allowed = |address: IpAddr| address::is_allowed(address, private);
    if addresses.is_empty() {
        Err(NotDelivered::Unresolved)
    } else if addresses.iter().all(|address| allowed(address.ip())) {
        Ok(addresses)
    } else {
        Err(NotDelivered::Forbidden)
    }
}

/// The cause of the client's error: one of ours, or a TLS error.
fn failure_of(error: &legacy::Error) -> NotDelivered {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(ours) = cause.downcast_ref::<NotDelivered>() {
            return *ours;
        }
        if let Some(rustls::Error::InvalidCertificate(_)) = cause.downcast_ref() {
            return NotDelivered::Untrusted;
        }
        // An I/O error is not the source of what it wraps, so look inside it.
        let transport = cause.downcast_ref::<std::io::Error>();
        source = match transport.and_then(std::io::Error::get_ref) {
            Some(held) => Some(held),
            None => cause.source(),
        };
    }
    if error.is_connect() {
        NotDelivered::Unreachable
    } else {
        NotDelivered::Cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use containerlease_domain::webhook::{NotifyUrl, Secret};

    async fn carried(url: &str, private: bool) -> Result<StatusCode, NotDelivered> {
        let webhook = Webhook {
            // Parsed with private networks allowed; the setting may be off by now.
            url: NotifyUrl::parse(url, true).unwrap(),
            secret: Secret::generate(),
            warn_seconds: None,
        };
        let webhook_client = WebhookClient::new(private);
        webhook_client
            .carry(&webhook, "msg_1", "{}".to_owned())
            .await
    }

    #[test]
    fn one_forbidden_address_of_several_forbids_the_host() {
        let all = |addresses: &[&str]| -> Vec<SocketAddr> {
            let addresses = addresses.iter();
            addresses.map(|text| text.parse().unwrap()).collect()
        };
        let public = all(&["8.8.8.8:443", "[2606:4700::1111]:443"]);
        assert_eq!(checked(&public, false), Ok(&public[..]));
        for forbidden in ["127.0.0.1:443", "169.254.169.254:443", "[::1]:443"] {
            for mixed in [["8.8.8.8:443", forbidden], [forbidden, "8.8.8.8:443"]] {
                let refused = checked(&all(&mixed), false).map(drop);
                assert_eq!(refused, Err(NotDelivered::Forbidden), "{mixed:?}");
            }
        }
        assert_eq!(checked(&[], false).map(drop), Err(NotDelivered::Unresolved));
    }

    #[tokio::test]
    async fn what_is_not_public_is_not_even_connected_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // `localhost` is resolved here like any name, and has a private address.
        for host in ["localhost", "127.0.0.1", "2130706433", "[::1]"] {
            let refused = carried(&format!("https://{host}:{port}/"), false).await;
            assert_eq!(refused, Err(NotDelivered::Forbidden), "{host}");
        }
        let plain = carried(&format!("http://8.8.8.8:{port}/"), false).await;
        assert_eq!(plain, Err(NotDelivered::Forbidden));
        let accepted = tokio::time::timeout(Duration::from_millis(100), listener.accept());
        assert!(accepted.await.is_err(), "somebody connected");
    }

    #[tokio::test]
    async fn each_way_to_fail_has_its_name() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cut = tokio::spawn(async move { drop(listener.accept().await) });
        let url = format!("http://{address}/");
        assert_eq!(carried(&url, true).await, Err(NotDelivered::Cut));
        cut.await.unwrap();
        // The listener is gone.
        assert_eq!(carried(&url, true).await, Err(NotDelivered::Unreachable));
        let nowhere = carried("https://no-such-host.invalid/", false).await;
        assert_eq!(nowhere, Err(NotDelivered::Unresolved));
    }
}
