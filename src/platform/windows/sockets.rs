//! Which TCP connections a process has: `GetExtendedTcpTable` lists every socket of the machine with the PID of the process
//! that opened it, also where that process lets nobody look at it. A process that has only inherited a socket is not named.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use windows_sys::Win32::Foundation::ERROR_INSUFFICIENT_BUFFER;
use windows_sys::Win32::NetworkManagement::IpHelper::{GetExtendedTcpTable, TCP_TABLE_OWNER_PID_ALL};
use windows_sys::Win32::Networking::WinSock::{AF_INET, AF_INET6};

use super::handle::owner;
use super::sock_diag::Established;

/// `MIB_TCP_STATE_LISTEN` and `MIB_TCP_STATE_ESTAB`.
const LISTEN: u32 = 2;
const ESTABLISHED: u32 = 5;

/// The sockets of a process, connected or not.
///
/// # Errors
/// Those of `GetExtendedTcpTable`.
pub fn sockets_of(pid: i32) -> io::Result<Vec<u64>> {
    Ok(all()?.iter().filter(|socket| socket.pid == pid).map(TcpSocket::number).collect())
}

/// A connection of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnConnection {
    /// Always `None`: which of its handles it is, is not listed.
    pub descriptor: Option<i32>,
    /// A number for the socket, made of its ends and its owner.
    pub socket: u64,
    /// The other end.
    pub to: SocketAddr,
}

/// The established TCP connections of one look.
#[derive(Debug, Default)]
pub struct Connections(Option<ConnectionTable>);

#[derive(Debug, Default)]
struct ConnectionTable {
    all: HashMap<u64, Established>,
    of: HashMap<i32, Vec<OwnConnection>>,
}

impl Connections {
    /// Those of a process.
    ///
    /// # Errors
    /// Those of `GetExtendedTcpTable`.
    pub fn of(&mut self, pid: i32) -> io::Result<Vec<OwnConnection>> {
        Ok(self.table()?.of.get(&pid).cloned().unwrap_or_default())
    }

    /// All connections of this machine, by the numbers of their sockets.
    ///
    /// # Errors
    /// Those of `GetExtendedTcpTable`.
    pub fn around(&mut self, _pid: i32) -> io::Result<&HashMap<u64, Established>> {
        Ok(&self.table()?.all)
    }

    fn table(&mut self) -> io::Result<&ConnectionTable> {
        if self.0.is_none() {
            self.0 = Some(ConnectionTable::read()?);
        }
        self.0.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl ConnectionTable {
    fn read() -> io::Result<Self> {
        let mut table = Self::default();
        let mut users = HashMap::new();
        for socket in all()?.into_iter().filter(|socket| socket.state == ESTABLISHED) {
            let TcpSocket { pid, to, .. } = socket;
            // A stranger's, where it cannot be told.
            let uid = *users.entry(pid).or_insert_with(|| owner(pid).unwrap_or(u32::MAX));
            table.all.insert(socket.number(), Established { to, uid });
            table.of.entry(pid).or_default().push(OwnConnection { descriptor: None, socket: socket.number(), to });
        }
        Ok(table)
    }
}

/// Whether a process listens on a TCP port.
///
/// # Errors
/// Those of `GetExtendedTcpTable`.
pub fn is_listening(pid: i32) -> io::Result<bool> {
    Ok(all()?.iter().any(|socket| socket.pid == pid && socket.state == LISTEN))
}

/// A socket of the machine's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct TcpSocket {
    pid: i32,
    state: u32,
    from: SocketAddr,
    to: SocketAddr,
}

impl TcpSocket {
    /// What no other socket gets, and this one in every look.
    fn number(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.pid, self.from, self.to).hash(&mut hasher);
        hasher.finish().max(1)
    }

