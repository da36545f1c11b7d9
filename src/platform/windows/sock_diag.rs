//! How long the connections of processes have been quiet: Windows does not tell.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::native::unsupported;

/// An established connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Established {
    /// The other end.
    pub to: SocketAddr,
    /// Whose socket it is.
    pub uid: u32,
}

/// A connection that somebody has open, and how long it has been quiet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// A number for it, which no other connection gets.
    pub id: u64,
    /// The number of its socket.
    pub inode: u64,
    pub from: SocketAddr,
    pub to: SocketAddr,
    /// How long ago the last byte came in.
    pub quiet: Duration,
}

/// The connections around a process.
///
/// # Errors
/// Always `Unsupported`.
pub fn flows_around(_pid: i32) -> io::Result<Vec<Flow>> {
    Err(unsupported("when a byte came in last on another process's connection"))
}
