//! Makes strings from elsewhere (command lines, paths, log lines) harmless for a terminal and short enough for a line.

use std::borrow::Cow;

use crate::base::secret::mask;
use crate::base::text::{cut, escape, is_hidden};

/// Hidden characters become visible escapes, and token-shaped strings are masked.
pub fn line(text: &str) -> String {
    escaped(&mask(text), |_| false)
}

/// The same of several lines that may have colours.
pub fn text(text: &str) -> String {
    escaped(&mask(text), |c| matches!(c, '\n' | '\x1b'))
}

fn escaped(text: &str, stays: impl Fn(char) -> bool) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) && !stays(c) {
            clean.extend(c.escape_default());
        } else {
            clean.push(c);
        }
    }
    clean
}

/// JSON's text, tokens masked, with JSON's own escapes for what is hidden: it is read on terminals, too.
pub fn json(text: String) -> String {
    let masked = mask(&text);
    if !masked.contains(is_hidden) {
        return match masked {
            // Mostly nothing is to be done, and the text may be long.
            Cow::Borrowed(_) => text,
            Cow::Owned(masked) => masked,
        };
    }
    let mut clean = String::with_capacity(text.len());
    for c in masked.chars() {
        if is_hidden(c) {
            clean.push_str(&escape(c));
        } else {
            clean.push(c);
        }
    }
    clean
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
        assert_eq!(text("\x1b[31ma\u{feff}\nb"), "\x1b[31ma\\u{feff}\nb");
    }

    #[test]
    fn json_stays_json_and_what_it_was() {
        let all: String = ('\0'..='\u{ffff}').filter(|c| is_hidden(*c)).chain("äöü👩‍🚀 \\u202e\"".chars()).collect();
        assert_eq!(all.chars().filter(|c| is_hidden(*c)).count(), 32 + 33 + 1 + 2 + 7 + 4 + 1);
        let written = json(serde_json::to_string(&all).unwrap());
        assert!(!written.chars().any(is_hidden) && written.contains("äöü👩‍🚀"), "{written}");
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), all);
    }

    #[test]
    fn of_a_command_line_the_programs_folder_is_cut_first() {
        assert_eq!(cut_command("/opt/py/bin/python3 main.py", 20), "…/python3 main.py");
        assert_eq!(cut_command("/opt/py/bin/python3 main.py", 10), "…/python3…");
        assert_eq!(cut_command("/opt/py/bin/python3 main.py", 27), "/opt/py/bin/python3 main.py");
        assert_eq!(cut_command("python3 /srv/main.py", 12), "python3 /sr…");
    }
}
