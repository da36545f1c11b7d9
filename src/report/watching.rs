//! What `status --watch` shows: on a terminal one picture that is redrawn in place, elsewhere a block or a JSON line
//! for each change.
//!
//! It uses the terminal's alternate screen, so that the operator's own output does not scroll away, and nothing is left
//! over when the terminal becomes narrower. A picture is one write and never larger than the terminal, so nothing
//! scrolls or flickers. Invariant: the screen and its cursor are always restored: at the end, before a stop, and in a
//! panic.

use std::fmt::Write;
use std::io;

use serde_json::Value;

use super::message::local;
use super::style::{FAINT, paint};
use super::{json, status, stream, table, wrap};
use crate::base::secret::mask;
use crate::cli::Global;
use crate::cli::again::TypedLine;
use crate::outcome::status::StatusOutcome;
use crate::platform::terminal;

/// Where the terminal does not say: the size that every terminal has at least.
const SMALL: terminal::Size = terminal::Size { columns: 80, rows: 24 };
/// The alternate screen, without a cursor.
const TAKE: &str = "\x1b[?1049h\x1b[?25l";
/// The usual screen, with its cursor.
const GIVE: &str = "\x1b[?25h\x1b[?1049l";

/// What is shown.
#[derive(Debug, Default)]
pub struct WatchScreen {
    /// What was printed last, without what always changes.
    last: Option<Value>,
    /// The alternate screen is ours.
    has_screen: bool,
    /// It was, at some time.
    had_screen: bool,
}

impl WatchScreen {
    /// Shows what is seen now; where nothing is drawn, only if it has changed.
    ///
    /// # Errors
    /// Those of `write(2)`.
    pub fn show(&mut self, seen: &StatusOutcome, global: &Global, typed: TypedLine<'_>) -> io::Result<()> {
        let colour = stream::has_colour(global.color, &io::stdout());
        if !global.json && can_draw() {
            let size = terminal::size(&io::stdout()).unwrap_or(SMALL);
            let picture = picture(&plain_unless(colour, text(seen, Some(size.columns), global, typed)), size);
            let begin = if self.has_screen { "" } else { TAKE };
            (self.has_screen, self.had_screen) = (true, true);
            return stream::write_raw(format!("{begin}{picture}").as_bytes());
        }
        let Some(value) = json::value(seen) else { return Ok(()) };
        let essence = essence(value.clone());
        if self.last.as_ref() == Some(&essence) {
            return Ok(());
        }
        let is_first = self.last.replace(essence).is_none();
        if global.json {
            return stream::json_to_stdout(&json::line(&value));
        }
        let gap = if is_first { "" } else { "\n" };
        let columns = stream::columns(&io::stdout());
        stream::to_stdout(&format!("{gap}{}", text(seen, columns, global, typed)), colour, columns)
    }

    /// Gives the screen back, if it is ours.
    pub fn leave(&mut self) {
        if std::mem::take(&mut self.has_screen) {
            // Where the terminal has gone there is nothing to give back.
            let _ = stream::write_raw(GIVE.as_bytes());
        }
    }

    /// Whether pictures were drawn, which are gone with the screen.
    pub fn has_drawn(&self) -> bool {
        self.had_screen
    }
}

impl Drop for WatchScreen {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Whether stdout is a terminal that knows how to place its cursor.
fn can_draw() -> bool {
    stream::can_redraw(&io::stdout())
}

fn text(seen: &StatusOutcome, width: Option<usize>, global: &Global, typed: TypedLine<'_>) -> String {
    let time = paint(FAINT, local(seen.time));
    let text = format!("{time}\n{}", status::status(seen, width, global.verbose > 0, typed));
    // Before it is folded: a token in two lines is known by nobody but its reader.
    wrap::page(&mask(&text), width)
}

fn plain_unless(colour: bool, text: String) -> String {
    if colour { text } else { anstream::adapter::strip_str(&text).to_string() }
}

/// What is left if everything is taken away that changes although nothing has happened to a bot.
fn essence(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.remove("time");
        fields.remove("processes");
        // How many could not be inspected changes with every process of another user; whether there are any does not.
        let is_blind = fields.get("uninspected").and_then(Value::as_u64).is_some_and(|count| count > 0);
        fields.insert("uninspected".into(), is_blind.into());
        let bots = fields.get_mut("bots").and_then(Value::as_array_mut).into_iter().flatten();
        let instances = bots.filter_map(|bot| bot.get_mut("instances")?.as_array_mut()).flatten();
        for instance in instances.filter_map(Value::as_object_mut) {
            instance.retain(|name, _| name != "memory_bytes" && name != "cpu_percent");
        }
    }
    value
}

