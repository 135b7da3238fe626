//! Whoever reads standard output.

use std::{io::stdout, thread};

use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::oneshot;

/// Waits until nobody can read what is written to standard output any more: the other end of
/// a pipe is closed, as by `head` that has what it wanted. A program that writes finds out by
/// its next write; one that has nothing to write would wait for ever.
///
/// A thread waits, and goes with the process: the runtime's own ways to wait take files and
/// terminals for errors, and would make a shared pipe non-blocking.
pub(super) async fn gone() {
    let (tell, told) = oneshot::channel();
    let waiting = thread::Builder::new().name("reader".to_owned());
    let waiting = waiting.spawn(move || {
        if is_gone_at_last() {
            // Where the command is over nobody wants to know.
            tell.send(()).ok();
        }
    });
    // Without a thread, the next write finds out.
    if waiting.is_err() || told.await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Blocks until the reader is gone; or says that it cannot be known.
fn is_gone_at_last() -> bool {
    let stdout = stdout();
    loop {
        // Nothing is asked for: what is told all the same is that the other end is gone.
        let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
        match poll(&mut polled, None) {
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
            Ok(_) => {
                let gone = PollFlags::ERR | PollFlags::HUP;
                return polled[0].revents().intersects(gone);
            }
        }
    }
}
