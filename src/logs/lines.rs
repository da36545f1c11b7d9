//! The form of a log line: its time, its level, and whether it begins a record or continues one.
//!
//! A *record* is what one call of a logger (or one uncaught exception) wrote: a head, and lines that belong to it. A collector
//! (Docker, syslog, journald, pm2) may put its own stamp before every line. Such an *outer* stamp has a time, but does not
//! begin a record: the line inside does.

use std::sync::LazyLock;

use memchr::memmem::{Finder, FinderRev};

use super::time::{self, Clock, Time, WrittenTime};

// The search is prepared once, because most lines are short.
static LEVEL: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("level="));
static DOCKERS_TIME: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new("\"time\":\""));
static DOCKERS_STREAM: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new("\",\"stream\":\""));

/// Prefixes, times and levels are searched for in this much of a line.
const HEAD: usize = 1024;
/// The level is within this many bytes after the time.
const LEVEL_WITHIN: usize = 160;
/// Marks a line whose time solobot read from a journal: `\x1e1768058834901\x1f` before the message.
pub const STAMP_START: u8 = 0x1e;
/// Ends that mark.
pub const STAMP_END: u8 = 0x1f;

/// A logging level, in the order of severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// DEBUG, INFO and everything else below a warning.
    Info,
    Warning,
    /// ERROR, CRITICAL, FATAL.
    Error,
}

/// The form of a line within its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineForm {
    /// A logger's line: it has its own time or level.
    Head,
    /// Begins in the first column, without a time or a level.
    Plain,
    /// `Traceback (most recent call last):`
    Traceback,
    /// `During handling of the above exception …`
    Chain,
    /// Indented, empty, or a closing bracket: it continues the lines above.
    Inner,
}

/// A parsed line.
#[derive(Debug, Clone, Copy)]
pub struct LogLine<'a> {
    /// When, if this line says so.
    pub time: Time,
    /// Its level, if it has one.
    pub level: Option<Severity>,
    pub shape: LineForm,
    /// Its text, without a collector's prefix.
    pub text: &'a [u8],
    /// The same without the line's own time, so that lines that say the same are equal.
    pub words: &'a [u8],
}

/// Parses a line, which may end in a newline.
pub fn dissect<'a>(line: &'a [u8], clock: &mut Clock) -> LogLine<'a> {
    let mut outer = OuterLine { text: line.trim_ascii_end(), time: Time::UNKNOWN, is_absolute: false, read: None };
    // The deepest nesting seen is Docker's JSON around a syslog line.
    for _ in 0..3 {
        if !outer.strip(clock) {
            break;
        }
    }
    let text = outer.text;
    let mut start = skip_colour(text, 0);
    let is_indented = text.get(start).is_none_or(u8::is_ascii_whitespace) || text[start..].starts_with(b"\\t");
    while text.get(start).is_some_and(|byte| matches!(byte, b' ' | b'[' | b'(' | b'<')) {
        start += 1;
    }
    let first = level_word(&text[start.min(text.len())..]);
    let (inner, behind) = match outer.read.filter(|_| start == 0) {
        Some((written, length)) => (Time::at(clock.instant(&written)), length),
        None => inner_time(text, start, first, clock),
    };
    let time = if outer.is_absolute { outer.time } else { inner.or(outer.time) };
    let is_dated = inner != Time::UNKNOWN;
    let json = text.first() == Some(&b'{');
    let level = match first {
        Some((level, _)) if !is_indented || is_dated => Some(level),
        _ if is_dated && json => json_level(text),
        _ if is_dated || outer.time != Time::UNKNOWN => level_within(&text[behind.min(text.len())..]),
        _ => None,
    };
    let shape = if is_dated || (first.is_some() && !is_indented) {
        LineForm::Head
    } else if is_indented || is_closer(text) {
        LineForm::Inner
    } else {
        shape_of_plain(&text[start.min(text.len())..])
    };
    let words = if is_dated { &text[behind.min(text.len())..] } else { text };
    LogLine { time, level, shape, text, words }
}

/// The line's own time: at `start`, or after the level at `start`.
fn inner_time(text: &[u8], start: usize, first: Option<(Severity, usize)>, clock: &mut Clock) -> (Time, usize) {
    if text.first() == Some(&b'{') {
        return (json_time(text, clock), 0);
    }
    let mut at = start;
    if let Some((_, length)) = first {
        at += length;
        while text.get(at).is_some_and(|byte| matches!(byte, b' ' | b'[' | b']' | b':' | b'|' | b'-' | b'\t' | b'(')) {
            at += 1;
        }
    }
    match time::read(&text[at.min(text.len())..]) {
        Some((written, length)) => (Time::at(clock.instant(&written)), at + length),
        None => (Time::UNKNOWN, at),
    }
}

