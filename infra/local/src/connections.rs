//! TCP connections, and HTTP/1.1 on them.
//!
//! A client may send its request and close its half of the connection at once; the request still
//! counts. hyper is told to allow half-closed connections: otherwise it drops such a request,
//! perhaps before anybody has looked at it.
//!
//! An idle client cannot hold a connection: a request's head must arrive in time, and the client
//! must read each answer in time. Connections are limited to the free descriptors, less those that
//! the table, the engine and the schedule need, so leases end on time under any load.

use std::{io, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_io_timeout::TimeoutWriter;
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

use crate::{callers::Peer, tasks::Tasks};

/// The most connections at once, not counting viewers.
const CONNECTIONS: u64 = 4_096;

/// Below this many connections, the user of each is looked up when it opens.
const FEW: usize = 256;

/// Descriptors kept free of connections: for the table, the engine and the viewers.
const RESERVED: u64 = 2_048;

/// Time limit for the head of a request, from the end of the answer before it.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// The largest head, in bytes.
const HEAD_LIMIT: usize = 64 * 1024;

/// How long a client may read none of its answer.
const WRITE_TIME: Duration = Duration::from_secs(30);

/// The pause after a failed accept, for example without a free descriptor.
const PAUSE: Duration = Duration::from_secs(1);

/// Serves every connection in its own task, until `stop`. Started requests finish.
pub(crate) async fn serve(
    listener: &TcpListener,
    router: Router,
    tasks: Tasks,
    stop: CancellationToken,
) {
    let most = most();
    let room = Arc::new(Semaphore::new(most));
    loop {
        // Without a free place, a new connection waits until another one closes.
        let next = async {
            let place = Arc::clone(&room).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            () = stop.cancelled() => return,
        };
        match (place, accepted) {
            (Ok(place), Ok((stream, theirs))) => {
                let peer = Peer::of(Some(theirs), stream.local_addr().ok());
                // Look now, while the socket exists: after a hang-up it belongs to nobody. A look
                // reads all sockets, so in a flood only connections with a request are looked up.
                if most - room.available_permits() < FEW {
                    peer.user();
                }
                tasks.spawn(serve_one(stream, peer, router.clone(), stop.clone(), place));
            }
            (Err(closed), _) => unreachable!("nobody closes it: {closed}"),
            (_, Err(error)) if is_of_one_connection(&error) => {}
            (_, Err(error)) => {
                tracing::error!(%error, "could not take a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Serves a connection until it closes or becomes a viewer's; viewers have their own limit.
async fn serve_one(
    stream: TcpStream,
    peer: Peer,
    router: Router,
    stop: CancellationToken,
    _place: OwnedSemaphorePermit,
) {
    let peer = Arc::new(peer);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Arc::clone(&peer));
        router.clone().call(request)
    });
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(WRITE_TIME));
    let connection = http1::Builder::new()
        .half_close(true)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(Box::pin(stream)), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// How many connections the descriptors allow, after raising their limit as far as possible.
fn most() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = rustix::process::Rlimit {
            current: limit.maximum,
            ..limit
        };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            limit = raised;
        }
    }
    // `None` means no limit.
    let descriptors = limit.current.unwrap_or(u64::MAX);
    let free = descriptors.saturating_sub(RESERVED).max(descriptors / 4);
    usize::try_from(free.min(CONNECTIONS)).expect("it is small")
}

/// Whether accepting failed because of that one connection.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
