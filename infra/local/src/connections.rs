//! TCP connections, and the HTTP/1.1 on them.
//!
//! A client that has sent its request and hung up has asked all the same: hyper is told that
//! the half of a connection may be closed, without which it drops such a request, and may do
//! so before anybody has looked at it.
//!
//! Nobody keeps a connection by doing nothing: a head has a time to arrive in, and so has each
//! answer to be taken. There are never more connections than descriptors, less what the table,
//! the engine and the schedule need: ends are on time however many are knocking.

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

/// How many connections there may be at once, viewers not counted.
const CONNECTIONS: u64 = 4_096;

/// Up to so many it is looked at once whose each of them is.
const FEW: usize = 256;

/// Descriptors that are none of the connections': the table's, the engine's, the viewers'.
const RESERVED: u64 = 2_048;

/// How long the head of a request may take, from the end of the answer before it.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// How large a head may be, in bytes.
const HEAD_LIMIT: usize = 64 * 1024;

/// How long a client may take none of its answer.
const WRITE_TIME: Duration = Duration::from_secs(30);

/// How long it is waited where no connection can be taken, as without a free descriptor.
const PAUSE: Duration = Duration::from_secs(1);

/// Serves every connection in a task of its own, until `stop`. What has begun by then goes on.
pub(crate) async fn serve(
    listener: &TcpListener,
    router: Router,
    tasks: Tasks,
    stop: CancellationToken,
) {
    let most = most();
    let room = Arc::new(Semaphore::new(most));
    loop {
        // Whoever finds no room waits for one of those before to be done, or to be let go.
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
                // As long as it is there: one that hangs up is nobody's any more. In a flood,
                // whose sockets all have to be gone through each time, only who asks counts.
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

/// Serves a connection until it is closed, or is a viewer's, who has a bound of their own.
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

/// How many connections the descriptors allow. As many of them are asked for as may be had.
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
    // None is as many as one likes.
    let descriptors = limit.current.unwrap_or(u64::MAX);
    let free = descriptors.saturating_sub(RESERVED).max(descriptors / 4);
    usize::try_from(free.min(CONNECTIONS)).expect("it is small")
}

/// Whether it is the fault of the connection that could not be taken, and of no other.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
