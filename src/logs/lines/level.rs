//! Levels, in the spellings of loggers.

use super::escape::skip_colour;

/// A logging level, in the order of severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// DEBUG, INFO and everything else below a warning.
    Info,
    Warning,
    /// ERROR, CRITICAL, FATAL.
    Error,
}

/// The level is within this many bytes after the time.
const WITHIN: usize = 160;

/// No word for a level is longer.
const LONGEST: usize = 11;

/// The word at the start of a text that is a level, in any case, with its length: full words and the shorter ones of .NET,
/// Go, Rust and syslog.
fn word(text: &[u8]) -> Option<(Severity, usize)> {
    let length = text.iter().take(LONGEST + 1).take_while(|byte| byte.is_ascii_alphabetic()).count();
    let mut upper = [0; LONGEST];
    let upper = upper.get_mut(..length)?;
    upper.copy_from_slice(&text[..length]);
    upper.make_ascii_uppercase();
    let level = match &*upper {
        [_] => one_letter(text[0])?,
        b"CRITICAL" | b"EMERGENCY" | b"SEVERE" | b"EMERG" | b"PANIC" | b"ALERT" | b"ERROR" | b"FATAL" | b"CRIT"
        | b"EROR" | b"ERRO" | b"FAIL" | b"FATA" | b"ERR" | b"FTL" => Severity::Error,
        b"WARNING" | b"WARN" | b"WRN" => Severity::Warning,
        b"INFORMATION" | b"VERBOSE" | b"SUCCESS" | b"NOTICE" | b"CONFIG" | b"FINEST" | b"FINER" | b"FINE"
        | b"DEBUG" | b"TRACE" | b"INFO" | b"DBUG" | b"DEBU" | b"VERB" | b"INF" | b"DBG" | b"TRC" | b"VRB" | b"LOG" => {
            Severity::Info
        }
        _ => return None,
    };
    Some((level, length))
}

/// As in `[W]` or `E,`.
fn one_letter(letter: u8) -> Option<Severity> {
    match letter {
        b'E' | b'F' | b'C' => Some(Severity::Error),
        b'W' => Some(Severity::Warning),
        b'I' | b'D' | b'T' | b'V' | b'N' => Some(Severity::Info),
        _ => None,
    }
}

/// Where a level stands decides how it must be written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum LevelPlace {
    /// At the start of the line.
    First,
    /// Right after the time.
    AfterTime,
    /// Among the words that follow.
    Within,
}

/// A level at the very start, with its length: `ERROR`; in lower case only where what follows shows that it is no ordinary
/// word (`error:`, `error]`), or right after a time; in mixed case or as one letter only in brackets or before a bar.
pub fn level_word(text: &[u8], place: LevelPlace) -> Option<(Severity, usize)> {
    let (level, length) = word(text)?;
    let is_upper = text[..length].iter().all(u8::is_ascii_uppercase);
    let is_one_case = is_upper || text[..length].iter().all(u8::is_ascii_lowercase);
    let ends = match text.get(length) {
        Some(b']' | b'|' | b'\x1b') => true,
        // Ruby: `E, [2026-…`.
        _ if length == 1 => text[1..].starts_with(b", ["),
        None | Some(b':') => is_one_case,
        Some(b' ' | b'\t') => is_upper || (is_one_case && place == LevelPlace::AfterTime),
        // Celery: `ERROR/MainProcess`.
        Some(b'/') => is_upper && place != LevelPlace::First,
        // A prefix of Go's logger: `ERROR2026/03/06 …`.
        Some(b'0'..=b'9') => is_upper && place == LevelPlace::First,
        Some(byte) => is_upper && !byte.is_ascii_alphabetic() && !matches!(byte, b'_' | b'.'),
    };
    ends.then_some((level, length))
}

/// The first level among the words after the time.
pub fn level_within(text: &[u8]) -> Option<Severity> {
    let text = &text[..text.len().min(WITHIN)];
    let begins = text.iter().position(u8::is_ascii_alphabetic)?;
    let is_first = begins == 0 || !matches!(text[begins - 1], b'.' | b'/' | b'@' | b'_' | b'0'..=b'9');
    if let Some((level, _)) = level_word(&text[begins..], LevelPlace::AfterTime).filter(|_| is_first) {
        return Some(level);
    }
    if let Some(level) = named(text) {
        return Some(level);
    }
    let mut at = begins;
    while at < text.len() {
        if text[at].is_ascii_uppercase()
            && let Some((level, _)) = level_word(&text[at..], LevelPlace::Within)
        {
            return Some(level);
        }
        if at > 0
            && matches!(text[at - 1], b'[' | b'<' | b'(' | b'|')
            && let Some((level, length)) = word(&text[at..])
            && is_closed(&text[at + length..])
        {
            return Some(level);
        }
        while at < text.len() && is_word(text[at]) {
            at += 1;
        }
        while at < text.len() && !is_word(text[at]) {
            // After a colour, the word begins with the sequence's last letter: `\x1b[31mERROR`.
            let behind = skip_colour(text, at);
            at = if behind > at { behind } else { at + 1 };
        }
    }
    None
}

/// `[error    ]`, `<info>`
fn is_closed(text: &[u8]) -> bool {
    let spaces = text.iter().take_while(|byte| **byte == b' ').count();
    matches!(text.get(spaces), Some(b']' | b'>' | b')' | b'|'))
}

/// `level=error`, `lvl=eror`, `severity=ERROR`
fn named(text: &[u8]) -> Option<Severity> {
    const KEYS: [&[u8]; 3] = [b"level=", b"lvl=", b"severity="];
    memchr::memchr_iter(b'=', text).find_map(|at| {
        KEYS.iter().find(|key| text[..=at].ends_with(key))?;
        value(&text[at + 1..])
    })
}

/// A level as the value of a key: a word in any case, or one of the numbers of pino, Monolog, logback and syslog.
pub fn value(text: &[u8]) -> Option<Severity> {
    let text = text.strip_prefix(b"\"").unwrap_or(text);
    let digits = text.iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return word(text).map(|(level, _)| level);
    }
    let number = text[..digits].iter().fold(0u32, |sum, byte| sum * 10 + u32::from(byte - b'0'));
    let (error, warning) = match number {
        0..=9 => return Some(of_syslog(number)),
        10..=99 => (50, 40),
        100..=999 => (400, 300),
        _ => (40_000, 30_000),
    };
    Some(match number {
        _ if number >= error => Severity::Error,
        _ if number >= warning => Severity::Warning,
        _ => Severity::Info,
    })
}

/// syslog's numbers: 3 is an error, 4 a warning.
fn of_syslog(number: u32) -> Severity {
    match number {
        0..=3 => Severity::Error,
        4 => Severity::Warning,
        _ => Severity::Info,
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
