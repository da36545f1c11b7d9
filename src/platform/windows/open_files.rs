//! What a process has open. (Not there yet.)

use std::io;
use std::path::PathBuf;

use super::locks::KernelLock;
use super::native::unsupported;

/// A descriptor of any process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFile {
    /// The process.
    pub pid: i32,
    pub number: i32,
}

impl OpenFile {
    /// A path that leads to the open file.
    pub fn path(self) -> PathBuf {
        PathBuf::new()
    }

    /// What it is open on.
    pub fn target(self) -> Option<PathBuf> {
        None
    }

    /// The number of the socket that it is.
    pub fn socket(self) -> Option<u64> {
        None
    }

    /// Whether it was opened for writing.
    pub fn is_for_writing(self) -> bool {
        false
    }

    /// The locks that it carries.
    pub fn locks(self) -> Vec<KernelLock> {
        Vec::new()
    }
}

/// Every descriptor of a process.
///
/// # Errors
/// Always `Unsupported`.
pub fn descriptors(_pid: i32) -> io::Result<Vec<OpenFile>> {
    Err(unsupported("what another process has open"))
}
