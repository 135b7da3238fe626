//! A proxy between a client and the table or the engine, which injects faults.
//!
//! A proxy speaks HTTP/1.1 on both sides. It records every request in order of arrival, and
//! asks its hook what to do with it. Without a hook everything passes. Answers are streamed,
//! so that a log can be followed through it.

mod fault;

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, header::HeaderName,
    server::conn::http1 as server, service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    task::JoinHandle,
};

pub use fault::Fault;

/// A request that the proxy has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Number of earlier requests through this proxy.
    pub index: usize,
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// The DynamoDB operation, such as `UpdateItem`; `None` for the engine.
    pub operation: Option<String>,
}

impl Seen {
    /// Whether it is this call, such as `("POST", "/start")`.
    pub fn is(&self, method: &str, path_part: &str) -> bool {
        self.method.as_str() == method && self.path.contains(path_part)
    }

    /// Whether it is this DynamoDB operation.
    pub fn is_operation(&self, operation: &str) -> bool {
        self.operation.as_deref() == Some(operation)
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.operation {
            Some(operation) => f.write_str(operation),
            None => write!(f, "{} {}", self.method, self.path),
        }
    }
}

type Hook = Arc<dyn Fn(&Seen) -> Fault + Send + Sync>;
type Body = BoxBody<Bytes, hyper::Error>;

/// A proxy that stops on drop.
pub struct Proxy {
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
    address: Address,
}

enum Address {
    Tcp(SocketAddr),
    /// The socket is in its own folder, which is removed with the proxy.
    Unix {
        folder: PathBuf,
        socket: PathBuf,
    },
}

#[derive(Clone)]
enum Upstream {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

struct Shared {
    upstream: Upstream,
    seen: Mutex<Vec<Seen>>,
    hook: Mutex<Option<Hook>>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").finish_non_exhaustive()
    }
}

impl Proxy {
    /// A proxy on a loopback port, in front of another port.
    pub async fn before_tcp(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.expect("a free loopback port is there");
        Self::on(listener, upstream)
    }

    /// A proxy on an open listener, in front of another port.
    pub fn on(listener: TcpListener, upstream: SocketAddr) -> Self {
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Shared::new(Upstream::Tcp(upstream));
        let serving = Arc::clone(&shared);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                drop(stream.set_nodelay(true));
                tokio::spawn(serve(stream, Arc::clone(&serving)));
            }
        });
        Self {
            shared,
            listening,
            address: Address::Tcp(address),
        }
    }

    /// A proxy on a unix socket, in front of another socket.
    pub fn before_unix(upstream: &Path) -> Self {
        let folder = new_folder();
        let socket = folder.join("engine.sock");
        let listener = UnixListener::bind(&socket).expect("a unix socket can be made");
        let shared = Shared::new(Upstream::Unix(upstream.to_owned()));
        let serving = Arc::clone(&shared);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&serving)));
            }
        });
        Self {
            shared,
            listening,
            address: Address::Unix { folder, socket },
        }
    }

    /// A unix socket without a listener, such as a killed engine leaves behind.
    pub fn deaf(upstream: &Path) -> Self {
        let proxy = Self::before_unix(upstream);
        proxy.listening.abort();
        proxy
    }

    /// The loopback address of a proxy on a port.
    pub fn tcp(&self) -> SocketAddr {
        match &self.address {
            Address::Tcp(address) => *address,
            Address::Unix { .. } => panic!("this proxy listens on a unix socket"),
        }
    }

    /// The path of a proxy on a unix socket.
    pub fn unix(&self) -> &Path {
        match &self.address {
            Address::Unix { socket, .. } => socket,
            Address::Tcp(_) => panic!("this proxy listens on a port"),
        }
    }

    /// From now on `hook` decides what happens to each request.
    pub fn on_each(&self, hook: impl Fn(&Seen) -> Fault + Send + Sync + 'static) {
        *lock(&self.shared.hook) = Some(Arc::new(hook));
    }

    /// From now on, for each DynamoDB operation for which `fault` returns one, the first
    /// `times` requests get that fault. Everything else passes.
    pub fn fail_first(
        &self,
        times: usize,
        fault: impl Fn(&str) -> Option<Fault> + Send + Sync + 'static,
    ) {
        let counts = Mutex::new(std::collections::HashMap::<String, usize>::new());
        self.on_each(move |seen| {
            let Some(operation) = &seen.operation else {
                return Fault::None;
            };
            let mut counts = lock(&counts);
            let count = counts.entry(operation.clone()).or_default();
            *count += 1;
            if *count > times {
                return Fault::None;
            }
            fault(operation).unwrap_or(Fault::None)
        });
    }

    /// From now on everything passes.
    pub fn heal(&self) {
        *lock(&self.shared.hook) = None;
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
        if let Address::Unix { folder, .. } = &self.address {
            drop(std::fs::remove_dir_all(folder));
        }
    }
}

