//! Breaks text into lines that fit the terminal, between words and never inside one.
//!
//! Invariant: a command ([`COMMAND`]) can be pasted from the screen. A command that fits into a line gets its own line.
//! A longer one is broken between its words, and every line except the last ends as the shell reads it: with a backslash, or a
//! backtick in PowerShell.
//! A word that is wider than the terminal stays whole: the terminal folds it, and copies it as one.

use super::style::COMMAND;
use super::table::width_of;
use crate::base::shell::{ESCAPE, GOES_ON};

/// What stands before a line that goes on, beyond the indent of the first one.
const HANGING: usize = 2;

/// The same text in lines of at most `columns`; `None` breaks nothing.
pub fn page(text: &str, columns: Option<usize>) -> String {
    let Some(columns) = columns else { return text.to_owned() };
    text.split_inclusive('\n').fold(String::with_capacity(text.len()), |mut page, line| {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        if width(line) <= columns {
            page.push_str(line);
        } else {
            Layout::of(line, columns).fill(&mut page);
        }
        page + end
    })
}

/// Plain text in lines of at most `columns`.
pub fn lines(text: &str, columns: usize) -> Vec<String> {
    page(text, Some(columns)).lines().map(|line| line.trim_start().to_owned()).collect()
}

/// How many columns a line takes; its colours take none.
pub fn width(line: &str) -> usize {
    anstream::adapter::strip_str(line).flat_map(str::chars).map(width_of).sum()
}

/// A word with the colours around it.
#[derive(Debug, Default)]
struct Piece {
    text: String,
    width: usize,
}

/// What stays in one line where it can: a word, or the words of a command.
type Chunk = Vec<Piece>;

/// A line that is too long, on its way to several.
struct Layout {
    indent: usize,
    columns: usize,
    chunks: Vec<Chunk>,
    /// How much of the current line is taken.
    used: usize,
    is_empty: bool,
}

impl Layout {
    fn of(line: &str, columns: usize) -> Self {
        let indent = line.len() - line.trim_start_matches(' ').len();
        Self { indent, columns, chunks: chunks(&line[indent..]), used: indent, is_empty: true }
    }

    fn fill(mut self, page: &mut String) {
        page.push_str(&" ".repeat(self.indent));
        let hanging = self.indent + HANGING;
        for words in std::mem::take(&mut self.chunks) {
            let width = words.iter().map(|word| word.width + 1).sum::<usize>() - 1;
            if !self.is_empty && !self.fits(width) {
                self.new_line(page, hanging);
            }
            let last = words.len() - 1;
            for (at, word) in words.iter().enumerate() {
                // A command that no line is wide enough for.
                let end = if at == last { 0 } else { GOES_ON.len() };
                if at > 0 && !self.fits(word.width + end) {
                    page.push_str(GOES_ON);
                    self.new_line(page, hanging + HANGING);
                }
                self.put(page, word);
            }
        }
    }

    fn fits(&self, width: usize) -> bool {
        self.used + usize::from(!self.is_empty) + width <= self.columns
    }

    fn put(&mut self, page: &mut String, word: &Piece) {
        if self.is_empty && word.text.is_empty() {
            // Of several blanks, at a line's beginning.
            return;
        }
        if !self.is_empty {
            page.push(' ');
            self.used += 1;
        }
        page.push_str(&word.text);
        self.used += word.width;
        self.is_empty = false;
    }

    fn new_line(&mut self, page: &mut String, indent: usize) {
        page.truncate(page.trim_end_matches(' ').len());
        page.push('\n');
        page.push_str(&" ".repeat(indent));
        self.used = indent;
        self.is_empty = true;
    }
}

