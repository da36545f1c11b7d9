//! The paths of files that have been removed: Windows marks none.

use std::path::{Path, PathBuf};

/// The path as it is.
pub fn undeleted(path: &Path) -> PathBuf {
    path.to_path_buf()
}

/// The same for the bytes of a path.
pub fn unmarked(path: &[u8]) -> &[u8] {
    path
}

/// What a path of a removed file looks like: as before.
pub fn deleted(path: &Path) -> PathBuf {
    path.to_path_buf()
}

/// Whether it is marked as the path of a removed file: no path is.
pub fn is_deleted(_path: &Path) -> bool {
    false
}
