//! Who holds which lock. (Not there yet.)

use std::fs::File;
use std::io;

use super::native::unsupported;

/// Where the kernel lists all locks, for people.
pub const TABLE: &str = "the list of locks";

/// Which of the kernel's locks it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockKind {
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
    pub pid: i32,
    /// It is waited for, not held.
    pub waits: bool,
}

/// Every lock that is held or waited for.
///
/// # Errors
/// Always `Unsupported`.
pub fn listed() -> io::Result<Vec<KernelLock>> {
    Err(unsupported("a list of all locks"))
}

/// How locks name a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KernelKey {
    pub major: u32,
    pub minor: u32,
    pub inode: u64,
}

/// The kernel's name for an open file.
///
/// # Errors
/// Always `Unsupported`.
pub fn kernel_key(_file: &File) -> io::Result<KernelKey> {
    Err(unsupported("a list of all locks"))
}
