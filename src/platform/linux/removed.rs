//! The paths of files that have been removed, as the kernel shows them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What the kernel puts after the path of a file that has been removed.
const DELETED: &[u8] = b" (deleted)";

/// A path of the kernel's without its mark for a file that has been removed.
pub fn undeleted(path: &Path) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(unmarked(path.as_os_str().as_bytes())))
}

/// The same for the bytes of a path.
pub fn unmarked(path: &[u8]) -> &[u8] {
    path.strip_suffix(DELETED).unwrap_or(path)
}

/// The same path with that mark.
pub fn deleted(path: &Path) -> PathBuf {
    let mut marked = path.as_os_str().to_owned();
    marked.push(OsStr::from_bytes(DELETED));
    marked.into()
}

/// Whether the kernel marks a path as that of a removed file.
pub fn is_deleted(path: &Path) -> bool {
    path.as_os_str().as_bytes().ends_with(DELETED)
}