struct OuterLine<'a> {
    text: &'a [u8],
    time: Time,
    is_absolute: bool,
    /// The time at the beginning of `text`, if it was read and is the line's own.
    read: Option<(WrittenTime, usize)>,
}

impl OuterLine<'_> {
    /// Strips one prefix, and says whether there was one.
    fn strip(&mut self, clock: &mut Clock) -> bool {
        match self.text.first() {
            Some(&STAMP_START) => self.strip_mark(),
            Some(b'{') => self.strip_docker(clock),
            Some(_) => self.strip_name() || self.strip_syslog(clock),
            None => false,
        }
    }

    fn strip_mark(&mut self) -> bool {
        let Some(end) = self.text.iter().take(24).position(|&byte| byte == STAMP_END) else { return false };
        let digits = &self.text[1..end];
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return false;
        }
        let millis =
            digits.iter().fold(0i64, |sum, byte| sum.saturating_mul(10).saturating_add(i64::from(byte - b'0')));
        (self.time, self.is_absolute, self.text) = (Time::at(millis), true, &self.text[end + 1..]);
        true
    }

    /// Docker's json-file driver: `{"log":"…\n","stream":"stderr","time":"…Z"}`.
    fn strip_docker(&mut self, clock: &mut Clock) -> bool {
        let Some(message) = self.text.strip_prefix(b"{\"log\":\"") else { return false };
        let tail = &message[message.len().saturating_sub(256)..];
        if let Some(at) = DOCKERS_TIME.rfind(tail)
            && let Some((written, _)) = time::read(&tail[at + 8..])
        {
            (self.time, self.is_absolute) = (Time::at(clock.instant(&written)), written.is_absolute());
        }
        let end = DOCKERS_STREAM.rfind(message).unwrap_or(message.len());
        let message = &message[..end];
        self.text = message.strip_suffix(b"\\n").unwrap_or(message);
        true
    }

    /// `0|bot  | `, `bot-1  | `: pm2 and docker compose.
    fn strip_name(&mut self) -> bool {
        let head = &self.text[..self.text.len().min(64)];
        let Some(bar) = memchr::memchr(b'|', head) else { return false };
        let name = head[..bar].trim_ascii();
        let is_number = !name.is_empty() && name.iter().all(u8::is_ascii_digit);
        let end = if is_number {
            // pm2: the number, the name.
            match memchr::memchr(b'|', &head[bar + 1..]) {
                Some(second) => bar + 1 + second,
                None => return false,
            }
        } else {
            let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
            if name.is_empty() || !name.iter().all(is_name) || level_word(name).is_some() || bar == name.len() {
                return false;
            }
            bar
        };
        let rest = &self.text[end + 1..];
        self.text = rest.strip_prefix(b" ").unwrap_or(rest);
        true
    }

    /// `Jan 10 15:27:14 host bot[12]: `, and the same with an ISO time. Without a PID only behind the traditional time,
    /// since `2026-01-10 15:27:14 INFO main: ` is a logger's line.
    fn strip_syslog(&mut self, clock: &mut Clock) -> bool {
        let text = &self.text[..self.text.len().min(HEAD)];
        let Some((written, length)) = time::read(text) else { return false };
        self.read = Some((written, length));
        let Some(rest) = text[length..].strip_prefix(b" ") else { return false };
        let mut words = rest.splitn(3, |&byte| byte == b' ');
        let (Some(host), Some(tag)) = (words.next(), words.next()) else { return false };
        let Some(name) = tag.strip_suffix(b":") else { return false };
        let is_traditional = text[0].is_ascii_alphabetic();
        let has_pid = name.last() == Some(&b']') && name.contains(&b'[');
        if host.is_empty() || name.is_empty() || !(has_pid || is_traditional) || level_word(host).is_some() {
            return false;
        }
        (self.time, self.is_absolute) = (Time::at(clock.instant(&written)), written.is_absolute());
        self.read = None;
        self.text = &self.text[(length + 1 + host.len() + 1 + tag.len() + 1).min(self.text.len())..];
        true
    }
}

/// Escape sequences for colour at `at`.
fn skip_colour(text: &[u8], mut at: usize) -> usize {
    while text[at.min(text.len())..].starts_with(b"\x1b[") {
        let Some(end) = text[at..].iter().take(24).position(u8::is_ascii_alphabetic) else { break };
        at += end + 1;
    }
    at
}

