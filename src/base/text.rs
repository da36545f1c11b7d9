//! Text: characters that are not what they seem, paths that are no text, and words in the plural.

use std::path::{Path, PathBuf};

/// Whether nobody sees a character that changes what is seen. U+0080 to U+009F are controls as well (8-bit CSI); the others
/// turn the direction of text around (U+061C, marks, embeddings, overrides, isolates), break a line (U+2028, U+2029) or are
/// a byte order mark.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

/// The escape that JSON and TOML have for it. All of them are of 16 bits.
pub fn escape(hidden: char) -> String {
    format!("\\u{:04x}", u32::from(hidden))
}

/// A path for JSON, which is UTF-8: what is none is replaced.
///
/// # Errors
/// Those of the serializer.
pub fn lossy<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

/// A path made absolute without touching the disk.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// `1 conflict`, `2 conflicts`.
pub fn plural(count: u64, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}
