//! Words as programs pass them to each other: any bytes here, which `as_encoded_bytes` shows as they are.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// The word of these bytes: part of another word, cut at ASCII, or the content of a file.
pub fn os_str(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

/// The same, of your own.
pub fn os_string(bytes: Vec<u8>) -> OsString {
    OsString::from_vec(bytes)
}

/// The last component of the bytes of a path.
pub fn file_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}

/// Whether a word names a folder as well as a file, so that no PATH is searched for it.
pub fn names_folder(word: &[u8]) -> bool {
    word.contains(&b'/')
}

/// Whether two names of files in one folder mean one program.
pub fn is_same_name(one: &[u8], other: &[u8]) -> bool {
    one == other
}

/// The name of a program, without an extension that every program has.
pub fn program_name(file_name: &[u8]) -> &[u8] {
    file_name
}

/// The file that is started where this path is typed: itself.
pub fn started_file(path: PathBuf) -> PathBuf {
    path
}
