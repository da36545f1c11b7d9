//! Windows lists no locks.

use std::fs::File;
use std::io;

use super::file::FileStatus;
use super::native::unsupported;

/// Whether the kernel lists its locks. Where it does not, who has the file open is all there is to know.
pub const ARE_LISTED: bool = false;

/// Where the kernel lists all locks, for people.
pub const TABLE: &str = "the list of locks";

/// Which of the kernel's locks it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockKind {
    /// The only one that counts here.
    Flock,
    Posix,
    OpenFile,
}

/// One lock, or one wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelLock {
    pub kind: LockKind,
    /// The file.
    pub key: KernelKey,
    /// Who called.
    pub pid: Option<i32>,
    /// It is waited for, not held.
    pub waits: bool,
}

/// # Errors
/// Always [`io::ErrorKind::Unsupported`].
pub fn listed() -> io::Result<Vec<KernelLock>> {
    Err(unsupported("a list of locks"))
}

/// A file's name among the kernel's locks, made of its identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KernelKey {
    /// The serial number of its volume.
    pub major: u32,
    /// 0.
    pub minor: u32,
    /// Its index in the volume.
    pub inode: u64,
}

/// That of an open file.
///
/// # Errors
/// Those of `GetFileInformationByHandle`.
pub fn kernel_key(file: &File) -> io::Result<KernelKey> {
    let id = FileStatus::of_open(file)?.id();
    Ok(KernelKey { major: u32::try_from(id.device).unwrap_or(u32::MAX), minor: 0, inode: id.inode })
}
