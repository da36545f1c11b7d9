//! The established TCP connections of our own network namespace, asked of the kernel by netlink.
//!
//! `/proc/net/tcp` has them too, and those of other namespaces, but the kernel walks its whole table of buckets to print
//! it, under a lock each: 3 to 15 ms a file on a machine with 262,144 of them. `sock_diag(7)` answers in a twentieth of
//! that, and leaves out what is not established. Layouts: `linux/netlink.h`, `linux/inet_diag.h`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

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

/// Each with its inode.
///
/// # Errors
/// The kernel has no `inet_diag`, or a sandbox forbids it: `/proc/net/tcp` may do.
pub fn established() -> io::Result<Vec<(u64, Established)>> {
    let socket =
        socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(netlink::SOCK_DIAG))?;
    let mut found = Vec::new();
    let mut buffer = vec![0; 32 * 1024];
    for family in [INET, INET6] {
        send(&socket, &request(family), SendFlags::empty())?;
        loop {
            let (length, _) = recv(&socket, &mut buffer[..], RecvFlags::empty())?;
            if read_into(&mut found, &buffer[..length])? {
                break;
            }
        }
    }
    Ok(found)
}

/// `struct nlmsghdr`, then `struct inet_diag_req_v2` that asks for every address.
fn request(family: u8) -> [u8; REQUEST as usize] {
    let mut bytes = [0; REQUEST as usize];
    bytes[0..4].copy_from_slice(&REQUEST.to_ne_bytes());
    bytes[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
    bytes[6..8].copy_from_slice(&REQUEST_DUMP.to_ne_bytes());
    bytes[HEADER] = family;
    bytes[HEADER + 1] = TCP;
    bytes[HEADER + 4..HEADER + 8].copy_from_slice(&ESTABLISHED.to_ne_bytes());
    bytes
}

/// Reads the messages of one datagram; `true` after the last one.
fn read_into(found: &mut Vec<(u64, Established)>, mut datagram: &[u8]) -> io::Result<bool> {
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
            BY_FAMILY => found.extend(answer(message)),
            _ => {}
        }
        // Each message begins at a multiple of four.
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// `struct inet_diag_msg`: family, state, timer, retransmits; both ports, both addresses; …; user and inode at its end.
fn answer(message: &[u8]) -> Option<(u64, Established)> {
    let message = message.get(..ANSWER)?;
    let port = u16::from_be_bytes([message[6], message[7]]);
    let to = &message[24..40];
    let ip = match message[0] {
        INET => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(&to[..4]).ok()?)),
        INET6 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(to).ok()?)),
        _ => return None,
    };
    let to = SocketAddr::new(ip.to_canonical(), port);
    Some((u32_at(message, ANSWER - 4)?.into(), Established { to, uid: u32_at(message, ANSWER - 8)? }))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
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
        assert!(read_into(&mut found, &done).unwrap());
        assert!(!read_into(&mut found, &[]).unwrap());
        for length in [0, 1, 15, 17, 255] {
            let mut header = done;
            header[0] = length;
            assert!(read_into(&mut found, &header).is_err(), "{length}");
        }
        let mut refused = [0; HEADER + 4];
        refused[0] = 20;
        refused[4] = 2;
        refused[HEADER..].copy_from_slice(&(-2_i32).to_ne_bytes());
        assert_eq!(read_into(&mut found, &refused).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(answer(&[INET; ANSWER - 1]), None);
        assert_eq!(answer(&[1; ANSWER]), None);
        assert!(found.is_empty());
    }
}
