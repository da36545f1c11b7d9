//! The parts of messages: an error with its hints, a detail below a line, a process in a sentence. Pure.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::sanitize;
use super::style::{BAD, COMMAND, FAINT, NAME, paint};
use crate::base::duration::{Limit, show};
use crate::cli::again::TypedLine;
use crate::outcome::process::ProcessView;
use crate::outcome::sentence::shortened;

/// A label of a line under a message.
pub fn detail(label: &str, text: &str) -> String {
    format!("  {:<9} {text}\n", paint(FAINT, format!("{label:<9}")).trim_end_matches(' '))
}

pub fn error(message: &str, hints: &[String], typed: TypedLine<'_>) -> String {
    let mut text = format!("solobot: {} {}\n", paint(BAD, "error:"), sanitize::line(message));
    text.push_str(&hint_lines(hints, typed));
    text
}

/// How long a wait for a holder is.
pub fn until(wait: Limit) -> String {
    match wait {
        Limit::Forever => "until it ends".to_owned(),
        limit @ Limit::For(_) => format!("up to {limit} for it to end"),
    }
}

/// A line a hint, its command painted.
pub fn hint_lines(hints: &[String], typed: TypedLine<'_>) -> String {
    let complete = hints.iter().filter_map(|hint| typed.complete(hint));
    complete.fold(String::new(), |mut text, hint| {
        let hint = sanitize::line(&hint);
        let (purpose, command) = hint.split_at(command_at(&hint));
        let _ = writeln!(text, "  {} {purpose}{}", paint(FAINT, "hint:"), paint(COMMAND, command));
        text
    })
}

/// What the command of a hint begins with, variables before it aside.
const PROGRAMS: [&str; 44] = [
    "cat",
    "cd",
    "chmod",
    "chown",
    "cp",
    "crontab",
    "curl",
    "date",
    "df",
    "docker",
    "env",
    "exec",
    "getent",
    "grep",
    "icacls",
    "journalctl",
    "kill",
    "kubectl",
    "ls",
    "man",
    "mkdir",
    "mount",
    "mv",
    "notepad",
    "pm2",
    "podman",
    "ps",
    "rm",
    "s6-svc",
    "screen",
    "sh",
    "sleep",
    "solobot",
    "ss",
    "sudo",
    "supervisorctl",
    "sv",
    "svc",
    "systemctl",
    "systemd-analyze",
    "tmux",
    "tr",
    "ulimit",
    "unshare",
];

/// Where the command of a hint begins: behind the colon that a command follows; at its end if it names none.
fn command_at(hint: &str) -> usize {
    let is_command = |text: &str| {
        let is_variable = |word: &&str| word.split_once('=').is_some_and(|(name, _)| is_name(name));
        text.split(' ')
            .find(|word| !is_variable(word))
            .is_some_and(|word| PROGRAMS.contains(&word) || is_powershells(word))
    };
    let mut begins = std::iter::once(0).chain(hint.match_indices(": ").map(|(at, colon)| at + colon.len()));
    begins.find(|at| is_command(&hint[*at..])).unwrap_or(hint.len())
}

/// `Stop-Process`, or a variable that gets a value.
fn is_powershells(word: &str) -> bool {
    const VERBS: [&str; 8] = ["Disable", "Get", "New", "Remove", "Restart", "Set", "Start", "Stop"];
    word.starts_with("$env:") || word.split_once('-').is_some_and(|(verb, _)| VERBS.contains(&verb))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

/// A process in a sentence: `PID 4242: python main.py`.
pub fn process(view: &ProcessView) -> String {
    format!("PID {}: {}", paint(NAME, view.pid), sanitize::line(&shortened(&view.command)))
}

/// Since when and by whom a process runs.
pub fn circumstances(view: &ProcessView) -> String {
    let since = view.start.map_or_else(String::new, |start| {
        let age = show(Timestamp::now().duration_since(start).unsigned_abs());
        format!("{} ({age})", local(start))
    });
    if view.user.is_empty() { since } else { format!("{since}, user {}", view.user) }
}

/// A moment on this machine's clock.
pub fn local(time: Timestamp) -> String {
    time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

pub fn instances(count: usize) -> String {
    match count {
        0 => "no instance".to_owned(),
        1 => "one instance".to_owned(),
        many => format!("{many} instances"),
    }
}

pub fn updates(count: u64) -> String {
    match count {
        0 => "no updates".to_owned(),
        1 => "one update".to_owned(),
        many => format!("{many} updates"),
    }
}

pub fn waiting_updates(count: u64) -> String {
    let are = if count == 1 { "is" } else { "are" };
    format!("{} {are} waiting for the bot's next poll", updates(count))
}

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
    fn a_hints_command_is_found() {
        let of = |hint: &'static str| &hint[command_at(hint)..];
        assert_eq!(of("to stop it: sudo systemctl stop x: now"), "sudo systemctl stop x: now");
        assert_eq!(of("do without: NO_PROXY=h solobot status"), "NO_PROXY=h solobot status");
        assert_eq!(of("which bot? it could be: main, other"), "");
        assert_eq!(of("ls -ld /x"), "ls -ld /x");
        assert_eq!(of("to stop it: Stop-Process -Id 4"), "Stop-Process -Id 4");
        assert_eq!(of("do without it: $env:NO_PROXY = 'h'; solobot status"), "$env:NO_PROXY = 'h'; solobot status");
    }

    #[test]
    fn sizes() {
        assert_eq!([size(5), size(1536), size(3 << 30)], ["5 bytes", "1.5 KiB", "3.0 GiB"]);
    }
}
