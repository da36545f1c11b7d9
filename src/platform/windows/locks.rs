//! Windows lists no locks.

use std::fs::File;
use std::io;

use super::file::FileStatus;
use super::native::unsupported;
use crate::platform::kernel_lock::{KernelKey, KernelLock};

/// Whether the kernel lists its locks. Where it does not, who has the file open is all there is to know.
pub const ARE_LISTED: bool = false;

/// Where the kernel lists all locks, for people.
pub const TABLE: &str = "the list of locks";

/// # Errors
/// Always [`io::ErrorKind::Unsupported`].
pub fn listed() -> io::Result<Vec<KernelLock>> {
    Err(unsupported("a list of locks"))
}

/// The name of an open file: the serial number of its volume, 0, and its index in the volume.
///
/// # Errors
/// Those of `GetFileInformationByHandle`.
pub fn kernel_key(file: &File) -> io::Result<KernelKey> {
    let id = FileStatus::of_open(file)?.id();
    Ok(KernelKey { major: u32::try_from(id.device).unwrap_or(u32::MAX), minor: 0, inode: id.inode })
}
