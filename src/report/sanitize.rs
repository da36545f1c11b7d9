//! Foreign strings (command lines, paths, log lines) made harmless for a terminal and short enough for a line.

use crate::base::secret::mask;

/// Control characters become visible escapes, and token-shaped strings are masked.
pub fn line(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in mask(text).chars() {
        // U+0080 to U+009F are controls too (8-bit CSI); the others turn the direction of text around.
        if c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            clean.extend(c.escape_default());
        } else {
            clean.push(c);
        }
    }
    clean
}

/// At most `width` characters, an ellipsis for the rest.
pub fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// A command line of at most `width` characters: before anything else the folder of its program goes, so that the script
/// stays to be read.
pub fn cut_command(command: &str, width: usize) -> String {
    let end = command.find(' ').unwrap_or(command.len());
    match command[..end].rfind('/') {
        Some(folder) if command.chars().count() > width => cut(&format!("…{}", &command[folder..]), width),
        _ => cut(command, width),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_do_not_reach_the_terminal() {
        assert_eq!(line("a\x1b[31mb\x07\u{9b}c\nd"), "a\\u{1b}[31mb\\u{7}\\u{9b}c\\nd");
        assert_eq!(line("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(line("plain äöü"), "plain äöü");
    }

    #[test]
    fn a_long_line_is_cut() {
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
    }

    #[test]
    fn of_a_command_line_the_programs_folder_is_cut_first() {
        assert_eq!(cut_command("/opt/py/bin/python3 main.py", 20), "…/python3 main.py");
        assert_eq!(cut_command("/opt/py/bin/python3 main.py", 10), "…/python3…");
        assert_eq!(cut_command("/opt/py/bin/python3 main.py", 27), "/opt/py/bin/python3 main.py");
        assert_eq!(cut_command("python3 /srv/main.py", 12), "python3 /sr…");
    }
}
