//! Which TCP connections a process has.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;

use super::native::unsupported;
use super::sock_diag::Established;

/// The sockets of a process, connected or not.
///
/// # Errors
/// Always `Unsupported`.
pub fn sockets_of(_pid: i32) -> io::Result<Vec<u64>> {
    Err(unsupported("the sockets of another process"))
}

/// A connection of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnConnection {
    pub descriptor: i32,
    /// The number of the socket.
    pub socket: u64,
    /// The other end.
    pub to: SocketAddr,
}

/// The established TCP connections of one look.
#[derive(Debug, Default)]
pub struct Connections;

impl Connections {
    /// Those of a process.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn of(&mut self, _pid: i32) -> io::Result<Vec<OwnConnection>> {
        Err(unsupported("the connections of another process"))
    }

    /// All connections around a process, by the numbers of their sockets.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn around(&mut self, _pid: i32) -> io::Result<&HashMap<u64, Established>> {
        Err(unsupported("the connections of other processes"))
    }
}

/// Whether a process listens on a TCP port.
///
/// # Errors
/// Always `Unsupported`.
pub fn is_listening(_pid: i32) -> io::Result<bool> {
    Err(unsupported("what another process listens on"))
}
