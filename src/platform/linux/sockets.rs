//! Which TCP connections a process has.
//!
//! Its descriptors (`/proc/PID/fd`) give the sockets' inodes; the kernel's list of our own network namespace, or
//! `/proc/PID/net/tcp{,6}` of another one, gives their other ends. Whether it takes connections, as a web server does, is in
//! its namespace's lists too.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use super::open_files::{self, OpenFile};
use super::sock_diag::{self, Established};

/// `TCP_ESTABLISHED` in the kernel's `include/net/tcp_states.h`.
const ESTABLISHED: &str = "01";
/// `TCP_LISTEN`.
const LISTEN: &str = "0A";
/// `__SO_ACCEPTCON` among the flags of a Unix socket that listens.
const ACCEPTS: &str = "00010000";

/// The sockets of a process, connected or not.
///
/// # Errors
/// Its descriptors cannot be looked at.
pub fn sockets_of(pid: i32) -> io::Result<Vec<u64>> {
    Ok(open_files::descriptors(pid)?.into_iter().filter_map(OpenFile::socket).collect())
}

/// A connection of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnConnection {
    /// Where the platform numbers them for each process.
    pub descriptor: Option<i32>,
    /// The number of the socket, which several descriptors and processes may share.
    pub socket: u64,
    /// The other end.
    pub to: SocketAddr,
}

/// The established sockets of a network namespace, by inode.
type Table = HashMap<u64, Established>;

/// The established TCP connections of one look, each network namespace read once.
#[derive(Debug, Default)]
pub struct Connections(HashMap<PathBuf, Table>);

impl Connections {
    /// Those of a process. A socket that was closed meanwhile is no reason to give up.
    ///
    /// # Errors
    /// Its descriptors or its network namespace cannot be looked at; `Unsupported` where a platform never shows them.
    pub fn of(&mut self, pid: i32) -> io::Result<Vec<OwnConnection>> {
        let number = |file: OpenFile| Some((file.number, file.socket()?));
        let sockets: Vec<(i32, u64)> = open_files::descriptors(pid)?.into_iter().filter_map(number).collect();
        if sockets.is_empty() {
            return Ok(Vec::new());
        }
        let table = self.around(pid)?;
        let own = |(descriptor, socket)| {
            let to = table.get(&socket)?.to;
            Some(OwnConnection { descriptor: Some(descriptor), socket, to })
        };
        Ok(sockets.into_iter().filter_map(own).collect())
    }

    /// All connections in the network namespace of a process, by the numbers of their sockets; 0 for a socket that no
    /// process has any more.
    ///
    /// # Errors
    /// As [`Connections::of`].
    pub fn around(&mut self, pid: i32) -> io::Result<&HashMap<u64, Established>> {
        let name = fs::read_link(format!("/proc/{pid}/ns/net"))?;
        if !self.0.contains_key(&name) {
            let is_ours = fs::read_link("/proc/self/ns/net").is_ok_and(|own| own == name);
            let asked = is_ours.then(|| sock_diag::established().ok()).flatten();
            let table = asked.map_or_else(|| read_table(pid), |list| Ok(list.into_iter().collect()))?;
            self.0.insert(name.clone(), table);
        }
        Ok(&self.0[&name])
    }
}

