//! Locks, as far as macOS shows them: a descriptor says whether it has ever had a flock, and there is no list.

use std::fs::File;
use std::io;

use super::file::{FileId, FileStatus};
use crate::platform::kernel_lock::{KernelKey, KernelLock};

/// Whether the kernel shows locks: those of a descriptor, as far as it has had any.
pub const ARE_LISTED: bool = true;

/// Where a person sees locks.
pub const TABLE: &str = "lsof";

/// There is no list.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`].
pub fn listed() -> io::Result<Vec<KernelLock>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The kernel's name for an open file.
///
/// # Errors
/// Those of `fstat(2)`.
pub fn kernel_key(file: &File) -> io::Result<KernelKey> {
    Ok(key_of(FileStatus::of_open(file)?.id()))
}

/// `major` and `minor` in `<sys/types.h>`: 8 and 24 bits of 32.
pub(super) fn key_of(file: FileId) -> KernelKey {
    let device = u32::try_from(file.device & u64::from(u32::MAX)).unwrap_or_default();
    KernelKey { major: device >> 24, minor: device & 0x00FF_FFFF, inode: file.inode }
}
