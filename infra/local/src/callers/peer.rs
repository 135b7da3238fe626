//! The user at the other end of a loopback connection, as the kernel knows it.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::OnceLock,
};

/// The kernel's tables of TCP sockets. A client may speak IPv4 over an IPv6 socket.
const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];

/// The other end of a connection.
#[derive(Debug)]
pub(crate) struct Peer {
    /// The peer's address, and ours.
    ends: Option<(SocketAddr, SocketAddr)>,
    /// Its user, looked up on demand: most requests are open to everybody.
    user: OnceLock<u32>,
}

impl Peer {
    /// The peer at `theirs`, which has connected to `ours`.
    pub(crate) fn of(theirs: Option<SocketAddr>, ours: Option<SocketAddr>) -> Self {
        Self {
            ends: theirs.zip(ours),
            user: OnceLock::new(),
        }
    }

    /// The user who owns the socket; none if that is unknown.
    pub(crate) fn user(&self) -> Option<u32> {
        if let Some(user) = self.user.get() {
            return Some(*user);
        }
        // A table that changes while it is read may lack a row; the next request reads it again.
        let user = self.look()?;
        Some(*self.user.get_or_init(|| user))
    }

    fn look(&self) -> Option<u32> {
        let (theirs, ours) = self.ends?;
        // Another machine's sockets are not in our tables, and its ports prove nothing.
        if !theirs.ip().to_canonical().is_loopback() {
            return None;
        }
        let mut tables = TABLES
            .iter()
            .filter_map(|table| fs::read_to_string(table).ok());
        tables.find_map(|table| user_in(&table, theirs, ours))
    }

    #[cfg(test)]
    pub(super) fn known(user: Option<u32>) -> Self {
        Self {
            ends: None,
            user: user.map_or_else(OnceLock::new, OnceLock::from),
        }
    }
}

/// The user of the socket at `theirs` connected to `ours`, if a process still owns it. A closed
/// socket belongs to nobody, but the kernel lists it as root's.
fn user_in(table: &str, theirs: SocketAddr, ours: SocketAddr) -> Option<u32> {
    let ends = (canonical(theirs), canonical(ours));
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let local = address(fields.next()?)?;
        let remote = address(fields.next()?)?;
        if (local, remote) != ends {
            return None;
        }
        // After the two addresses: the state, the queues, two timers and the retransmissions.
        let user = fields.nth(4)?.parse().ok()?;
        let inode: u64 = fields.nth(1)?.parse().ok()?;
        (inode != 0).then_some(user)
    })
}

fn canonical(address: SocketAddr) -> (IpAddr, u16) {
    (address.ip().to_canonical(), address.port())
}

/// An address as in the tables: hexadecimal, in words of the machine's byte order.
fn address(text: &str) -> Option<(IpAddr, u16)> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words = ip.as_bytes().chunks(8).map(|word| {
        let word = str::from_utf8(word).ok()?;
        Some(u32::from_str_radix(word, 16).ok()?.to_ne_bytes())
    });
    let words: Option<Vec<[u8; 4]>> = words.collect();
    let words = words?;
    let ip = match words.as_slice() {
        [word] => IpAddr::from(Ipv4Addr::from(*word)),
        [_, _, _, _] => {
            let all: [u8; 16] = words.concat().try_into().ok()?;
            IpAddr::from(Ipv6Addr::from(all)).to_canonical()
        }
        _ => return None,
    };
    Some((ip, port))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn row(local: &str, remote: &str, user: u32, inode: u64) -> String {
        format!(
            "   0: {local} {remote} 01 00000000:00000000 00:00000000 00000000 {user:>5}        0 {inode} 1 0 20 4 30 10 -1\n"
        )
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_row_of_that_connection_alone_counts() {
        let ours: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        let theirs: SocketAddr = "127.0.0.1:40000".parse().unwrap();
        let (here, there) = ("0100007F:1F90", "0100007F:9C40");
        let mapped = |v4: &str| format!("0000000000000000FFFF0000{v4}");
        let found = |rows: &[String]| user_in(&(HEAD.to_owned() + &rows.concat()), theirs, ours);
        // Our own end comes first, and belongs to root.
        let both = [row(here, there, 0, 7), row(there, here, 1_000, 8)];
        assert_eq!(found(&both), Some(1_000));
        assert_eq!(found(&both[..1]), None);
        assert_eq!(
            found(&[row(&mapped(there), &mapped(here), 1_000, 8)]),
            Some(1_000)
        );
        // A socket that its process has closed belongs to nobody, whatever user is listed.
        assert_eq!(found(&[row(there, here, 0, 0)]), None);
        for broken in [
            "",
            "   0:",
            "   0: x y 01",
            "   0: 0100007F:9C40 0100007F:1F90 01 0",
        ] {
            assert_eq!(found(&[broken.to_owned()]), None, "{broken}");
        }
    }

    #[test]
    fn the_kernel_knows_whose_a_connection_is() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, from) = listener.accept().unwrap();
        let us = rustix::process::geteuid().as_raw();
        let peer = || Peer::of(Some(from), accepted.local_addr().ok());
        assert_eq!(peer().user(), Some(us));
        drop(client);
        assert_eq!(peer().user(), None, "nobody has it any more");
    }
}
