//! Characters that are not what they seem.

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
