//! A receiver of webhooks on a loopback port, which answers as the test says.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use containerlease_domain::time::Time;
use http::{HeaderMap, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// A receiver that stops on drop.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

/// What a receiver does with a message.
#[derive(Clone, Debug)]
pub enum Reply {
    Status(u16),
    RedirectTo(String),
    /// It keeps the connection and says nothing.
    Silence,
    /// It cuts the connection.
    Cut,
}

/// A message, as received.
#[derive(Clone, Debug)]
pub struct Message {
    pub headers: HeaderMap,
    pub body: String,
    pub at: Time,
}

#[derive(Debug, Default)]
struct Shared {
    replies: Mutex<VecDeque<Reply>>,
    messages: Mutex<Vec<Message>>,
    connections: AtomicUsize,
}

impl Receiver {
    /// A receiver that answers every message with a 204.
    ///
    /// # Panics
    ///
    /// If no loopback port is free.
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// The same behind TLS, with the certificate and the key in these files.
    ///
    /// # Panics
    ///
    /// If they cannot be used, or no loopback port is free.
    pub async fn over_tls(certificate: &Path, key: &Path) -> Self {
        let certificate = CertificateDer::from_pem_file(certificate);
        let key = PrivateKeyDer::from_pem_file(key);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider knows the protocol's versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.expect("the file holds a certificate")],
                key.expect("the file holds a key"),
            )
            .expect("the key is the certificate's");
        Self::start_with(Some(Arc::new(config).into())).await
    }

    async fn start_with(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.expect("a free loopback port is there");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared::default());
        let serving = Arc::clone(&shared);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serving.connections.fetch_add(1, Ordering::SeqCst);
                let (shared, tls) = (Arc::clone(&serving), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => shared.serve(stream).await,
                        Some(tls) => {
                            // A client that does not trust the certificate leaves, as intended.
                            if let Ok(stream) = tls.accept(stream).await {
                                shared.serve(stream).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            address,
            shared,
            listening,
        }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}/hook?token=t0ken", self.address)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Answers the next messages with these replies, and later ones with a 204.
    pub fn replies(&self, replies: impl IntoIterator<Item = Reply>) {
        locked(&self.shared.replies).extend(replies);
    }

    /// All messages so far.
    pub fn messages(&self) -> Vec<Message> {
        locked(&self.shared.messages).clone()
    }

    /// Number of connections so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Message {
    /// The header of that name.
    ///
    /// # Panics
    ///
    /// If it is missing or not ASCII.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        let value = value.unwrap_or_else(|| panic!("there is no header {name}: {self:?}"));
        value.to_str().expect("the header is ASCII")
    }

    /// The body.
    ///
    /// # Panics
    ///
    /// If it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("the body is JSON")
    }
}

impl Shared {
    async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let service = service_fn(|request| self.take(request));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        // Tests cut connections, so ignore errors.
        drop(connection.await);
    }

    async fn take(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Cut> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        locked(&self.messages).push(Message {
            headers: head.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
            at: Time::now(),
        });
        let reply = locked(&self.replies).pop_front();
        let mut answer = Response::new(Full::default());
        *answer.status_mut() = match reply.unwrap_or(Reply::Status(204)) {
            Reply::Status(status) => status.try_into().expect("the test's status is one"),
            Reply::RedirectTo(url) => {
                let url = url.try_into().expect("the test's URL is a header's value");
                answer.headers_mut().insert(header::LOCATION, url);
                http::StatusCode::FOUND
            }
            Reply::Silence => std::future::pending().await,
            Reply::Cut => return Err(Cut),
        };
        Ok(answer)
    }
}

/// A service error, which makes the server cut the connection.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is cut")
    }
}

impl std::error::Error for Cut {}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
