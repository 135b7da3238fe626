//! A wire between a client and the server that is cut as it is told: what a laptop's lid, a
//! proxy's timeout or a train's tunnel does to a connection.
//!
//! It carries bytes and knows nothing of frames. Only a connection over which a log comes is
//! cut, and only when some of it has come: so each cut costs a client something, and still
//! lets it get on.

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

/// What a request for a log begins with.
const LOG: &[u8] = b"GET /ws/logs/";

/// How much is carried at once.
const CHUNK: usize = 16 * 1024;

/// How a connection ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// By a reset.
    Reset,
    /// As if the other side had closed it.
    Close,
    /// Closed after a part of what came at once, which is in the middle of a frame.
    InAFrame,
    /// It stays open, and nothing comes any more.
    Stall,
}

impl Cut {
    /// What it is called in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reset => "after a reset",
            Self::Close => "after a close",
            Self::InAFrame => "after a cut in a frame",
            Self::Stall => "after a silent stall",
        }
    }
}

/// A loopback port before the server's, until it is dropped.
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
    /// Taken by whichever connection carries a log.
    ordered: tokio::sync::Mutex<mpsc::UnboundedReceiver<Order>>,
    last: Mutex<Option<Cut>>,
}

impl Wire {
    /// A wire to the server, which need not be there all the time.
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

    /// Cuts the connection over which a log comes now, or the next one.
    pub async fn cut(&self, cut: Cut) -> Fallible<()> {
        let (done, was_done) = oneshot::channel();
        self.shared.order(Order { cut, done });
        Ok(was_done.await?)
    }

    /// The last cut, unless it was asked for already: why the client's connection has ended,
    /// if it was not the server.
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

    /// Lets the next connection that carries a log have the order.
    fn order(&self, order: Order) {
        let sent = self.orders.send(order);
        sent.expect("the other end is here as well");
    }

    async fn next_order(&self) -> Order {
        let next = self.ordered.lock().await.recv().await;
        next.expect("the other end is here as well")
    }

    /// Calls the server by its own name, since it answers to no other.
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
    // A server that is not there is a connection that ends at once.
    let mut server = TcpStream::connect(shared.server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let mut order = None;
    let ended = exchange(&mut client, &mut server, &shared, &mut order).await;
    let Some(order) = order else { return ended };
    if ended.is_err() {
        // It broke before it could be cut: the next one is cut instead.
        shared.order(order);
        return ended;
    }
    // The client asks for the reason as soon as it notices.
    *shared.last() = Some(order.cut);
    // Nobody waits any more where the measurement was interrupted.
    order.done.send(()).ok();
    match order.cut {
        Cut::Reset => {
            client.set_zero_linger()?;
            server.set_zero_linger()?;
        }
        Cut::Close | Cut::InAFrame => client.shutdown().await?,
        // What the client says is not heard, until it gives up.
        Cut::Stall => while client.read(&mut [0; 1024]).await? > 0 {},
    }
    Ok(())
}

/// Carries what comes until it is time to cut, as `order` says then, or one side ends, which
/// is an error.
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
            // The first piece is the answer to the request.
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
