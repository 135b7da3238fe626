//! The transport to the engine: its unix socket, or TCP with mutual TLS.
//!
//! The client library gets our own transport for both. The library's socket transport requires the
//! socket to exist beforehand. Its TLS transport reads the key files at every handshake, trusts
//! every CA of the operating system, keeps no connections, and waits 40 ms per request because it
//! does not set `TCP_NODELAY`.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bollard::{BollardRequest, Docker, errors::Error as ClientError};
use bytes::Bytes;
use containerlease_domain::time::Time;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt as _;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connect, HttpConnector},
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use tokio::net::UnixStream;
use x509_cert::{Certificate, der::Decode};

use super::{certificates::Certificates, error::HostError};

/// The client library's own limit, in seconds, until an answer's head arrives. Our calls have
/// shorter limits; this one bounds the opening of a log stream.
const LIBRARY_LIMIT: u64 = 30;

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const IDLE_LIMIT: Duration = Duration::from_secs(60);

/// How long a connection may be silent before the peer is probed, and how many probes may go
/// unanswered.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;

/// The connection settings of one engine.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) docker: Docker,
    get: Arc<Get>,
}

type Get = dyn Fn(&str) -> BoxFuture<'static, Result<Bytes, ClientError>> + Send + Sync;

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Way").field(&self.docker).finish()
    }
}

impl Way {
    /// The engine's answer at `path`, which may have a query, in the newest API version that it
    /// speaks. For answers that the client library understands in one version only.
    pub(super) async fn get(&self, path: &str) -> Result<Bytes, ClientError> {
        (self.get)(path).await
    }
}

/// A client for the engine at the socket `path`. Nothing is sent.
pub(super) fn over_socket(path: &Path) -> Result<Way, HostError> {
    // The authority only serves the Host header.
    over(UnixSocket(path.into()), "http://localhost".to_owned())
}

/// A client for the engine at `authority`, `HOST:PORT`, and when its certificates expire.
/// Nothing is sent.
pub(super) fn over_tls(
    authority: &str,
    certificates: &Certificates,
) -> Result<(Way, Expiry), HostError> {
    let expiry = Expiry::default();
    let connector = tls_connector(certificates, expiry.clone())?;
    let way = over(connector, format!("https://{authority}"))?;
    Ok((way, expiry))
}

/// A client whose connections come from `connector`. Connects only at the first call.
fn over<C>(connector: C, address: String) -> Result<Way, HostError>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_LIMIT)
        .build(connector);
    let (getter, base) = (client.clone(), address.clone());
    let docker = Docker::connect_with_custom_transport(
        move |request: BollardRequest| {
            let answer = client.request(request);
            Box::pin(async move { Ok(answer.await?) })
        },
        Some(address),
        LIBRARY_LIMIT,
        bollard::API_DEFAULT_VERSION,
    )
    .map_err(|error| super::error::translate("setting up the engine's client", error))?;
    let get = move |path: &str| -> BoxFuture<'static, _> {
        let request = http::Request::get(format!("{base}{path}"));
        let (client, request) = (
            getter.clone(),
            request.body(bollard::body_full(Bytes::new())),
        );
        Box::pin(async move {
            let answer = client.request(request?).await?;
            let status = answer.status();
            let body = answer.into_body().collect().await?.to_bytes();
            if status.is_success() {
                return Ok(body);
            }
            Err(ClientError::DockerResponseServerError {
                status_code: status.as_u16(),
                message: String::from_utf8_lossy(&body).into_owned(),
            })
        })
    };
    Ok(Way {
        docker,
        get: Arc::new(get),
    })
}

/// Connects to the engine's socket, which need not exist before the first call.
#[derive(Clone)]
struct UnixSocket(Arc<Path>);

impl tower_service::Service<http::Uri> for UnixSocket {
    type Response = TokioIo<UnixStream>;
    type Error = std::io::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Uri) -> Self::Future {
        let path = Arc::clone(&self.0);
        Box::pin(async move { UnixStream::connect(path).await.map(TokioIo::new) })
    }
}

/// The earliest expiry of several certificates.
#[derive(Clone, Debug)]
pub(super) struct Expiry(Arc<AtomicI64>);

impl Default for Expiry {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(i64::MAX)))
    }
}

impl Expiry {
    /// None before a certificate was seen.
    pub(super) fn first(&self) -> Option<Time> {
        match self.0.load(Ordering::Relaxed) {
            i64::MAX => None,
            millis => Some(Time::from_millis(millis)),
        }
    }

    /// A certificate that cannot be parsed here is judged by those who use it.
    fn note(&self, certificate: &[u8]) {
        let Ok(certificate) = Certificate::from_der(certificate) else {
            return;
        };
        let end = certificate.tbs_certificate().validity().not_after;
        let end = i64::try_from(end.to_unix_duration().as_millis()).unwrap_or(i64::MAX);
        self.0.fetch_min(end, Ordering::Relaxed);
    }
}

/// Connects with the client certificate, and only to an engine whose certificate the CA beside it
/// has signed.
fn tls_connector(
    certificates: &Certificates,
    expiry: Expiry,
) -> Result<HttpsConnector<HttpConnector>, HostError> {
    let refused =
        |text: &str, problem: &dyn std::fmt::Display| certificates.unusable(text, problem);
    let parsed = |text: &str, pem: &[u8]| {
        let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|error| refused(text, &error))?;
        if found.is_empty() {
            return Err(refused(text, &"it holds no certificate"));
        }
        for certificate in &found {
            expiry.note(certificate);
        }
        Ok(found)
    };
    let mut roots = RootCertStore::empty();
    for certificate in parsed("ca", &certificates.ca)? {
        roots
            .add(certificate)
            .map_err(|error| refused("ca", &error))?;
    }
    let chain = parsed("cert", &certificates.cert)?;
    let key =
        PrivateKeyDer::from_pem_slice(&certificates.key).map_err(|error| refused("key", &error))?;

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let judge = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| refused("ca", &error))?;
    let mut tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Noting { judge, expiry }))
                .with_client_auth_cert(chain, key)
        })
        .map_err(|error| refused("cert", &error))?;
    // Resuming a session would save a millisecond, but OpenSSL refuses it if a server asks for
    // certificates and has not set a session id context, as socat does.
    tls.resumption = Resumption::disabled();

    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_LIMIT));
    // A listener for events sends nothing, so it would never notice that the machine is gone.
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
    tcp.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
    Ok(HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_only()
        .enable_http1()
        .wrap_connector(tcp))
}

/// Leaves every decision to rustls's own verifier, and records when the engine's certificate
/// expires: nothing else reveals the peer's certificate.
#[derive(Debug)]
struct Noting {
    judge: Arc<WebPkiServerVerifier>,
    expiry: Expiry,
}

impl ServerCertVerifier for Noting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.judge.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )?;
        self.expiry.note(end_entity);
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.judge
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.judge
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}
