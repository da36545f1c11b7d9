//! What a process has open is not shown.

use std::io;
use std::path::PathBuf;

use super::file::FileId;
use super::native::unsupported;
use crate::platform::kernel_lock::KernelLock;

/// A descriptor of any process: there are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFile {
    /// The process.
    pub pid: i32,
    pub number: i32,
}

impl OpenFile {
    pub fn path(self) -> Option<PathBuf> {
        None
    }

    pub fn file(self) -> Option<FileId> {
        None
    }

    pub fn target(self) -> Option<PathBuf> {
        None
    }

    pub fn socket(self) -> Option<u64> {
        None
    }

    pub fn is_for_writing(self) -> bool {
        false
    }

    pub fn locks(self) -> Vec<KernelLock> {
        Vec::new()
    }
}

/// # Errors
/// Always [`io::ErrorKind::Unsupported`].
pub fn descriptors(_pid: i32) -> io::Result<Vec<OpenFile>> {
    Err(unsupported("what a process has open"))
}