/// The picture of a text, from the upper left corner on. What does not fit below is counted in the last line.
fn picture(text: &str, size: terminal::Size) -> String {
    let mut lines: Vec<(String, usize)> = text.lines().flat_map(|line| fold(line, size.columns)).collect();
    if lines.len() > size.rows {
        let left = lines.len() - (size.rows - 1);
        lines.truncate(size.rows - 1);
        lines.extend(fold(&paint(FAINT, format!("… {left} more lines")), size.columns).into_iter().take(1));
    }
    // No line feed in it: nothing can scroll, and stdout's line buffer does not cut it in two.
    let mut picture = String::new();
    for (index, (line, width)) in lines.iter().enumerate() {
        // Behind a full line the cursor stands on its last character still, and would erase it.
        let rest = if *width < size.columns { "\x1b[K" } else { "" };
        let _ = write!(picture, "\x1b[{}H{line}\x1b[0m{rest}", index + 1);
    }
    if lines.len() < size.rows {
        let _ = write!(picture, "\x1b[{}H\x1b[J", lines.len() + 1);
    }
    picture
}

/// A line in pieces that fit, each with its width; escape sequences have none, and the last one goes on in the next piece.
fn fold(line: &str, columns: usize) -> Vec<(String, usize)> {
    let mut pieces = Vec::new();
    let (mut piece, mut width) = (String::new(), 0);
    let mut style = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            let sequence = format!("{c}{}", until_letter(&mut chars));
            piece.push_str(&sequence);
            style = if sequence == "\x1b[0m" { String::new() } else { style + &sequence };
            continue;
        }
        let own = table::width_of(c);
        if width + own > columns && width > 0 {
            pieces.push((std::mem::replace(&mut piece, style.clone()), width));
            width = 0;
        }
        piece.push(c);
        width += own;
    }
    pieces.push((piece, width));
    pieces
}

/// The rest of an escape sequence.
fn until_letter(chars: &mut impl Iterator<Item = char>) -> String {
    let mut rest = String::new();
    for c in chars {
        rest.push(c);
        if c.is_ascii_alphabetic() {
            break;
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(line: &str, columns: usize) -> Vec<String> {
        fold(line, columns).into_iter().map(|(piece, _)| piece).collect()
    }

    #[test]
    fn lines_are_folded_and_styles_go_on() {
        assert_eq!(folded("abcdef", 4), ["abcd", "ef"]);
        assert_eq!(folded("abcd", 4), ["abcd"]);
        assert_eq!(folded("", 4), [""]);
        assert_eq!(folded("\x1b[1mabcdef\x1b[0mgh", 4), ["\x1b[1mabcd", "\x1b[1mef\x1b[0mgh"]);
        // Two columns each: the fifth column would take half of the third one.
        assert_eq!(folded("日本語", 5), ["日本", "語"]);
        assert_eq!(folded("日", 1), ["日"]);
    }

    #[test]
    fn nothing_scrolls() {
        let size = terminal::Size { columns: 20, rows: 3 };
        assert_eq!(picture("a\nb\n", size), "\x1b[1Ha\x1b[0m\x1b[K\x1b[2Hb\x1b[0m\x1b[K\x1b[3H\x1b[J");
        let full = picture("a\nb\nc\n", size);
        assert!(full.contains("\x1b[3Hc") && !full.contains("\x1b[J"), "{full:?}");
        let cut = picture("a\nb\nc\nd\ne\n", size);
        assert!(cut.contains("\x1b[3H\x1b[2m… 3 more lines") && !cut.contains("\x1b[4H"), "{cut:?}");
        let exact = picture(&"x".repeat(20), size);
        assert!(!exact.contains("\x1b[K"), "the last character stays: {exact:?}");
        assert_ne!(picture("", terminal::Size { columns: 1, rows: 1 }), "");
    }

    #[test]
    fn what_always_changes_is_no_change() {
        let of = |uninspected: u64, state: &str| {
            essence(
                serde_json::json!({"time": uninspected, "processes": uninspected, "uninspected": uninspected, "bots": [state]}),
            )
        };
        assert_eq!(of(3, "free"), of(4, "free"));
        assert_ne!(of(3, "free"), of(0, "free"));
        assert_ne!(of(3, "free"), of(3, "held"));
        let uses = |memory: u64, pid: i32| {
            essence(
                serde_json::json!({"bots": [{"instances": [{"pid": pid, "memory_bytes": memory, "cpu_percent": memory}]}]}),
            )
        };
        assert_eq!(uses(1, 7), uses(2, 7));
        assert_ne!(uses(1, 7), uses(1, 8));
    }
}
