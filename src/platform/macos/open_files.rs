//! What a process has open (`<libproc.h>`).

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use nix::libc;

use super::file::FileId;
use super::kernel;
use super::locks::key_of;
use crate::platform::darwin::{self, DESCRIPTOR, DescriptorKind, KernelSocket, OPENED, OpenedFile, SOCKET};
use crate::platform::kernel_lock::{KernelLock, LockKind};

/// `PROC_PIDFDVNODEPATHINFO` and `PROC_PIDFDSOCKETINFO` in `<sys/proc_info.h>`.
const OF_FILE: i32 = 2;
const OF_SOCKET: i32 = 3;
/// Room for more descriptors than the kernel has just counted.
const SPARE: usize = 32;

/// A descriptor of any process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFile {
    /// The process.
    pub pid: i32,
    pub number: i32,
}

impl OpenFile {
    /// The path of the open file, if that is still there.
    pub fn path(self) -> Option<PathBuf> {
        let (path, file) = (self.target()?, self.file()?);
        (FileId::of(&path) == Some(file)).then_some(path)
    }

    /// The identity of the open file.
    pub fn file(self) -> Option<FileId> {
        self.opened()?.file.id
    }

    /// The path that the kernel has for it; `None` for what is no file, and for a file that has been removed.
    pub fn target(self) -> Option<PathBuf> {
        let path = self.opened()?.file.path;
        (!path.is_empty()).then(|| PathBuf::from(OsString::from_vec(path)))
    }

    /// The kernel's handle of the socket that it is.
    pub fn socket(self) -> Option<u64> {
        self.connection().map(|one| one.handle)
    }

    pub(super) fn connection(self) -> Option<KernelSocket> {
        KernelSocket::parse(&kernel::of_descriptor(self.pid, self.number, OF_SOCKET, SOCKET).ok()?)
    }

    /// Whether it was opened for writing.
    pub fn is_for_writing(self) -> bool {
        self.opened().is_some_and(|open| open.is_for_writing)
    }

    /// The flock that it carries or has carried, as the kernel notes the first one and not its end. Others are not shown.
    pub fn locks(self) -> Vec<KernelLock> {
        let locked = self.opened().filter(|open| open.was_locked).and_then(|open| open.file.id);
        let lock = |file| KernelLock { kind: LockKind::Flock, key: key_of(file), pid: None, waits: false };
        locked.map(lock).into_iter().collect()
    }

    fn opened(self) -> Option<OpenedFile> {
        OpenedFile::parse(&kernel::of_descriptor(self.pid, self.number, OF_FILE, OPENED).ok()?)
    }
}

/// Every descriptor of a process.
///
/// # Errors
/// They are another user's, or the process has ended.
pub fn descriptors(pid: i32) -> io::Result<Vec<OpenFile>> {
    Ok(listed(pid)?.into_iter().map(|(number, _)| OpenFile { pid, number }).collect())
}

/// Those that are sockets.
#[cfg(feature = "cli")]
pub(super) fn sockets(pid: i32) -> io::Result<Vec<OpenFile>> {
    let sockets = listed(pid)?.into_iter().filter(|(_, kind)| *kind == DescriptorKind::Socket);
    Ok(sockets.map(|(number, _)| OpenFile { pid, number }).collect())
}

fn listed(pid: i32) -> io::Result<Vec<(i32, DescriptorKind)>> {
    let mut room = 256;
    loop {
        let answer = match kernel::of_process(pid, libc::PROC_PIDLISTFDS, room * DESCRIPTOR) {
            // No error, and nothing written: it has none open.
            Err(error) if error.raw_os_error() == Some(0) => return Ok(Vec::new()),
            answer => answer.map_err(refused)?,
        };
        // A full buffer may lack some.
        if answer.len() < (room - SPARE) * DESCRIPTOR {
            return Ok(darwin::descriptors(&answer));
        }
        room *= 4;
    }
}

/// EPERM is what other platforms say by EACCES; both are `PermissionDenied` to std.
fn refused(error: io::Error) -> io::Error {
    if error.raw_os_error() == Some(libc::EPERM) { io::ErrorKind::PermissionDenied.into() } else { error }
}
