//! The table over TCP, for other processes of the same user: for `sam local` and for
//! measurements.
//!
//! It asks each request for a [`Key`] as its path, which every SDK sends that was given the
//! whole endpoint, and takes none from a page in a browser: neither one that says where it
//! comes from (`Origin`), nor one that has led a name of its own to this address (`Host`).

use std::{convert::Infallible, fmt, io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use dynoxide::Database;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use crate::operations::{Answer, carry_out};

/// How large a request may be: what DynamoDB allows one of many items.
const LARGEST: usize = 16 * 1024 * 1024;

/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a client gives as the path of its endpoint.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// A new one, of 122 random bits.
    pub fn generate() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string())
    }

    /// The one that was given away.
    pub fn told(key: &str) -> Self {
        Self(key.trim().to_owned())
    }

    /// The text that a client gives.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the same. How long that takes says nothing of how much of it is.
    pub fn is(&self, other: &str) -> bool {
        let (ours, theirs) = (self.0.as_bytes(), other.as_bytes());
        let pairs = ours.iter().zip(theirs);
        ours.len() == theirs.len() && pairs.fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// The table on a loopback port, until this is dropped.
#[derive(Debug)]
pub struct Door {
    address: SocketAddr,
    key: Key,
    serving: JoinHandle<()>,
}

impl Door {
    /// Serves `database` on `port` of the loopback address, 0 for any free one, to who has the
    /// key.
    pub async fn open(database: Database, port: u16, key: Key) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        Ok(Self {
            address: listener.local_addr()?,
            key: key.clone(),
            serving: tokio::spawn(serve(listener, database, key)),
        })
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL, with the key in it, as an SDK wants it.
    pub fn endpoint(&self) -> String {
        endpoint(self.address, &self.key)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// How many connections there may be: whoever has the key needs a few, and all others none.
const CONNECTIONS: usize = 256;

async fn serve(listener: TcpListener, database: Database, key: Key) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= CONNECTIONS {
            connections.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(converse(stream, database.clone(), key.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection to the table could not be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn converse(stream: TcpStream, database: Database, key: Key) {
    let service = service_fn(|request| answer(&database, &key, request));
    // Without this, answers wait for the acknowledgements of those before them.
    drop(stream.set_nodelay(true));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection to the table ended");
    }
}

async fn answer(
    database: &Database,
    key: &Key,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if let Err(why) = admit(request.uri().path(), request.headers(), key) {
        return Ok(refuse(StatusCode::FORBIDDEN, why));
    }
    let target = request.headers().get("x-amz-target");
    let target = target.and_then(|target| target.to_str().ok());
    let target = target.unwrap_or_default().to_owned();
    let body = Limited::new(request.into_body(), LARGEST).collect();
    let body = match tokio::time::timeout(PATIENCE, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => return Ok(refuse(StatusCode::PAYLOAD_TOO_LARGE, "too large")),
        Err(_) => return Ok(refuse(StatusCode::REQUEST_TIMEOUT, "too slow")),
    };
    let database = database.clone();
    let done = tokio::task::spawn_blocking(move || carry_out(&database, &target, &body));
    Ok(match done.await {
        Ok(Answer { status, body, .. }) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            respond(status, body)
        }
        Err(error) => {
            tracing::error!(%error, "an operation on the table has panicked");
            refuse(StatusCode::INTERNAL_SERVER_ERROR, "it failed")
        }
    })
}

/// The URL of a door at `address`, or of what stands before one.
pub fn endpoint(address: SocketAddr, key: &Key) -> String {
    format!("http://{address}/{}", key.as_str())
}

/// Why this request is none of ours, where it is not.
fn admit(path: &str, headers: &HeaderMap, key: &Key) -> Result<(), &'static str> {
    if headers.contains_key(header::ORIGIN) {
        return Err("pages are not let in");
    }
    let host = headers.get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok());
    if !host.is_some_and(is_address) {
        return Err("it is called by its address");
    }
    if key.is(path.trim_matches('/')) {
        Ok(())
    } else {
        Err("the key is missing or wrong")
    }
}

/// Whether a `Host` is an address or this machine, and no name that anybody can lead here.
fn is_address(host: &str) -> bool {
    host.parse::<SocketAddr>().is_ok()
        || host.parse::<std::net::IpAddr>().is_ok()
        || host == "localhost"
        || host
            .strip_prefix("localhost:")
            .is_some_and(|port| port.parse::<u16>().is_ok())
}

fn refuse(status: StatusCode, why: &str) -> Response<Full<Bytes>> {
    let kind = "com.amazonaws.dynamodb.v20120810#AccessDeniedException";
    let body = serde_json::json!({"__type": kind, "message": why});
    respond(status, body.to_string())
}

fn respond(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let json = header::HeaderValue::from_static("application/x-amz-json-1.0");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(of: &[(&str, &str)]) -> HeaderMap {
        let each = of.iter().map(|(name, value)| {
            let name: header::HeaderName = name.parse().unwrap();
            (name, value.parse().unwrap())
        });
        each.collect()
    }

    #[test]
    fn only_who_has_the_key_and_is_no_page_is_let_in() {
        let key = Key::told("a1b2\n");
        let ours = [("host", "127.0.0.1:80")];
        for path in ["/a1b2", "/a1b2/"] {
            assert_eq!(admit(path, &headers(&ours), &key), Ok(()));
        }
        for path in ["/", "/a1b3", "/a1b", "/a1b22", "/x/a1b2", "", "/A1B2"] {
            assert!(admit(path, &headers(&ours), &key).is_err(), "{path}");
        }
        let of_others = [
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("host", "evil.example:80"),
            ("host", "localhost.evil.example"),
            ("host", "localhost:80.evil.example"),
            ("host", ""),
        ];
        for other in of_others {
            let mut all = headers(&ours);
            let name: header::HeaderName = other.0.parse().unwrap();
            all.insert(name, other.1.parse().unwrap());
            assert!(admit("/a1b2", &all, &key).is_err(), "{other:?}");
        }
        assert!(admit("/a1b2", &headers(&[]), &key).is_err());
        for host in [
            "localhost",
            "localhost:8000",
            "172.20.0.1:42800",
            "[::1]:80",
        ] {
            assert!(is_address(host), "{host}");
        }
    }
}
