//! A proxy between program and server. It treats connections as a closed lid, a gateway's time
//! limit or a tunnel does.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// What happens to a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// It is closed before it brought anything.
    Refused,
    /// It is closed after this many bytes from the server, even in the middle of a frame.
    CutAfter(usize),
}

/// A loopback port in front of the server's, until it is dropped.
pub(crate) struct Wire {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    carrying: JoinHandle<()>,
}

/// A port for a wire and the server behind it.
pub(crate) struct Port(pub(crate) TcpListener);

impl Port {
    pub(crate) async fn free() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        Self(listener.expect("there is a free loopback port"))
    }

    pub(crate) fn number(&self) -> u16 {
        let address = self.0.local_addr();
        address.expect("a listener has an address").port()
    }
}

impl Wire {
    /// A proxy with these faults, each for one connection; later connections work.
    pub(crate) fn with(port: Port, server: SocketAddr, faults: Vec<Fault>) -> Self {
        let address = port.0.local_addr().expect("a listener has an address");
        let connections = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&connections);
        let faults = Mutex::new(faults.into_iter());
        let carrying = tokio::spawn(async move {
            // Dropping the set with this task ends all connections.
            let mut carried = JoinSet::new();
            while let Ok((client, _)) = port.0.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let mut faults = faults.lock().unwrap_or_else(PoisonError::into_inner);
                let fault = faults.next();
                drop(faults);
                carried.spawn(carry(client, server, fault));
            }
        });
        Self {
            address,
            connections,
            carrying,
        }
    }

    /// Its address, for the program.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The number of connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.carrying.abort();
    }
}

/// Relays a connection until one side ends it or its fault happens.
async fn carry(
    mut client: TcpStream,
    server: SocketAddr,
    fault: Option<Fault>,
) -> std::io::Result<()> {
    let mut left = match fault {
        Some(Fault::Refused) => return Ok(()),
        Some(Fault::CutAfter(bytes)) => bytes,
        None => usize::MAX,
    };
    let mut server = TcpStream::connect(server).await?;
    let (mut up, mut down) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    while left > 0 {
        tokio::select! {
            read = client.read(&mut up) => match read? {
                0 => return Ok(()),
                length => server.write_all(&up[..length]).await?,
            },
            read = server.read(&mut down) => match read? {
                0 => return Ok(()),
                length => {
                    let length = length.min(left);
                    client.write_all(&down[..length]).await?;
                    left -= length;
                }
            },
        }
    }
    Ok(())
}
