//! Text: hidden characters, paths that are not UTF-8, what is too long, and plurals.

use std::path::{Path, PathBuf};

/// Whether a character is invisible but changes how text is shown. U+0080 to U+009F are controls too (8-bit CSI). The
/// others change the direction of text (U+061C, marks, embeddings, overrides, isolates), break a line (U+2028, U+2029) or
/// are a byte order mark.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

/// Its escape in JSON and TOML. All hidden characters have 16 bits.
pub fn escape(hidden: char) -> String {
    format!("\\u{:04x}", u32::from(hidden))
}

/// A path for JSON. Bytes that are not valid UTF-8 are replaced.
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

/// At most `width` characters, an ellipsis for the rest. What may hold a token is masked before: a part of one no longer looks
/// like one.
pub fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// `1 conflict`, `2 conflicts`.
pub fn plural(count: u64, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut() {
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
    }
}