/// The words of a line. In a command a quoted word is one, whatever spaces it has; in prose, what stands in back quotes.
fn chunks(line: &str) -> Vec<Chunk> {
    let begin = COMMAND.render().to_string();
    let mut chunks: Vec<Chunk> = Vec::new();
    let mut word = Piece::default();
    // `goes_on`: the word belongs to the command of the word before.
    let (mut in_command, mut goes_on, mut quote) = (false, false, None);
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        if c == '\x1b' {
            let end = rest.find(|c: char| c.is_ascii_alphabetic()).map_or(rest.len(), |end| end + 1);
            in_command = rest[..end] == begin;
            word.text.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        if c == ESCAPE && in_command && quote.is_none() {
            // What follows is itself: in `'it'\''s'` the quote behind the backslash begins nothing.
            let escaped = rest.chars().next().filter(|&c| c != '\x1b');
            for c in [Some(c), escaped].into_iter().flatten() {
                word.text.push(c);
                word.width += width_of(c);
            }
            rest = &rest[escaped.map_or(0, char::len_utf8)..];
            continue;
        }
        if c == ' ' && quote.is_none() {
            push(&mut chunks, std::mem::take(&mut word), goes_on);
            goes_on = in_command;
            continue;
        }
        quote = match quote {
            Some(open) if open == c => None,
            None if c == '`' && !in_command && rest.contains('`') => Some(c),
            None if matches!(c, '\'' | '"') && in_command && rest.contains(c) => Some(c),
            other => other,
        };
        word.text.push(c);
        word.width += width_of(c);
    }
    push(&mut chunks, word, goes_on);
    chunks
}

fn push(chunks: &mut Vec<Chunk>, word: Piece, goes_on: bool) {
    match chunks.last_mut() {
        Some(command) if goes_on => command.push(word),
        _ => chunks.push(vec![word]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::style::paint;

    fn plain(text: &str, columns: usize) -> String {
        anstream::adapter::strip_str(&page(text, Some(columns))).to_string()
    }

    #[test]
    fn between_words_but_not_inside_a_command() {
        assert_eq!(lines("one two `a b c` four", 11), ["one two", "`a b c`", "four"]);
        assert_eq!(plain("  one two three\nfour\n", 11), "  one two\n    three\nfour\n");
        assert_eq!(plain("a averyveryverylongword b", 10), "a\n  averyveryverylongword\n  b");
    }

    #[test]
    fn a_command_stays_in_one_line_where_that_is_wide_enough() {
        let hint = format!("  hint: to stop it: {}", paint(COMMAND, "solobot stop -m x.py"));
        assert_eq!(plain(&hint, 60), "  hint: to stop it: solobot stop -m x.py");
        assert_eq!(plain(&hint, 26), "  hint: to stop it:\n    solobot stop -m x.py");
    }

    #[test]
    fn a_longer_command_goes_on_as_a_shell_reads_it() {
        let hint = format!("  hint: stop: {} now", paint(COMMAND, "solobot stop --lock '/a b/c'"));
        assert_eq!(plain(&hint, 24), "  hint: stop:\n    solobot stop \\\n      --lock '/a b/c'\n    now");
        for columns in 10..60 {
            let joined = plain(&hint, columns).replace(GOES_ON, "");
            let words: Vec<&str> = joined.split_whitespace().collect();
            assert_eq!(words.join(" "), "hint: stop: solobot stop --lock '/a b/c' now", "{columns}");
        }
    }

    #[test]
    fn an_apostrophe_in_a_quoted_word_ends_nothing() {
        let words = ["stop", "it's a b", "x  y", "''", "\\ ", "say \"a b", "z"];
        let command = paint(COMMAND, format!("solobot {}", shell_words::join(words)));
        for columns in 1..80 {
            let pasted = plain(&command, columns).replace("\\\n", "");
            assert_eq!(shell_words::split(&pasted).unwrap()[1..], words, "{columns}: {pasted}");
        }
    }

    #[test]
    fn colours_take_no_columns() {
        let text = paint(COMMAND, "abcd") + &paint(super::super::style::BAD, " efgh");
        assert_eq!(page(&text, Some(9)), text);
        assert_eq!(width(&text), 9);
    }
}
