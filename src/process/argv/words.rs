//! Single words of a command line.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::platform::words::{file_name, os_str, os_string};

/// The last component of a word that may be a path, a login shell's dash left out.
pub fn base(word: &OsStr) -> &OsStr {
    let name = file_name(word.as_encoded_bytes());
    os_str(name.strip_prefix(b"-").unwrap_or(name))
}

/// Extensions that make a word a script.
const EXTENSIONS: [&str; 25] = [
    "py", "pyc", "pyw", "pyz", "js", "mjs", "cjs", "ts", "mts", "cts", "tsx", "jsx", "rb", "php", "phar", "pl", "lua",
    "sh", "bash", "tcl", "jar", "dll", "bat", "cmd", "ps1",
];

/// Whether a word is a script by its extension.
pub fn has_script_extension(word: &OsStr) -> bool {
    Path::new(word).extension().and_then(OsStr::to_str).is_some_and(|ext| EXTENSIONS.contains(&ext))
}

/// The word that these bytes are.
pub fn os(bytes: &[u8]) -> OsString {
    os_string(bytes.to_vec())
}

/// A Python identifier, near enough for ASCII and letters beyond.
pub fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c == '_' || c.is_alphabetic()) && chars.all(|c| c == '_' || c.is_alphanumeric())
}
