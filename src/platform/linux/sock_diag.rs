//! The TCP connections of a network namespace, asked of the kernel by netlink.
//!
//! `/proc/net/tcp` has them too, and those of other namespaces, but the kernel walks its whole table of buckets to print
//! it, under a lock each: 3 to 15 ms a file on a machine with 262,144 of them. `sock_diag(7)` answers in a twentieth of
//! that, and leaves out what is not established. Layouts: `linux/netlink.h`, `linux/inet_diag.h`.

use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with};

/// `SOCK_DIAG_BY_FAMILY`: both the request's type and its answers'.
const BY_FAMILY: u16 = 20;
/// `NLMSG_ERROR` and `NLMSG_DONE`.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
const REQUEST_DUMP: u16 = 0x001 | 0x300;
/// `1 << TCP_ESTABLISHED`.
const ESTABLISHED: u32 = 1 << 1;
/// `1 << TCP_CLOSE_WAIT`: the other side has closed, and this one has not noticed.
const CLOSE_WAIT: u32 = 1 << 8;
/// `INET_DIAG_INFO`: the attribute with `struct tcp_info`, and its bit in a request.
const INFO: u16 = 2;
const ASKS_INFO: u8 = 1 << (INFO - 1);
/// `tcpi_last_data_recv` in `struct tcp_info`: milliseconds since the last byte came, or since the connection was made.
const LAST_RECEIVED: usize = 52;
const TCP: u8 = 6;
const INET: u8 = 2;
const INET6: u8 = 10;
/// Bytes of a message's header, of a request with its header, of an answer without.
const HEADER: usize = 16;
const REQUEST: u32 = 72;
const ANSWER: usize = 72;

/// An established connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Established {
    /// The other end.
    pub to: SocketAddr,
    /// Whose socket it is, which the kernel tells also where the process is hidden.
    pub uid: u32,
}

/// A connection that somebody has open, and how long it has been quiet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// The kernel's number for it, which no other connection gets.
    pub id: u64,
    /// The socket's inode.
    pub inode: u64,
    pub from: SocketAddr,
    pub to: SocketAddr,
    /// How long ago the last byte came in; a connection without any: since it was made. Time in suspend does not count.
    pub quiet: Duration,
}

/// Each established connection of our own network namespace with its inode.
///
/// # Errors
/// The kernel has no `inet_diag`, or a sandbox forbids it: `/proc/net/tcp` may do.
pub fn established() -> io::Result<Vec<(u64, Established)>> {
    dump(ESTABLISHED, 0, answer)
}

/// The connections in the network namespace of a process, those included whose other side has closed.
///
/// # Errors
/// As `established`; the namespace is another one and not ours to enter.
pub fn flows_around(pid: i32) -> io::Result<Vec<Flow>> {
    let namespace = |who: &str| std::fs::read_link(format!("/proc/{who}/ns/net"));
    let ask = || dump(ESTABLISHED | CLOSE_WAIT, ASKS_INFO, flow);
    if namespace("self")? == namespace(&pid.to_string())? {
        return ask();
    }
    let other = File::open(format!("/proc/{pid}/ns/net"))?;
    // A thread enters a namespace by itself alone, and ends there.
    let asked = thread::Builder::new().spawn(move || {
        setns(&other, CloneFlags::CLONE_NEWNET)?;
        ask()
    })?;
    asked.join().map_err(|_| io::Error::other("its thread failed"))?
}

fn dump<T>(states: u32, ext: u8, read: fn(&[u8]) -> Option<T>) -> io::Result<Vec<T>> {
    let socket =
        socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(netlink::SOCK_DIAG))?;
    let mut found = Vec::new();
    let mut buffer = vec![0; 32 * 1024];
    for family in [INET, INET6] {
        send(&socket, &request(family, states, ext), SendFlags::empty())?;
        loop {
            let (length, _) = recv(&socket, &mut buffer[..], RecvFlags::empty())?;
            if read_into(&mut found, &buffer[..length], read)? {
                break;
            }
        }
    }
    Ok(found)
}

