//! The paths of files that have been removed: the kernel does not mark them, and shows an empty one.

use std::path::{Path, PathBuf};

/// A path of the kernel's without its mark for a file that has been removed: there is none.
pub fn undeleted(path: &Path) -> PathBuf {
    path.to_owned()
}

/// The same for the bytes of a path.
pub fn unmarked(path: &[u8]) -> &[u8] {
    path
}

/// The same path with that mark.
pub fn deleted(path: &Path) -> PathBuf {
    path.to_owned()
}

/// Whether the kernel marks a path as that of a removed file: never.
pub fn is_deleted(_path: &Path) -> bool {
    false
}