/// Whether a process listens on a TCP port or a Unix socket.
///
/// # Errors
/// Its descriptors or its network namespace cannot be looked at.
pub fn is_listening(pid: i32) -> io::Result<bool> {
    let sockets = sockets_of(pid)?;
    let listens = |file: &str, listener: fn(&str) -> Option<u64>| -> io::Result<bool> {
        match fs::read_to_string(format!("/proc/{pid}/net/{file}")) {
            Ok(text) => Ok(text.lines().skip(1).filter_map(listener).any(|inode| sockets.contains(&inode))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    };
    Ok(!sockets.is_empty()
        && (listens("tcp", tcp_listener)? || listens("tcp6", tcp_listener)? || listens("unix", unix_listener)?))
}

/// The inode in a line of `/proc/net/tcp{,6}`, if that socket listens.
pub(super) fn tcp_listener(line: &str) -> Option<u64> {
    let mut fields = line.split_ascii_whitespace();
    (fields.nth(3)? == LISTEN).then_some(())?;
    fields.nth(5)?.parse().ok()
}

/// The same of `/proc/net/unix`: `address count protocol flags type state inode path`.
pub(super) fn unix_listener(line: &str) -> Option<u64> {
    let mut fields = line.split_ascii_whitespace();
    (fields.nth(3)? == ACCEPTS).then_some(())?;
    fields.nth(2)?.parse().ok()
}

fn read_table(pid: i32) -> io::Result<Table> {
    let mut table = Table::new();
    for file in ["tcp", "tcp6"] {
        match fs::read_to_string(format!("/proc/{pid}/net/{file}")) {
            Ok(text) => table.extend(text.lines().skip(1).filter_map(established)),
            // A kernel without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound && file == "tcp6" => {}
            Err(error) => return Err(error),
        }
    }
    Ok(table)
}

/// A line of `/proc/net/tcp{,6}`: `sl local remote state queues timer retransmits uid timeout inode …`.
pub(super) fn established(line: &str) -> Option<(u64, Established)> {
    let mut fields = line.split_ascii_whitespace();
    let remote = fields.nth(2)?;
    if fields.next()? != ESTABLISHED {
        return None;
    }
    let uid: u32 = fields.nth(3)?.parse().ok()?;
    let inode: u64 = fields.nth(1)?.parse().ok()?;
    Some((inode, Established { to: address(remote)?, uid }))
}

/// `0100007F:1F90`: the address as the kernel's 32-bit words in its own byte order, the port as a number.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| Some(u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    let ip = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (index, chunk) in bytes.as_chunks_mut().0.iter_mut().enumerate() {
                *chunk = word(index * 8)?;
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip.to_canonical(), port))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::super::identity::Identity;
    use super::*;

    #[test]
    fn lines_of_the_kernel() {
        let line =
            "   1: 0100007F:A3E4 DCA79A95:01BB 01 00000000:00000000 02:00000B50 00000000  1000        0 98765 2 0";
        let of = |uid, to: &str| Established { to: to.parse().unwrap(), uid };
        assert_eq!(established(line), Some((98765, of(1000, "149.154.167.220:443"))));
        let six = "   0: 00000000000000000000000001000000:1F91 0000000000000000FFFF0000DCA79A95:01BB 01 00000000:00000000 \
                   00:00000000 00000000     0        0 4242 1 0000";
        assert_eq!(established(six), Some((4242, of(0, "149.154.167.220:443"))));
        let real =
            "   0: 00000000000000000000000001000000:1F91 B80D0120000000000000000001000000:0050 01 0:0 0:0 0 0 0 7";
        assert_eq!(established(real), Some((7, of(0, "[2001:db8::1]:80"))));
        for other in [
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
            "   1: 0100007F:A3E4 DCA79A95:01BB 06 00000000:00000000 03:00000B50 00000000     0        0 0 3 0",
            "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5 1 0",
            "   0: zz zz 01 0 0 0 0 0 5",
            "   0: 0:0 0100007F:1F90 01",
            "",
        ] {
            assert_eq!(established(other), None, "{other}");
        }
    }

    #[test]
    fn who_listens_and_who_is_only_connected() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5 1 0";
        assert_eq!(tcp_listener(line), Some(5));
        assert_eq!(tcp_listener("   1: 0100007F:A3E4 DCA79A95:01BB 01 0:0 0:0 0 1000 0 98765 2 0"), None);
        assert_eq!(
            unix_listener("0000000000000000: 00000002 00000000 00010000 0001 01 4242 /run/bot.sock"),
            Some(4242)
        );
        assert_eq!(unix_listener("0000000000000000: 00000003 00000000 00000000 0001 03 4243"), None);
        assert_eq!((tcp_listener(""), unix_listener("")), (None, None));
    }

    #[test]
    fn both_lists_tell_the_same() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let _client = TcpStream::connect(address).unwrap();
        let ours = |table: Table| table.into_iter().filter(|(_, one)| one.to == address).collect::<Vec<_>>();
        let asked = ours(sock_diag::established().unwrap().into_iter().collect());
        assert_eq!((asked.len(), &asked), (1, &ours(read_table(Identity::own().unwrap().pid).unwrap())));
    }
}
