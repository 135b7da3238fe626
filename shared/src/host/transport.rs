//! The way to the engine: its unix socket, or TCP with mutual TLS.
//!
//! For both the client library is given a transport of ours. Its own for the socket wants
//! the socket to be there already. Its own for TLS reads the key files anew at each handshake, trusts every CA of the operating system, keeps no connections
//! and waits 40 ms on each request for want of `TCP_NODELAY`.

use std::{
    path::Path,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bollard::{BollardRequest, Docker};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connect, HttpConnector},
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::net::UnixStream;

use super::error::HostError;
use crate::settings::EngineAddress;

/// The client library's own limit, in seconds, up to an answer's head. Each call has a
/// shorter one of ours; this one bounds the opening of a log stream.
const LIBRARY_LIMIT: u64 = 30;

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const IDLE_LIMIT: Duration = Duration::from_secs(60);

/// A client for the engine at `address`. Nothing is sent; certificates are read.
pub(super) fn connect(address: &EngineAddress) -> Result<Docker, HostError> {
    match address {
        // The authority is for the Host header alone.
        EngineAddress::Unix(path) => over(
            UnixSocket(path.as_path().into()),
            "http://localhost".to_owned(),
        ),
        EngineAddress::Tls {
            authority,
            certificates,
        } => over(tls_connector(certificates)?, format!("https://{authority}")),
    }
}

/// A client whose connections `connector` makes. Nothing is connected before the first call.
fn over<C>(connector: C, address: String) -> Result<Docker, HostError>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_LIMIT)
        .build(connector);
    Docker::connect_with_custom_transport(
        move |request: BollardRequest| {
            let answer = client.request(request);
            Box::pin(async move { Ok(answer.await?) })
        },
        Some(address),
        LIBRARY_LIMIT,
        bollard::API_DEFAULT_VERSION,
    )
    .map_err(|error| super::error::translate("setting up the engine's client", error))
}

/// Connects to the engine's socket, which need not be there before the first call.
#[derive(Clone)]
struct UnixSocket(Arc<Path>);

impl tower_service::Service<http::Uri> for UnixSocket {
    type Response = TokioIo<UnixStream>;
    type Error = std::io::Error;
    type Future = futures_util::future::BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Uri) -> Self::Future {
        let path = Arc::clone(&self.0);
        Box::pin(async move { UnixStream::connect(path).await.map(TokioIo::new) })
    }
}

/// Connects with the client certificate in the folder `certificates`, and to an engine that
/// the CA there has signed for alone.
fn tls_connector(certificates: &Path) -> Result<HttpsConnector<HttpConnector>, HostError> {
    let ca = certificates_of(&certificates.join("ca.pem"))?;
    let chain = certificates_of(&certificates.join("cert.pem"))?;
    let key_path = certificates.join("key.pem");
    let key =
        PrivateKeyDer::from_pem_file(&key_path).map_err(|error| unreadable(&key_path, &error))?;

    let mut roots = RootCertStore::empty();
    for certificate in ca {
        roots
            .add(certificate)
            .map_err(|error| unreadable(&certificates.join("ca.pem"), &error))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_root_certificates(roots)
                .with_client_auth_cert(chain, key)
        })
        .map_err(|error| unreadable(&certificates.join("cert.pem"), &error))?;

    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_LIMIT));
    Ok(HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_only()
        .enable_http1()
        .wrap_connector(tcp))
}

fn certificates_of(path: &Path) -> Result<Vec<CertificateDer<'static>>, HostError> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(path, &error))?;
    if certificates.is_empty() {
        return Err(unreadable(path, &"it holds no certificate"));
    }
    Ok(certificates)
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> HostError {
    HostError::Certificates(format!("{} cannot be used: {error}", path.display()))
}
