//! Watches the reader of standard output.

use std::{io::stdout, thread};

use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::oneshot;

/// Waits until the reader of standard output is gone: the other end of a pipe is closed, for
/// example because `head` has read enough. A program that writes notices at its next write; one
/// that has nothing to write would wait for ever.
///
/// A separate thread waits, and ends with the process. The runtime's own ways reject files and
/// terminals, and would make a shared pipe non-blocking.
pub(super) async fn gone() {
    let (tell, told) = oneshot::channel();
    let waiting = thread::Builder::new().name("reader".to_owned());
    let waiting = waiting.spawn(move || {
        if is_gone_at_last() {
            // If the command is over, nobody receives it.
            tell.send(()).ok();
        }
    });
    // Without a thread, the next write notices.
    if waiting.is_err() || told.await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Blocks until the reader is gone; false if that cannot be known.
fn is_gone_at_last() -> bool {
    let stdout = stdout();
    loop {
        // Requests no events: poll always reports that the other end is gone.
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