    /// `MIB_TCPROW_OWNER_PID` in words of 32 bits: state; address and port of both ends; PID.
    fn of_row(row: &[u32; 6]) -> Self {
        let end = |at: usize| SocketAddr::new(Ipv4Addr::from(row[at].to_ne_bytes()).into(), port(row[at + 1]));
        Self { pid: row[5].cast_signed(), state: row[0], from: end(1), to: end(3) }
    }

    /// `MIB_TCP6ROW_OWNER_PID`: address, scope and port of both ends; state; PID.
    fn of_row6(row: &[u32; 14]) -> Self {
        let end = |at: usize| {
            let mut bytes = [0; 16];
            for (word, into) in row[at..at + 4].iter().zip(bytes.as_chunks_mut::<4>().0) {
                *into = word.to_ne_bytes();
            }
            SocketAddr::new(IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical(), port(row[at + 5]))
        };
        Self { pid: row[13].cast_signed(), state: row[12], from: end(0), to: end(6) }
    }
}

/// In network order, in the lower half of a word.
fn port(word: u32) -> u16 {
    let [first, second, ..] = word.to_ne_bytes();
    u16::from_be_bytes([first, second])
}

/// Every socket that a process has; what ended processes have left is nobody's.
fn all() -> io::Result<Vec<TcpSocket>> {
    let (four, six) = (read(AF_INET)?, read(AF_INET6)?);
    let four = four.as_chunks().0.iter().map(TcpSocket::of_row);
    Ok(four.chain(six.as_chunks().0.iter().map(TcpSocket::of_row6)).filter(|socket| socket.pid > 0).collect())
}

/// The rows for a family, in words of 32 bits.
fn read(family: u16) -> io::Result<Vec<u32>> {
    let mut buffer: Vec<u32> = vec![0; 4096];
    let columns = if family == AF_INET { 6 } else { 14 };
    loop {
        let mut size = u32::try_from(size_of_val(buffer.as_slice())).map_err(io::Error::other)?;
        let into = buffer.as_mut_ptr().cast();
        // SAFETY: the buffer is ours and has `size` bytes.
        let code = unsafe { GetExtendedTcpTable(into, &raw mut size, 0, family.into(), TCP_TABLE_OWNER_PID_ALL, 0) };
        match code {
            0 => break,
            // Some may come before the next call.
            ERROR_INSUFFICIENT_BUFFER => {
                buffer.resize(buffer.len().max(size as usize / size_of::<u32>()) * 5 / 4, 0);
            }
            code => return Err(io::Error::from_raw_os_error(code.cast_signed())),
        }
    }
    // Behind their count.
    let count = (buffer[0] as usize).saturating_mul(columns).min(buffer.len() - 1);
    Ok(buffer[1..=count].to_vec())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::super::identity::own_pid;
    use super::*;

    #[test]
    fn rows_of_both_families() {
        let row = [5, 0x0100_007F_u32, 0x901F, 0xDCA7_9A95, 0xBB01, 4711];
        let seen = TcpSocket::of_row(&row);
        assert_eq!((seen.pid, seen.state), (4711, ESTABLISHED));
        assert_eq!((seen.from, seen.to), ("127.0.0.1:8080".parse().unwrap(), "149.154.167.220:443".parse().unwrap()));
        let mut six = [0; 14];
        (six[8], six[9], six[11], six[12], six[13]) = (0xFFFF_0000, 0xDCA7_9A95, 0xBB01, 5, 4711);
        assert_eq!(TcpSocket::of_row6(&six).to, seen.to, "an IPv4 address in an IPv6 socket");
    }

    #[test]
    fn our_own_are_listed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(is_listening(own_pid()).unwrap());
        let address = listener.local_addr().unwrap();
        let _client = TcpStream::connect(address).unwrap();
        let seen = Connections::default().of(own_pid()).unwrap();
        assert_eq!(seen.iter().filter(|one| one.to == address).count(), 1, "the listener is none");
        assert!(sockets_of(own_pid()).unwrap().len() >= 3);
    }
}
