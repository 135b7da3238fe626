//! A wire between a client and the server that can be cut, like a connection by a laptop's lid,
//! a proxy's timeout or a train's tunnel.
//!
//! It carries bytes and knows nothing of frames. It cuts only connections that carry a log, and
//! only after some of the log has arrived: so each cut interrupts the client, and yet the client
//! makes progress.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    task::{JoinHandle, JoinSet},
};

use crate::Fallible;

/// The start of a request for a log.
const LOG: &[u8] = b"GET /ws/logs/";

/// Bytes per read.
const CHUNK: usize = 16 * 1024;

/// How a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// By a reset.
    Reset,
    /// As if the other side had closed it.
    Close,
    /// Closed after part of a read, which is in the middle of a frame.
    InAFrame,
    /// It stays open, but no more data arrives.
    Stall,
}

impl Cut {
    /// Its name in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reset => "after a reset",
            Self::Close => "after a close",
            Self::InAFrame => "after a cut in a frame",
            Self::Stall => "after a silent stall",
        }
    }
}

/// A loopback port in front of the server's, closed on drop.
#[derive(Debug)]
pub struct Wire {
    shared: Arc<Shared>,
    carrying: JoinHandle<()>,
}

#[derive(Debug)]
struct Order {
    cut: Cut,
    done: oneshot::Sender<()>,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    server: SocketAddr,
    orders: mpsc::UnboundedSender<Order>,
    /// The next connection that carries a log takes an order.
    ordered: tokio::sync::Mutex<mpsc::UnboundedReceiver<Order>>,
    last: Mutex<Option<Cut>>,
}

impl Wire {
    /// A wire to the server, which may be down at times.
    pub async fn to(server: SocketAddr) -> Fallible<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (orders, ordered) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            address,
            server,
            orders,
            ordered: tokio::sync::Mutex::new(ordered),
            last: Mutex::default(),
        });
        let carried = Arc::clone(&shared);
        let carrying = tokio::spawn(async move {
            // Dropped with this task, the set ends all connections.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(carry(client, Arc::clone(&carried)));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { shared, carrying })
    }

    /// Where a client connects.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Cuts the connection that carries a log, or the next one.
    pub async fn cut(&self, cut: Cut) -> Fallible<()> {
        let (done, was_done) = oneshot::channel();
        self.shared.order(Order { cut, done });
        Ok(was_done.await?)
    }

    /// Takes the last cut: the reason why the client's connection ended. `None` means that the
    /// server ended it.
    pub fn last_cut(&self) -> Option<Cut> {
        self.shared.last().take()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.carrying.abort();
    }
}

impl Shared {
    fn last(&self) -> std::sync::MutexGuard<'_, Option<Cut>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues the order for the next connection that carries a log.
    fn order(&self, order: Order) {
        let sent = self.orders.send(order);
        sent.expect("the other end is here as well");
    }

    async fn next_order(&self) -> Order {
        let next = self.ordered.lock().await.recv().await;
        next.expect("the other end is here as well")
    }

    /// Replaces the host name in the request, because the server answers only to its own.
    fn address_to_server(&self, request: &[u8]) -> Vec<u8> {
        let (ours, its) = (self.address.to_string(), self.server.to_string());
        let mut left = request;
        let mut addressed = Vec::with_capacity(request.len());
        let find = |in_: &[u8]| in_.windows(ours.len()).position(|w| w == ours.as_bytes());
        while let Some(at) = find(left) {
            addressed.extend_from_slice(&left[..at]);
            addressed.extend_from_slice(its.as_bytes());
            left = &left[at + ours.len()..];
        }
        addressed.extend_from_slice(left);
        addressed
    }
}

/// Carries a connection until one side ends it or it is cut.
async fn carry(mut client: TcpStream, shared: Arc<Shared>) -> std::io::Result<()> {
    // Without a server the connection ends at once.
    let mut server = TcpStream::connect(shared.server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let mut order = None;
    let ended = exchange(&mut client, &mut server, &shared, &mut order).await;
    let Some(order) = order else { return ended };
    if ended.is_err() {
        // The connection broke before the cut: cut the next one instead.
        shared.order(order);
        return ended;
    }
    // Set first, because the client reads the reason as soon as it notices the cut.
    *shared.last() = Some(order.cut);
    // An interrupted measurement no longer waits.
    order.done.send(()).ok();
    match order.cut {
        Cut::Reset => {
            client.set_zero_linger()?;
            server.set_zero_linger()?;
        }
        Cut::Close | Cut::InAFrame => client.shutdown().await?,
        // Ignore what the client sends, until it gives up.
        Cut::Stall => while client.read(&mut [0; 1024]).await? > 0 {},
    }
    Ok(())
}

/// Carries data until an order to cut arrives, which it stores in `order`. If one side ends
/// first, that is an error.
async fn exchange(
    client: &mut TcpStream,
    server: &mut TcpStream,
    shared: &Shared,
    order: &mut Option<Order>,
) -> std::io::Result<()> {
    let (mut up, mut down) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut is_log = false;
    let mut pieces = 0_usize;
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let request = &up[..not_the_end(read?)?];
                is_log |= request.starts_with(LOG);
                server.write_all(&shared.address_to_server(request)).await?;
            }
            read = server.read(&mut down) => {
                let length = not_the_end(read?)?;
                if order.is_some() && length > 1 {
                    let part = fastrand::usize(1..length);
                    return client.write_all(&down[..part]).await;
                }
                client.write_all(&down[..length]).await?;
                pieces += 1;
            }
            // The first piece is the response's head.
            next = shared.next_order(), if is_log && pieces > 1 && order.is_none() => {
                let waits_for_a_frame = next.cut == Cut::InAFrame;
                *order = Some(next);
                if !waits_for_a_frame {
                    return Ok(());
                }
            }
        }
    }
}

fn not_the_end(length: usize) -> std::io::Result<usize> {
    match length {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        length => Ok(length),
    }
}
