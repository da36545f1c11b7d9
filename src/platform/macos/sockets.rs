//! Which TCP connections a process has, by its descriptors (`PROC_PIDFDSOCKETINFO`). There is no list of all connections that
//! names their owners, and none that says how long they have been quiet.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::open_files::{self, OpenFile};
use crate::platform::darwin::KernelSocket;

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
    /// The kernel's number for it, which no other connection gets.
    pub id: u64,
    /// The socket's number.
    pub inode: u64,
    pub from: SocketAddr,
    pub to: SocketAddr,
    /// How long ago the last byte came in.
    pub quiet: Duration,
}

/// Never known.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`].
pub fn flows_around(_pid: i32) -> io::Result<Vec<Flow>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The sockets of a process, connected or not.
///
/// # Errors
/// Its descriptors cannot be looked at.
pub fn sockets_of(pid: i32) -> io::Result<Vec<u64>> {
    Ok(open_files::sockets(pid)?.into_iter().filter_map(OpenFile::socket).collect())
}

/// A connection of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnConnection {
    /// Where the platform numbers them for each process.
    pub descriptor: Option<i32>,
    /// The kernel's handle of the socket, which several descriptors and processes may share.
    pub socket: u64,
    /// The other end.
    pub to: SocketAddr,
}

/// The established TCP connections of one look.
#[derive(Debug, Default)]
pub struct Connections;

impl Connections {
    /// Those of a process. A socket that was closed meanwhile is no reason to give up.
    ///
    /// # Errors
    /// Its descriptors cannot be looked at.
    pub fn of(&mut self, pid: i32) -> io::Result<Vec<OwnConnection>> {
        let own = |file: OpenFile| {
            let KernelSocket { handle, to, .. } = file.connection()?;
            Some(OwnConnection { descriptor: Some(file.number), socket: handle, to: to? })
        };
        Ok(open_files::sockets(pid)?.into_iter().filter_map(own).collect())
    }

    /// All connections around a process, whosever they are: never known.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`].
    pub fn around(&mut self, _pid: i32) -> io::Result<&HashMap<u64, Established>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Whether a process listens on a TCP port or a Unix socket.
///
/// # Errors
/// Its descriptors cannot be looked at.
pub fn is_listening(pid: i32) -> io::Result<bool> {
    Ok(open_files::sockets(pid)?.into_iter().filter_map(OpenFile::connection).any(|one| one.listens))
}
