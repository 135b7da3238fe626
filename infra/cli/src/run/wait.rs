//! Waits until a lease's ports answer.

use std::time::{Duration, Instant};

use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

use super::attach::program_has_ended;
use crate::{
    api::{
        Api,
        answer::{Lease, Port},
    },
    console::Console,
    failure::Failure,
};

/// Time limit for all ports together.
const LIMIT: Duration = Duration::from_secs(60);

/// How often a port is tried.
const TRY_EVERY: Duration = Duration::from_millis(200);

/// How long a connection must stay open. Docker's proxy accepts every connection, and closes it at
/// once if nothing listens in the container.
const STAYS_OPEN: Duration = Duration::from_millis(250);

/// Time limit for a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// How often to check whether the program still runs.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// Waits until all ports of a lease answer, up to a minute.
pub(super) async fn wait(api: &Api, lease: &Lease, console: &mut Console) -> Result<(), Failure> {
    let begun = Instant::now();
    let mut looked = begun;
    for port in &lease.ports {
        while !answers(port).await {
            let waited = begun.elapsed();
            let number = port.container_port;
            if waited > LIMIT {
                return Err(Failure::NotReady(format!(
                    "port {number} does not answer at {} after {} s; the lease goes on: \
                     `containerlease logs {}` may say why",
                    port.reached_at(),
                    LIMIT.as_secs(),
                    lease.id
                )));
            }
            if looked.elapsed() > LOOK_EVERY {
                looked = Instant::now();
                if program_has_ended(api, &lease.id).await {
                    return Err(Failure::NotReady(format!(
                        "its program ended before port {number} answered: \
                         `containerlease logs {}` may say why",
                        lease.id
                    )));
                }
            }
            console.progress(&format!(
                "waiting for port {number} to answer ({} s)",
                waited.as_secs()
            ));
            sleep(TRY_EVERY).await;
        }
    }
    console.clear_progress();
    Ok(())
}

async fn answers(port: &Port) -> bool {
    let connecting = TcpStream::connect((port.host.as_str(), port.host_port));
    let Ok(Ok(stream)) = timeout(CONNECT_LIMIT, connecting).await else {
        return false;
    };
    let mut first = [0];
    match timeout(STAYS_OPEN, stream.peek(&mut first)).await {
        // The service waits for the client to speak first.
        Err(_) => true,
        // The service spoke first, or the connection closed.
        Ok(read) => read.is_ok_and(|length| length > 0),
    }
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncWriteExt as _, net::TcpListener};

    use super::*;

    async fn listen() -> (TcpListener, Port) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let host_port = listener.local_addr().unwrap().port();
        let port = Port {
            container_port: 80,
            host: "127.0.0.1".to_owned(),
            host_port,
            url: None,
        };
        (listener, port)
    }

    #[tokio::test]
    async fn who_waits_or_speaks_answers() {
        let (silent, port) = listen().await;
        assert!(answers(&port).await);
        drop(silent);
        assert!(!answers(&port).await, "nobody listens any more");

        let (speaking, port) = listen().await;
        let spoken = tokio::spawn(async move {
            let (mut stream, _) = speaking.accept().await.unwrap();
            stream.write_all(b"220").await.unwrap();
        });
        assert!(answers(&port).await);
        spoken.await.unwrap();
    }

    #[tokio::test]
    async fn a_proxy_without_anybody_behind_it_does_not_answer() {
        let (proxy, port) = listen().await;
        tokio::spawn(async move {
            while let Ok((stream, _)) = proxy.accept().await {
                drop(stream);
            }
        });
        assert!(!answers(&port).await);
    }
}