/// `struct nlmsghdr`, then `struct inet_diag_req_v2` that asks for every address.
fn request(family: u8, states: u32, ext: u8) -> [u8; REQUEST as usize] {
    let mut bytes = [0; REQUEST as usize];
    bytes[0..4].copy_from_slice(&REQUEST.to_ne_bytes());
    bytes[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
    bytes[6..8].copy_from_slice(&REQUEST_DUMP.to_ne_bytes());
    bytes[HEADER] = family;
    bytes[HEADER + 1] = TCP;
    bytes[HEADER + 2] = ext;
    bytes[HEADER + 4..HEADER + 8].copy_from_slice(&states.to_ne_bytes());
    bytes
}

/// Reads the messages of one datagram; `true` after the last one.
pub(super) fn read_into<T>(found: &mut Vec<T>, mut datagram: &[u8], read: fn(&[u8]) -> Option<T>) -> io::Result<bool> {
    let broken = || io::Error::from(io::ErrorKind::InvalidData);
    while let Some(header) = datagram.get(..HEADER) {
        let length = u32_at(header, 0).ok_or_else(broken)? as usize;
        let message = datagram.get(HEADER..length).ok_or_else(broken)?;
        match u16::from_ne_bytes([header[4], header[5]]) {
            DONE => return Ok(true),
            ERROR => {
                let code = u32_at(message, 0).ok_or_else(broken)?.cast_signed();
                return Err(io::Error::from_raw_os_error(code.saturating_neg()));
            }
            BY_FAMILY => found.extend(read(message)),
            _ => {}
        }
        // Each message begins at a multiple of four.
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// `struct inet_diag_msg`: family, state, timer, retransmits; both ports, both addresses; …; user and inode at its end.
pub(super) fn answer(message: &[u8]) -> Option<(u64, Established)> {
    let message = message.get(..ANSWER)?;
    let uid = u32_at(message, ANSWER - 8)?;
    Some((u32_at(message, ANSWER - 4)?.into(), Established { to: end(message, 6, 24)?, uid }))
}

/// The same with our end, the cookie, and what follows as attributes.
pub(super) fn flow(message: &[u8]) -> Option<Flow> {
    let (inode, Established { to, .. }) = answer(message)?;
    let id = u64::from_ne_bytes(message.get(44..52)?.try_into().ok()?);
    let quiet = u32_at(attribute(message.get(ANSWER..)?, INFO)?, LAST_RECEIVED)?;
    Some(Flow { id, inode, from: end(message, 4, 8)?, to, quiet: Duration::from_millis(quiet.into()) })
}

/// The end of a connection whose port and address begin there.
fn end(message: &[u8], port: usize, address: usize) -> Option<SocketAddr> {
    let port = u16::from_be_bytes(message.get(port..port + 2)?.try_into().ok()?);
    let bytes = message.get(address..address + 16)?;
    let ip = match message[0] {
        INET => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(&bytes[..4]).ok()?)),
        INET6 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => return None,
    };
    Some(SocketAddr::new(ip.to_canonical(), port))
}

/// The content of an attribute: `struct rtattr` has a length, itself included, and a type; each begins at a multiple of four.
fn attribute(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(bytes.get(2..4)?.try_into().ok()?);
        let content = bytes.get(4..length)?;
        if kind == wanted {
            return Some(content);
        }
        bytes = bytes.get(length.next_multiple_of(4)..)?;
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    use super::*;

    /// The inode of a socket of ours.
    fn inode(stream: &TcpStream) -> u64 {
        let link = std::fs::read_link(format!("/proc/self/fd/{}", stream.as_raw_fd())).unwrap();
        link.to_str().unwrap().trim_start_matches("socket:[").trim_end_matches(']').parse().unwrap()
    }

    #[test]
    fn connections_of_both_families_and_no_listener() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let listener = match TcpListener::bind(host) {
                Ok(listener) => listener,
                Err(error) if host.contains("::") => {
                    assert!(!std::path::Path::new("/proc/net/tcp6").exists(), "{error}");
                    continue;
                }
                Err(error) => panic!("{error}"),
            };
            let address = listener.local_addr().unwrap();
            let client = TcpStream::connect(address).unwrap();
            let accepted = listener.accept().unwrap().0;
            let found = established().unwrap();
            let uid = rustix::process::geteuid().as_raw();
            let has = |inode, to| found.contains(&(inode, Established { to, uid }));
            assert!(has(inode(&client), address), "{address}");
            assert!(has(inode(&accepted), client.local_addr().unwrap()), "{address}");
            let own = [inode(&client), inode(&accepted)];
            assert!(found.iter().all(|(inode, one)| own.contains(inode) || one.to != address), "the listener is none");
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let mut found = Vec::new();
        let mut done = [0; HEADER];
        done[0] = 16;
        done[4] = 3;
        assert!(read_into(&mut found, &done, answer).unwrap());
        assert!(!read_into(&mut found, &[], answer).unwrap());
        for length in [0, 1, 15, 17, 255] {
            let mut header = done;
            header[0] = length;
            assert!(read_into(&mut found, &header, answer).is_err(), "{length}");
        }
        let mut refused = [0; HEADER + 4];
        refused[0] = 20;
        refused[4] = 2;
        refused[HEADER..].copy_from_slice(&(-2_i32).to_ne_bytes());
        assert_eq!(read_into(&mut found, &refused, answer).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(answer(&[INET; ANSWER - 1]), None);
        assert_eq!(answer(&[1; ANSWER]), None);
        assert_eq!(found.len(), 0);
        for length in [0, 1, 4, 5, 255] {
            assert_eq!(attribute(&[length, 0, 9, 0, 1], INFO), None, "{length}");
        }
        assert_eq!(flow(&[INET; ANSWER]), None);
    }

    #[test]
    fn when_the_last_byte_came() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut accepted = listener.accept().unwrap().0;
        let own = i32::try_from(std::process::id()).unwrap();
        let seen = |flows: Vec<Flow>| flows.into_iter().find(|flow| flow.inode == inode(&client)).unwrap();
        let pause = Duration::from_millis(300);
        thread::sleep(pause); // the kernel's clock is what is looked at
        let quiet = seen(flows_around(own).unwrap());
        assert!(quiet.quiet >= pause / 2, "{quiet:?}");
        assert_eq!((quiet.from, quiet.to), (client.local_addr().unwrap(), listener.local_addr().unwrap()));
        accepted.write_all(b"x").unwrap();
        client.peek(&mut [0]).unwrap();
        let heard = seen(flows_around(own).unwrap());
        assert!(heard.quiet < quiet.quiet && heard.id == quiet.id, "{heard:?}");
        drop(accepted);
        assert_eq!(client.peek(&mut [0; 2]).unwrap(), 1);
        assert_eq!(seen(flows_around(own).unwrap()).id, quiet.id, "the other side has closed");
    }
}