impl Shared {
    fn new(upstream: Upstream) -> Arc<Self> {
        Arc::new(Self {
            upstream,
            seen: Mutex::default(),
            hook: Mutex::default(),
        })
    }

    /// Records the request and asks the hook.
    fn note(&self, request: &Request<Incoming>) -> Fault {
        let target = HeaderName::from_static("x-amz-target");
        let operation = request.headers().get(target).and_then(|target| {
            let (_, operation) = target.to_str().ok()?.split_once('.')?;
            Some(operation.to_owned())
        });
        let seen = {
            let mut all = lock(&self.seen);
            let seen = Seen {
                index: all.len(),
                method: request.method().clone(),
                path: request.uri().to_string(),
                operation,
            };
            all.push(seen.clone());
            seen
        };
        let hook = lock(&self.hook).clone();
        hook.map_or(Fault::None, |hook| hook(&seen))
    }
}

/// The connection ends without an answer.
#[derive(Debug)]
struct CutOff;

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection was cut off")
    }
}

impl std::error::Error for CutOff {}

/// A new folder for a socket.
pub(crate) fn new_folder() -> PathBuf {
    let random = uuid::Uuid::new_v4().simple().to_string();
    let folder = std::env::temp_dir().join(format!("containerlease-{}", &random[..12]));
    std::fs::create_dir(&folder).expect("a folder for temporary files is there");
    folder
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, shared: Arc<Shared>) {
    let answer = service_fn(|request| answer(request, Arc::clone(&shared)));
    // A cut connection ends with an error, as the test intended.
    drop(
        server::Builder::new()
            .serve_connection(TokioIo::new(stream), answer)
            .await,
    );
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Body>, CutOff> {
    let upstream = &shared.upstream;
    match shared.note(&request) {
        Fault::None => forward(upstream, request).await,
        Fault::Delayed(time) => {
            tokio::time::sleep(time).await;
            forward(upstream, request).await
        }
        Fault::Answered(status, body) => Ok(answered(status, body)),
        Fault::AnsweredInstead(status, body) => {
            carry_out(upstream, request).await?;
            Ok(answered(status, body))
        }
        Fault::Cut => Err(CutOff),
        Fault::NeverSent(call) => {
            call();
            std::future::pending().await
        }
        Fault::AnswerLost => {
            carry_out(upstream, request).await?;
            Err(CutOff)
        }
        Fault::NeverAnswered(call) => {
            carry_out(upstream, request).await?;
            call();
            std::future::pending().await
        }
        Fault::AnsweredAfter(work) => {
            let response = carry_out(upstream, request).await?;
            work.await;
            Ok(response)
        }
    }
}

fn answered(status: StatusCode, body: String) -> Response<Body> {
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {});
    let mut response = Response::new(body.boxed());
    *response.status_mut() = status;
    response
}

/// Passes the request on and reads the whole answer, so that it has certainly taken effect.
async fn carry_out(
    upstream: &Upstream,
    request: Request<Incoming>,
) -> Result<Response<Body>, CutOff> {
    // The client may be dropped at any moment, which must not cancel the request.
    let (upstream, request) = (upstream.clone(), request);
    let carried_out = tokio::spawn(async move {
        let (parts, body) = forward(&upstream, request).await?.into_parts();
        let bytes = body.collect().await.map_err(|_| CutOff)?.to_bytes();
        let body = Full::new(bytes).map_err(|never| match never {});
        Ok(Response::from_parts(parts, body.boxed()))
    });
    carried_out.await.map_err(|_| CutOff)?
}

async fn forward(
    upstream: &Upstream,
    request: Request<Incoming>,
) -> Result<Response<Body>, CutOff> {
    match upstream {
        Upstream::Tcp(address) => {
            let stream = TcpStream::connect(address).await.map_err(|_| CutOff)?;
            drop(stream.set_nodelay(true));
            exchange(stream, request).await
        }
        Upstream::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(|_| CutOff)?;
            exchange(stream, request).await
        }
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Incoming>,
) -> Result<Response<Body>, CutOff> {
    let connected = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = connected.map_err(|_| CutOff)?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(|_| CutOff)?;
    Ok(response.map(BodyExt::boxed))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Ignore poisoning: every change leaves the state consistent.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