fn is_closer(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b'}' | b')' | b']' | b'^' | b'~' | b',' | b';' | b'"' | b'\''))
}

fn shape_of_plain(text: &[u8]) -> LineForm {
    const CHAINS: [&[u8]; 2] = [b"During handling of the above exception", b"The above exception was the direct cause"];
    if text.starts_with(b"Traceback (most recent call last)") {
        LineForm::Traceback
    } else if CHAINS.iter().any(|chain| text.starts_with(chain)) {
        LineForm::Chain
    } else {
        LineForm::Plain
    }
}

const WORDS: [(&[u8], Severity); 11] = [
    (b"CRITICAL", Severity::Error),
    (b"WARNING", Severity::Warning),
    (b"NOTICE", Severity::Info),
    (b"ERROR", Severity::Error),
    (b"FATAL", Severity::Error),
    (b"DEBUG", Severity::Info),
    (b"TRACE", Severity::Info),
    (b"WARN", Severity::Warning),
    (b"INFO", Severity::Info),
    (b"SEVERE", Severity::Error),
    (b"ALERT", Severity::Error),
];

/// A level at the very start: `ERROR`, or `error:` and `error]` as Node's loggers write it. With its length.
fn level_word(text: &[u8]) -> Option<(Severity, usize)> {
    let first = text.first()?;
    if !first.is_ascii_alphabetic() {
        return None;
    }
    let is_lower = first.is_ascii_lowercase();
    let (word, level) = WORDS.iter().find(|(word, _)| {
        text.len() >= word.len()
            && if is_lower { word.eq_ignore_ascii_case(&text[..word.len()]) } else { text.starts_with(word) }
    })?;
    let next = text.get(word.len());
    let ends = match next {
        None => true,
        Some(byte) if is_lower => matches!(byte, b':' | b']' | b'\x1b'),
        Some(byte) => !byte.is_ascii_alphanumeric() && !matches!(byte, b'_' | b'.' | b'/'),
    };
    ends.then_some((*level, word.len()))
}

/// The first level among the words after the time.
fn level_within(text: &[u8]) -> Option<Severity> {
    let text = &text[..text.len().min(LEVEL_WITHIN)];
    let begins = text.iter().position(u8::is_ascii_alphabetic)?;
    // Lower case counts only as the first word: `2026-… error: …`.
    if let Some((level, _)) = level_word(&text[begins..]) {
        return Some(level);
    }
    if let Some(at) = LEVEL.find(text) {
        return named_level(&text[at + 6..]);
    }
    let mut at = begins;
    while at < text.len() {
        if text[at].is_ascii_uppercase()
            && let Some((level, _)) = level_word(&text[at..])
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

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn named_level(text: &[u8]) -> Option<Severity> {
    let text = text.strip_prefix(b"\"").unwrap_or(text);
    WORDS.iter().find_map(|(word, level)| {
        text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)).then_some(*level)
    })
}

/// The value of a key in a JSON line, from its first byte on.
fn json_value<'a>(text: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let text = &text[..text.len().min(HEAD)];
    let at = memchr::memmem::find(text, format!("\"{key}\":").as_bytes())? + key.len() + 3;
    Some(text[at..].trim_ascii_start())
}

fn json_time(text: &[u8], clock: &mut Clock) -> Time {
    const KEYS: [&str; 6] = ["time", "timestamp", "ts", "@timestamp", "asctime", "datetime"];
    KEYS.iter()
        .find_map(|key| {
            let value = json_value(text, key)?;
            match value.strip_prefix(b"\"") {
                Some(quoted) => time::read(quoted).map(|(written, _)| Time::at(clock.instant(&written))),
                None => time::read_epoch(value).map(|(millis, _)| Time::at(millis)),
            }
        })
        .unwrap_or(Time::UNKNOWN)
}

fn json_level(text: &[u8]) -> Option<Severity> {
    const KEYS: [&str; 4] = ["level", "levelname", "severity", "lvl"];
    let value = KEYS.iter().find_map(|key| json_value(text, key))?;
    match value.first()? {
        // pino: 30 info, 40 warn, 50 error, 60 fatal.
        b'5' | b'6' => Some(Severity::Error),
        b'4' => Some(Severity::Warning),
        b'1'..=b'3' => Some(Severity::Info),
        _ => named_level(value),
    }
}

#[cfg(test)]
mod tests;
