//! What messages are made of: an error with its hints, a detail under a line, a process in a sentence. Pure.

use std::fmt::Write;

use super::sanitize;
use super::style::{BAD, COMMAND, FAINT, NAME, paint};
use crate::base::duration::show;
use crate::outcome::process::ProcessView;
use crate::outcome::sentence::shortened;

/// A label of a line under a message.
pub fn detail(label: &str, text: &str) -> String {
    format!("  {:<9} {text}\n", paint(FAINT, format!("{label:<9}")).trim_end_matches(' '))
}

pub fn error(message: &str, hints: &[String]) -> String {
    let mut text = format!("solobot: {} {}\n", paint(BAD, "error:"), sanitize::line(message));
    text.push_str(&hint_lines(hints));
    text
}

/// A line a hint.
pub fn hint_lines(hints: &[String]) -> String {
    hints.iter().fold(String::new(), |mut text, hint| {
        let _ = writeln!(text, "  {} {}", paint(COMMAND, "hint:"), sanitize::line(hint));
        text
    })
}

/// A process in a sentence: `PID 4242: python main.py`.
pub fn process(view: &ProcessView) -> String {
    format!("PID {}: {}", paint(NAME, view.pid), sanitize::line(&shortened(&view.command)))
}

/// Since when and by whom a process runs.
pub fn circumstances(view: &ProcessView) -> String {
    let since = view.start.map_or_else(String::new, |start| {
        let local = start.to_zoned(jiff::tz::TimeZone::system());
        let age = view.age.map_or_else(String::new, |age| format!(" ({})", show(age)));
        format!("{}{age}", local.strftime("%Y-%m-%d %H:%M:%S"))
    });
    if view.user.is_empty() { since } else { format!("{since}, user {}", view.user) }
}

/// So many updates.
pub fn updates(count: u64) -> String {
    match count {
        0 => "no update".to_owned(),
        1 => "one update".to_owned(),
        many => format!("{many} updates"),
    }
}

/// That so many wait.
pub fn waiting_updates(count: u64) -> String {
    let wait = if count < 2 { "waits" } else { "wait" };
    format!("{} {wait} for the bot's next poll", updates(count))
}

/// So many bytes.
pub fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!([size(5), size(1536), size(3 << 30)], ["5 bytes", "1.5 KiB", "3.0 GiB"]);
    }
}
